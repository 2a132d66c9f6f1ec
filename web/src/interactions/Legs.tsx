// The legs: how they were reached, which codec, how the packets fared, why they ended.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useMe } from '../api/session';
import { span, timeOfDay } from '../ui/format';
import { useLegName } from './names';

export function Legs({ detail }: { detail: Schemas['InteractionDetail'] }) {
  const { t, i18n } = useTranslation('interactions');
  const me = useMe();
  const { legs } = detail;
  const name = useLegName(detail);
  if (legs.length === 0) return null;
  return (
    <section className="card" aria-label={t('legs.title')}>
      <div className="card-head">
        <h2>{t('legs.title')}</h2>
      </div>
      <div className="scroll-x" tabIndex={0}>
        <table className="grid">
          <thead>
            <tr>
              <th>{t('legs.role')}</th>
              <th>{t('legs.direction')}</th>
              <th>{t('legs.destination')}</th>
              <th>{t('legs.codec')}</th>
              <th>{t('legs.started')}</th>
              <th className="num">{t('legs.answered')}</th>
              <th className="num">{t('legs.received')}</th>
              <th className="num">{t('legs.sent')}</th>
              <th className="num">{t('legs.lost')}</th>
              <th className="num">{t('legs.jitter')}</th>
              <th>{t('legs.end')}</th>
            </tr>
          </thead>
          <tbody>
            {legs.map((l) => (
              <tr key={l.id}>
                <td>{name(l.id)}</td>
                <td>{t(`direction.${l.direction}`, { ns: 'common' })}</td>
                <td>{t(`destination.${l.destination}`)}</td>
                <td className="mono">{l.codec?.toUpperCase() ?? '–'}</td>
                <td>{timeOfDay(l.started_at, i18n.language, me.time_zone, true)}</td>
                <td className="num">{l.stats ? span(l.stats.answered_ms) : '–'}</td>
                <td className="num">{l.stats?.rtp_received ?? '–'}</td>
                <td className="num">{l.stats?.rtp_sent ?? '–'}</td>
                <td className="num">{l.stats?.rtp_lost ?? '–'}</td>
                <td className="num">{l.stats ? `${l.stats.jitter_ms} ms` : '–'}</td>
                <td>{l.cause ? `${t(`cause.${l.cause.replace('.', '_')}`)}${l.ended_by ? ` (${t(`ended_by.${l.ended_by}`)})` : ''}` : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
