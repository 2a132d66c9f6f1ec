// Reports by queue and by agent: the span in the tenant's time zone, a chart, a table whose numbers open their
// interactions and whose heads print their formulas, and CSV from the same server fold.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Suspense, lazy } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { useLocal } from '../i18n/localized';
import { serverNow } from '../ui/clock';
import { startOfDay } from '../ui/format';
import { useUrl, type Search } from '../ui/search';
import { Empty, Loading, Ready } from '../ui/States';
import { agentColumns, presets, presetSpan, queueColumns } from './columns';
import { ReportTable, type TableRow } from './ReportTable';
import { SpanPicker } from './SpanPicker';
import './reports.css';

const ReportChart = lazy(() => import('./ReportChart').then((m) => ({ default: m.ReportChart })));

interface Query {
  from: number;
  to: number;
  interval: string;
  time: string;
}

export function useQueryOf(search: Search): Query {
  const me = useMe();
  const preset = presets.find((p) => p === search.span) ?? 'last7';
  const [from, to] = presetSpan(preset, (at) => startOfDay(at, me.time_zone), serverNow());
  const number = (v: string | undefined) => (v && /^\d+$/.test(v) ? Number(v) : undefined);
  return {
    from: number(search.from) ?? from,
    to: number(search.to) ?? to,
    interval: search.interval ?? '1d',
    time: search.time ?? 'event',
  };
}

function useFormulas() {
  return useQuery({ queryKey: ['formulas'], staleTime: Infinity, queryFn: () => ok(api.GET('/api/v1/reports/formulas')) });
}

export function QueueReportPage() {
  const local = useLocal();
  const [search] = useUrl();
  const query = useQueryOf(search);
  const report = useQuery({
    queryKey: ['report', 'queues', query, search.queue],
    queryFn: () => ok(api.GET('/api/v1/reports/queues', { params: { query: { ...query, queue: search.queue } } })) as Promise<Schemas['QueueReport']>,
  });
  return (
    <Page kind="queues" query={query} extra={search.queue ? { queue: search.queue } : {}}>
      <Ready query={report}>
        {(r) => (
          <Body
            kind="queue"
            columns={queueColumns}
            rows={r.rows.map((x) => ({ key: `${x.from_at}${x.queue.id}`, from: x.from_at, to: x.to_at, id: x.queue.id, name: local(x.queue.name), figures: x.figures as unknown as Record<string, number | null> }))}
            total={r.total as unknown as Record<string, number | null>}
            query={query}
          />
        )}
      </Ready>
    </Page>
  );
}

export function AgentReportPage() {
  const [search] = useUrl();
  const query = useQueryOf(search);
  const report = useQuery({
    queryKey: ['report', 'agents', query, search.agent],
    queryFn: () => ok(api.GET('/api/v1/reports/agents', { params: { query: { ...query, agent: search.agent } } })) as Promise<Schemas['AgentReport']>,
  });
  return (
    <Page kind="agents" query={query} extra={search.agent ? { agent: search.agent } : {}}>
      <Ready query={report}>
        {(r) => (
          <Body
            kind="agent"
            columns={agentColumns}
            rows={r.rows.map((x) => ({ key: `${x.from_at}${x.agent.id}`, from: x.from_at, to: x.to_at, id: x.agent.id, name: x.agent.name, figures: x.figures as unknown as Record<string, number | null> }))}
            total={r.total as unknown as Record<string, number | null>}
            query={query}
          />
        )}
      </Ready>
    </Page>
  );
}

interface PageProps {
  kind: 'queues' | 'agents' | 'recordings';
  query: Pick<Query, 'from' | 'to'> & Partial<Query>;
  extra: Record<string, string>;
  flush?: boolean;
  children: React.ReactNode;
}

export function Page({ kind, query, extra, flush, children }: PageProps) {
  const { t, i18n } = useTranslation('reports');
  const csv = new URLSearchParams({ ...extra, ...Object.fromEntries(Object.entries(query).map(([k, v]) => [k, String(v)])), format: 'csv', lang: i18n.language });
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t('title')}</h1>
        <nav className="tabs" aria-label={t('title')}>
          <Link to="/reports/queues" search={(s) => s}>
            {t('by_queue')}
          </Link>
          <Link to="/reports/agents" search={(s) => s}>
            {t('by_agent')}
          </Link>
          <Link to="/reports/recordings" search={(s) => s}>
            {t('by_recording')}
          </Link>
        </nav>
        <SpanPicker kind={kind} from={query.from} to={query.to} />
        <span className="grow" />
        <a href={`/api/v1/reports/${kind}?${csv}`} download={`${kind}.csv`}>
          {t('csv')}
        </a>
      </header>
      <div className={flush ? 'page-body flush' : 'page-body'}>{children}</div>
    </div>
  );
}

interface BodyProps {
  kind: 'queue' | 'agent';
  columns: readonly string[];
  rows: TableRow[];
  total: Record<string, number | null>;
  query: Query;
}

function Body({ kind, columns, rows, total, query }: BodyProps) {
  const { t } = useTranslation('reports');
  const formulas = useFormulas();
  if (rows.length === 0) return <Empty title={t('none')} hint={t('none_hint')} />;
  return (
    <Ready query={formulas}>
      {(f) => (
        <div className="col report">
          {new Set(rows.map((r) => r.from)).size > 1 ? (
            <Suspense fallback={<Loading />}>
              <ReportChart kind={kind} rows={rows} />
            </Suspense>
          ) : null}
          <ReportTable kind={kind} columns={columns} rows={rows} total={total} formulas={f.items} span={query} />
        </div>
      )}
    </Ready>
  );
}
