// The audit trail and the configuration revisions: who changed what, newest first.
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { dateTime } from '../ui/format';
import { Empty, Failed, Loading } from '../ui/States';
import { type Column, VirtualGrid } from '../ui/VirtualGrid';

interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

function Trail<T>({ name, fetch, columns, id }: { name: 'audit' | 'revisions'; fetch: (cursor: string | undefined) => Promise<Page<T>>; columns: Column<T>[]; id: (r: T) => string }) {
  const { t } = useTranslation('admin');
  const query = useInfiniteQuery({
    queryKey: ['trail', name],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => fetch(pageParam),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t(`section.${name}`)}</h1>
      </header>
      <div className="page-body flush">
        {query.isPending ? (
          <Loading />
        ) : query.error ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : rows.length === 0 ? (
          <Empty title={t('nothing_yet')} />
        ) : (
          <VirtualGrid label={t(`section.${name}`)} columns={columns} rows={rows} id={id} onEnd={() => query.hasNextPage && !query.isFetchingNextPage && void query.fetchNextPage()} />
        )}
      </div>
    </div>
  );
}

export function Audit() {
  const { t, i18n } = useTranslation('admin');
  const me = useMe();
  const detail = (r: Schemas['AuditEntry']) => JSON.stringify(r.detail);
  return (
    <Trail
      name="audit"
      fetch={(cursor) => ok(api.GET('/api/v1/audit', { params: { query: { limit: 100, cursor } } }))}
      id={(r) => r.id}
      columns={[
        { key: 'at', head: t('time'), width: '160px', cell: (r) => <span className="num">{dateTime(r.at, i18n.language, me.time_zone, true)}</span> },
        { key: 'actor', head: t('who'), width: 'minmax(120px, 1fr)', cell: (r) => r.actor_name ?? t('system'), title: (r) => r.actor_name ?? '' },
        { key: 'action', head: t('action_column'), width: 'minmax(140px, 1fr)', cell: (r) => <span className="mono">{r.action}</span>, title: (r) => r.action },
        { key: 'resource', head: t('resource'), width: 'minmax(160px, 1fr)', cell: (r) => <span className="mono">{r.resource ?? '–'}</span>, title: (r) => r.resource ?? '' },
        { key: 'revision', head: t('revision'), width: '88px', numeric: true, cell: (r) => r.revision ?? '–' },
        { key: 'detail', head: t('detail'), width: 'minmax(200px, 2fr)', cell: (r) => <span className="mono dim">{detail(r)}</span>, title: detail },
      ]}
    />
  );
}

export function Revisions() {
  const { t, i18n } = useTranslation('admin');
  const me = useMe();
  return (
    <Trail
      name="revisions"
      fetch={(cursor) => ok(api.GET('/api/v1/config-revisions', { params: { query: { limit: 100, cursor } } }))}
      id={(r) => String(r.number)}
      columns={[
        { key: 'number', head: t('revision'), width: '88px', numeric: true, cell: (r) => r.number },
        { key: 'at', head: t('time'), width: '160px', cell: (r) => <span className="num">{dateTime(r.at, i18n.language, me.time_zone, true)}</span> },
        { key: 'author', head: t('who'), width: 'minmax(140px, 1fr)', cell: (r) => r.author_name ?? t('system'), title: (r) => r.author_name ?? '' },
        { key: 'reason', head: t('reason'), width: 'minmax(200px, 3fr)', cell: (r) => r.reason || '–', title: (r) => r.reason },
      ]}
    />
  );
}
