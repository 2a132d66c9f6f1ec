// The newcomer's first page: three ways to the first call, each with everything needed to do it.
import { Button } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { useMay, useMe } from '../api/session';
import { DeviceBanner } from '../desk/DeviceBanner';
import { RingMe } from '../desk/RingMe';
import { useLocal } from '../i18n/localized';
import { useDesk } from '../socket/session';
import { CopyButton } from '../ui/CopyButton';
import { Ready } from '../ui/States';

export function Welcome() {
  const { t } = useTranslation('common');
  const me = useMe();
  const may = useMay();
  const desk = useDesk();
  const page = `${location.origin}/call/${me.tenant.id}`;
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t('welcome.title')}</h1>
      </header>
      {desk ? <DeviceBanner desk={desk} /> : null}
      <div className="page-body">
        <div className="welcome">
          <p>{t('welcome.lead')}</p>
          <ol className="card card-body">
            <li>
              <div className="col">
                <h2>{t('welcome.step_ring')}</h2>
                <p className="dim">{t('welcome.step_ring_text')}</p>
                <div className="row wrap">
                  <RingMe variant="filled" />
                  {me.agent ? <Link to="/desk/{-$interactionId}">{t('welcome.open_desk')}</Link> : <span className="dim">{t('desk.no_agent')}</span>}
                </div>
              </div>
            </li>
            <li>
              <div className="col">
                <h2>{t('welcome.step_phone')}</h2>
                <p className="dim">{t('welcome.step_phone_text')}</p>
                {may('device.manage') ? <SipAccount /> : <p>{t('welcome.not_admin')}</p>}
                {may('config.view') ? <Numbers /> : null}
              </div>
            </li>
            <li>
              <div className="col">
                <h2>{t('welcome.step_web')}</h2>
                <p className="dim">{t('welcome.step_web_text')}</p>
                <div className="row wrap">
                  <a href={page} target="_blank" rel="noreferrer">
                    {t('welcome.open_page')}
                  </a>
                  <span className="mono">{page}</span>
                  <CopyButton text={page} />
                </div>
              </div>
            </li>
          </ol>
        </div>
      </div>
    </div>
  );
}

function Numbers() {
  const { t } = useTranslation('common');
  const local = useLocal();
  const numbers = useQuery({ queryKey: ['numbers', 'first'], queryFn: () => ok(api.GET('/api/v1/numbers', { params: { query: { limit: 20 } } })) });
  return (
    <Ready query={numbers}>
      {(page) => (
        <table className="grid">
          <caption className="visually-hidden">{t('welcome.numbers')}</caption>
          <thead>
            <tr>
              <th>{t('welcome.number')}</th>
              <th>{t('welcome.what')}</th>
            </tr>
          </thead>
          <tbody>
            {page.items.map((n) => (
              <tr key={n.id}>
                <td className="mono">{`sip:${n.number}@${location.hostname}`}</td>
                <td>{local(n.name)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Ready>
  );
}

/** A phone of one's own, made on the spot; the secret is in the answer only. */
function SipAccount() {
  const { t, i18n } = useTranslation('common');
  const me = useMe();
  const make = useMutation({
    mutationFn: async (): Promise<Schemas['DeviceCreated']> => {
      const user = `phone-${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36) ?? '1'}`;
      const result = await ok(api.POST('/api/v1/devices/bulk', { body: { devices: [{ name: `${t('welcome.device_name')} · ${me.name}`, agent: me.agent, kind: { kind: 'sip', user } }] } }));
      const row = result.rows[0];
      if (!row?.device) throw new Error('no device in the answer');
      return row.device;
    },
  });
  if (!make.data) {
    return (
      <div className="row">
        <Button variant="default" loading={make.isPending} onClick={() => make.mutate()}>
          {t('welcome.make_account')}
        </Button>
        {make.error ? <span role="alert">{problemText(make.error, i18n.language, t)}</span> : null}
      </div>
    );
  }
  const d = make.data;
  const facts: [string, string][] = [
    // The server's own address does as the domain; the realm is what the phone is asked for.
    [t('welcome.server'), location.hostname],
    [t('welcome.realm'), d.realm ?? ''],
    [t('welcome.user'), d.kind.kind === 'sip' ? d.kind.user : ''],
    [t('welcome.password'), d.secret ?? ''],
  ];
  return (
    <div className="alert" data-tone="warn">
      <p>{t('welcome.account_once')}</p>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd className="mono row">
              {value}
              <CopyButton text={value} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
