// Right: the device in words, the facts of the work at hand, the queues served.
import { Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe } from '../api/session';
import { useLocal } from '../i18n/localized';
import { useConnection, useDevice } from '../socket/session';
import { dateTime } from '../ui/format';
import { Icon } from '../ui/icons';
import { later } from '../ui/later';
import { DialogComing } from '../ui/States';
import { type DeskView, type DeskWork, deviceTrouble } from './words';

const SoundDialog = later(() => import('../talk/SoundDialog'), 'SoundDialog');

export function DeskSide({ desk, work }: { desk: DeskView; work: DeskWork | undefined }) {
  const { t, i18n } = useTranslation('common');
  const local = useLocal();
  const me = useMe();
  const device = useDevice();
  const trouble = deviceTrouble(desk, device?.view ?? null, useConnection());
  const [sound, setSound] = useState(false);
  const variables = Object.entries(work?.variables ?? {});
  return (
    <section className="desk-side" aria-label={t('desk.details')}>
      <div className="section-head">
        <h2>{t('desk.device')}</h2>
        <span className="state" data-tone={!trouble ? 'ready' : trouble.severe ? 'danger' : 'wrapup'} data-testid="device" data-ready={desk.device?.ready ?? false}>
          {t(trouble ? `device.${trouble.key}.title` : 'device.ready')}
        </span>
      </div>
      <div className="device-card">
        <dl className="facts">
          <dt>{t('desk.device_kind')}</dt>
          <dd>{desk.device ? t(`device.kind.${desk.device.kind}`) : t('device.none')}</dd>
          <dt>{t('desk.extension')}</dt>
          <dd className="num">{desk.extension}</dd>
          {device?.view.leading ? (
            <>
              <dt>{t('desk.microphone')}</dt>
              <dd>{device.view.microphoneName || t(`microphone.${device.view.microphone}`)}</dd>
            </>
          ) : null}
        </dl>
        {device?.view.leading ? (
          <button type="button" className="link row" data-testid="sound-settings" onClick={() => setSound(true)}>
            <Icon name="gear" size={16} />
            {t('desk.sound')}
          </button>
        ) : null}
        {sound ? (
          <Suspense fallback={<DialogComing />}>
            <SoundDialog close={() => setSound(false)} />
          </Suspense>
        ) : null}
        {desk.blocked ? <p className="alert" data-tone="warn">{t([`blocked.${desk.blocked.replace('.', '_')}`, 'blocked.other'])}</p> : null}
      </div>
      {work ? (
        <>
          <div className="section-head">
            <h2>{t('desk.facts')}</h2>
          </div>
          <div className="device-card">
            <dl className="facts">
              <dt>{t('desk.started')}</dt>
              <dd className="num">{dateTime(work.started_at, i18n.language, me.time_zone, true)}</dd>
              <dt>{t('desk.direction')}</dt>
              <dd>{t(`direction.${work.direction}`)}</dd>
              <dt>{t('desk.id')}</dt>
              <dd className="mono">{work.interaction}</dd>
              {variables.map(([name, value]) => (
                <Fact key={name} name={name} value={value} />
              ))}
            </dl>
          </div>
        </>
      ) : null}
      <div className="section-head">
        <h2>{t('desk.queues')}</h2>
      </div>
      <ul className="device-card">
        {desk.queues.map((q) => (
          <li key={q.id}>{local(q.name)}</li>
        ))}
        {desk.queues.length === 0 ? <li className="dim">{t('desk.no_queues')}</li> : null}
      </ul>
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
