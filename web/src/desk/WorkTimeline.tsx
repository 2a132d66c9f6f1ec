// What has happened to this interaction so far, from its segments.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../api/client';
import { useMe } from '../api/session';
import { useLocal } from '../i18n/localized';
import { timeOfDay } from '../ui/format';
import { Loading } from '../ui/States';

export function WorkTimeline({ id, version }: { id: string; version: string }) {
  const { t, i18n } = useTranslation('common');
  const local = useLocal();
  const me = useMe();
  const query = useQuery({
    queryKey: ['interaction', id, version],
    // The projection follows the floor by a moment.
    refetchInterval: (q) => (q.state.dataUpdateCount < 3 ? 1500 : false),
    placeholderData: (old) => old,
    retry: false,
    queryFn: () => ok(api.GET('/api/v1/interactions/{id}', { params: { path: { id } } })),
  });
  if (query.isPending) return <Loading />;
  // Not allowed, or not projected yet: the desk works without it.
  if (!query.data) return null;
  const rows = query.data.segments
    .flatMap((s) => [
      ...s.spans.map((span) => ({
        at: span.from_at,
        key: `${s.id}${span.from_at}${span.state}`,
        what: t(`segment.${span.state}`),
        who: s.agent?.name ?? (s.queue ? local(s.queue.name) : ''),
      })),
    ])
    .sort((a, b) => a.at - b.at);
  return (
    <section className="card" aria-label={t('desk.timeline')}>
      <div className="card-head">
        <h2>{t('desk.timeline')}</h2>
      </div>
      <ul className="timeline card-body">
        {rows.map((r) => (
          <li key={r.key}>
            <time className="dim num">{timeOfDay(r.at, i18n.language, me.time_zone)}</time>
            <span className="dot" aria-hidden />
            <span>
              {r.what} {r.who ? <span className="dim">{r.who}</span> : null}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
