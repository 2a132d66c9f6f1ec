// Live interactions: who waits or talks, with whom, since when.
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useCaller } from '../desk/caller';
import { Outgoing } from '../desk/Outgoing';
import { stateTone } from '../desk/words';
import { useLocal } from '../i18n/localized';
import type { Live } from '../socket/reducer';
import { Elapsed } from '../ui/Elapsed';
import { standing } from './words';

// A screenful; the interactions page has the rest.
const MAX = 50;

export function WaitingList({ live }: { live: Live }) {
  const { t } = useTranslation('live');
  const local = useLocal();
  const caller = useCaller();
  const rows = [...live.interactions.values()].sort((a, b) => a.started_at - b.started_at);
  return (
    <section className="card" aria-label={t('calls.title')}>
      <div className="card-head">
        <h2>{t('calls.title')}</h2>
        <span className="dim num">{rows.length}</span>
      </div>
      {rows.length === 0 ? (
        <p className="placeholder">{t('calls.none')}</p>
      ) : (
        <div className="scroll-x" tabIndex={0}>
          <table className="grid">
            <thead>
              <tr>
                <th>{t('calls.caller')}</th>
                <th>{t('calls.number')}</th>
                <th>{t('calls.state')}</th>
                <th>{t('calls.where')}</th>
                <th className="num">{t('calls.since')}</th>
                <th className="num">{t('calls.total')}</th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, MAX).map((i) => {
                const s = standing(i.segments);
                const queue = s?.queue ? live.queues.get(s.queue) : undefined;
                const agent = s?.agent ? live.agents.get(s.agent) : undefined;
                return (
                  <tr key={i.id}>
                    <td>
                      <Link to="/interactions/$id" params={{ id: i.id }}>
                        {caller(i)}
                      </Link>{' '}
                      <Outgoing direction={i.direction} />
                    </td>
                    <td>{i.number ? `${local(i.number.name)} ${i.number.number}` : '–'}</td>
                    <td>
                      {s ? (
                        <span className="state" data-tone={stateTone(s.state)}>
                          {t(`segment.${s.state}`, { ns: 'common' })}
                        </span>
                      ) : (
                        '–'
                      )}
                    </td>
                    <td>{agent?.name ?? (queue ? local(queue.name) : '–')}</td>
                    <td className="num">{s ? <Elapsed since={s.state_since_at} /> : '–'}</td>
                    <td className="num">
                      <Elapsed since={i.started_at} />
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
