// "Set up a phone": the settings to copy, in the words of the phone at hand, and a link that Linphone fetches them by.
import { Button, SegmentedControl, Select } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { useLocal } from '../i18n/localized';
import { CopyButton } from '../ui/CopyButton';
import { timeOfDay } from '../ui/format';
import { Loading, Ready } from '../ui/States';
import { type PhoneAccount, phones, place, proxy, type Transport } from './phones';

const Qr = lazy(() => import('./Qr').then((m) => ({ default: m.Qr })));

export interface SetupDevice {
  id: string;
  user: string;
  realm: string;
  srtp: Schemas['Srtp'];
  codecs: Schemas['Codec'][];
  /** Only just after it was set. */
  secret: string | null;
}

export function PhoneSetup({ device }: { device: SetupDevice }) {
  const query = useQuery({ queryKey: ['phone-service'], queryFn: () => ok(api.GET('/api/v1/devices/service')), staleTime: 60_000 });
  return <Ready query={query}>{(service) => <Settings device={device} service={service} />}</Ready>;
}

function Settings({ device, service }: { device: SetupDevice; service: Schemas['PhoneService'] }) {
  const { t, i18n } = useTranslation('admin');
  const local = useLocal();
  const me = useMe();
  const [transport, setTransport] = useState<Transport>(device.srtp === 'required' && service.sip_tls !== null ? 'tls' : 'udp');
  const [phone, setPhone] = useState('any');
  const [made, setMade] = useState<string | null>(null);
  const secret = made ?? device.secret;
  const link = useMutation({
    mutationFn: () => ok(api.POST('/api/v1/devices/{id}/link', { params: { path: { id: device.id } }, body: { transport, ...(secret ? { secret } : {}) } })),
    onSuccess: (l) => setMade(l.secret),
  });
  const { host, url, alone } = place(location, service);
  const port = transport === 'tls' ? (service.sip_tls ?? service.sip) : service.sip;
  const account: PhoneAccount = { ...device, secret, host, port, transport, registration_s: service.registration_s };
  const chosen = phones.find((p) => p.id === phone);
  const codecs = (device.codecs.length > 0 ? device.codecs : (['pcma', 'pcmu', 'g722', 'opus'] as const)).map((c) => t(`codecs.${c}`)).join(', ');
  const facts: [string, string | null][] = chosen
    ? [...chosen.fields.map((f): [string, string | null] => [local(f.label), f.value(account)]), [t('codecs.label'), codecs]]
    : [
        [t('setup.server'), host],
        [t('setup.port'), String(port)],
        [t('phone_transport'), transport.toUpperCase()],
        [t('sip_user'), device.user],
        [t('secret'), secret],
        [t('setup.domain'), device.realm],
        [t('setup.proxy'), proxy(account)],
        [t('setup.websocket'), `${url.replace(/^http/, 'ws')}/sip`],
        [t('srtp.label'), t(`srtp.${device.srtp}`)],
        [t('codecs.label'), codecs],
        [t('setup.dtmf'), 'RFC 4733 (RFC 2833)'],
        [t('setup.interval'), String(service.registration_s)],
      ];
  const address = link.data ? `${url}${link.data.path}` : null;
  return (
    <div className="col" data-testid="phone-setup">
      {alone ? (
        <div className="alert" data-tone="warn">
          {t('setup.alone')}
        </div>
      ) : null}
      <Select label={t('setup.phone')} allowDeselect={false} data={[{ value: 'any', label: t('setup.any') }, ...phones.map((p) => ({ value: p.id, label: p.name }))]} value={phone} onChange={(v) => v && setPhone(v)} data-testid="setup-phone" />
      <SegmentedControl
        aria-label={t('phone_transport')}
        data={(['udp', 'tcp', 'tls'] as const).map((v) => ({ value: v, label: v.toUpperCase(), disabled: v === 'tls' && service.sip_tls === null }))}
        value={transport}
        onChange={(v) => {
          setTransport(v as Transport);
          link.reset();
        }}
      />
      {chosen ? <p className="dim">{local(chosen.where)}</p> : null}
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd className="row">
              {value === null ? (
                <span className="dim">{t('setup.unknown')}</span>
              ) : (
                <>
                  <span className="mono secret">{value}</span>
                  <CopyButton text={value} />
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
      <h3>{t('setup.link')}</h3>
      <p className="dim">{t('setup.link_hint')}</p>
      {link.error ? (
        <div className="alert" data-tone="bad" role="alert">
          {problemText(link.error, i18n.language, (k) => t(k, { ns: 'common' }))}
        </div>
      ) : null}
      {link.data && address ? (
        <div className="col" role="status">
          <Suspense fallback={<Loading />}>
            <Qr text={address} label={t('setup.qr')} />
          </Suspense>
          <div className="row">
            <span className="mono secret" data-testid="setup-link">
              {address}
            </span>
            <CopyButton text={address} />
          </div>
          <a href={`linphone-config:${address}`}>{t('setup.open')}</a>
          <p className="dim">{t('setup.until', { time: timeOfDay(link.data.expires_at, i18n.language, me.time_zone) })}</p>
        </div>
      ) : null}
      {secret ? null : <p>{t('setup.reset_hint')}</p>}
      <div className="row">
        <Button variant="default" loading={link.isPending} onClick={() => link.mutate()} data-testid="setup-make">
          {t(secret ? 'setup.make' : 'setup.reset')}
        </Button>
      </div>
    </div>
  );
}
