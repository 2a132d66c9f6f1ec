// The journal's facts about one interaction, in order. Folded away at first: they are for the curious and for support.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { timeOfDay } from '../ui/format';
import { Ready } from '../ui/States';
import { DialPlanned } from './DialPlanned';
import { useHearing } from './names';

export function Events({ detail }: { detail: Schemas['InteractionDetail'] }) {
  const { t, i18n } = useTranslation('interactions');
  const me = useMe();
  const hearing = useHearing(detail);
  const { id } = detail.summary;
  const [open, setOpen] = useState(false);
  const query = useQuery({
    queryKey: ['events', id],
    enabled: open,
    refetchInterval: detail.summary.ended_at === null ? 2000 : false,
    queryFn: () => ok(api.GET('/api/v1/interactions/{id}/events', { params: { path: { id } } })),
  });
  return (
    <details className="card" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary className="card-head">
        <h2>{t('events.title')}</h2>
      </summary>
      {open ? (
        <Ready query={query}>
          {(events) => (
            <div className="scroll-x" tabIndex={0}>
              <table className="grid">
                <thead>
                  <tr>
                    <th className="num">{t('events.seq')}</th>
                    <th>{t('events.at')}</th>
                    <th>{t('events.what')}</th>
                    <th>{t('events.data')}</th>
                  </tr>
                </thead>
                <tbody>
                  {events.items.map((e) => (
                    <tr key={e.seq}>
                      <td className="num">{e.seq}</td>
                      <td>{timeOfDay(e.at, i18n.language, me.time_zone, true)}</td>
                      <td>{t([`event.${e.kind}`, 'event.other'], { kind: e.kind })}</td>
                      {e.kind === 'bridged' ? (
                        <td className="text">{hearing(e.data)}</td>
                      ) : e.kind === 'dial_planned' ? (
                        <td className="text">
                          <DialPlanned data={e.data} />
                        </td>
                      ) : (
                        <td className="text mono dim">{facts(e.data)}</td>
                      )}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Ready>
      ) : null}
    </details>
  );
}

/** `state=talking, until=…`: short values only; the trace has its own card. */
function facts(data: unknown): string {
  if (typeof data !== 'object' || data === null) return '';
  return Object.entries(data)
    .filter(([k]) => !['interaction', 'trace', 'kind', 'v', 'seq', 'at'].includes(k))
    .map(([k, v]) => `${k}=${typeof v === 'object' ? JSON.stringify(v) : String(v)}`)
    .join(', ');
}
