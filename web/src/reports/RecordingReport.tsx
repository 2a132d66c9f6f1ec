// The completeness report: what became of every talked second. Sums at the top, then the conversations, those with
// something missing first, each a link to its interaction.
import { Select } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { useLocal } from '../i18n/localized';
import { Kpi } from '../live/Kpi';
import { dateTime, percent, span } from '../ui/format';
import { useUrl } from '../ui/search';
import { Empty, Failed, Loading } from '../ui/States';
import { type Column, VirtualGrid } from '../ui/VirtualGrid';
import { Page, useQueryOf } from './ReportPage';

type Row = Schemas['CoverageRow'];
type Figures = Schemas['CoverageFigures'];
const states = ['missing', 'unstored', 'erased', 'masked', 'not_asked', 'recorded'] as const;

/** What became of a conversation's talk, the worst first. */
function fates(f: Figures): { key: string; tone?: string; ms: number }[] {
  return [
    { key: 'crash', tone: 'danger', ms: f.crash_ms },
    { key: 'lost', tone: 'danger', ms: f.lost_ms },
    { key: 'unstored', tone: 'wrapup', ms: f.unstored_ms },
    { key: 'erased', tone: 'away', ms: f.erased_ms },
    { key: 'masked', tone: 'away', ms: f.masked_ms },
    { key: 'not_asked', tone: 'away', ms: f.not_asked_ms },
    { key: 'ruled_out', tone: 'away', ms: f.ruled_out_ms },
    { key: 'recorded', tone: 'ready', ms: f.recorded_ms - f.unstored_ms },
  ].filter((x) => x.ms > 0);
}

export function RecordingReportPage() {
  const { t, i18n } = useTranslation('reports');
  const local = useLocal();
  const me = useMe();
  const navigate = useNavigate();
  const [search, set] = useUrl();
  const { from, to } = useQueryOf(search);
  const state = states.find((s) => s === search.state);
  const filter = { from, to, queue: search.queue, agent: search.agent, state };
  const query = useInfiniteQuery({
    queryKey: ['report', 'recordings', filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/api/v1/reports/recordings', { params: { query: { ...filter, limit: 100, cursor: pageParam } } })) as Promise<Schemas['CoverageReport']>,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = query.data?.pages.flatMap((p) => p.rows) ?? [];
  const report = query.data?.pages[0];
  const open = (r: Row) => void navigate({ to: '/interactions/$id', params: { id: r.interaction } });
  const columns: Column<Row>[] = [
    {
      key: 'at',
      head: t('coverage.from'),
      width: '160px',
      cell: (r) => (
        <a
          className="num"
          href={`/interactions/${r.interaction}`}
          onClick={(e) => {
            e.preventDefault();
            open(r);
          }}
        >
          {dateTime(r.from_at, i18n.language, me.time_zone)}
        </a>
      ),
    },
    { key: 'agent', head: t('who.agent'), width: 'minmax(110px, 1fr)', cell: (r) => r.agent?.name ?? '–', title: (r) => r.agent?.name ?? '' },
    { key: 'queue', head: t('who.queue'), width: 'minmax(110px, 1fr)', cell: (r) => (r.queue ? local(r.queue.name) : '–'), title: (r) => (r.queue ? local(r.queue.name) : '') },
    { key: 'talk', head: t('metric.talk_ms'), width: '88px', numeric: true, cell: (r) => span(r.figures.talk_ms) },
    { key: 'share', head: t('coverage.share'), width: '128px', numeric: true, cell: (r) => percent(r.figures.share) },
    {
      key: 'fate',
      head: t('coverage.fate'),
      width: 'minmax(280px, 2.4fr)',
      cell: (r) => (
        <span className="row">
          {fates(r.figures).map((x) => (
            <span key={x.key} className="state" data-tone={x.tone}>
              {t(`coverage.${x.key}`)} <span className="num">{span(x.ms)}</span>
            </span>
          ))}
        </span>
      ),
      title: (r) => fates(r.figures).map((x) => `${t(`coverage.${x.key}`)} ${span(x.ms)}`).join(' · '),
    },
  ];
  const extra = Object.fromEntries(Object.entries({ queue: search.queue, agent: search.agent, state }).filter((e): e is [string, string] => e[1] !== undefined));
  return (
    <Page kind="recordings" query={{ from, to }} extra={extra} flush>
      {query.isPending ? (
        <Loading />
      ) : query.error && !report ? (
        <Failed error={query.error} retry={() => void query.refetch()} />
      ) : report && report.conversations === 0 ? (
        <Empty title={t('none')} hint={t('none_hint')} />
      ) : report ? (
        <div className="coverage">
          <Sums total={report.total} conversations={report.conversations} />
          <div className="row">
            <Select
              w={220}
              clearable
              aria-label={t('coverage.state')}
              placeholder={t('coverage.all')}
              data={states.map((s) => ({ value: s, label: t(`coverage.with.${s}`) }))}
              value={state ?? null}
              onChange={(v) => set({ state: v ?? undefined })}
            />
            <span className="dim small">{t('coverage.order')}</span>
          </div>
          {rows.length === 0 ? (
            <Empty title={t('coverage.none')} hint={t('coverage.none_hint')} />
          ) : (
            <VirtualGrid
              label={t('by_recording')}
              columns={columns}
              rows={rows}
              id={(r) => r.segment}
              onOpen={open}
              onEnd={() => {
                if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
              }}
              foot={query.isFetchingNextPage ? <Loading /> : null}
            />
          )}
        </div>
      ) : null}
    </Page>
  );
}

function Sums({ total, conversations }: { total: Figures; conversations: number }) {
  const { t } = useTranslation('reports');
  const missing = total.lost_ms + total.crash_ms;
  return (
    <div className="kpis" data-testid="coverage-sums">
      <Kpi name={t('coverage.share')} tone={missing > 0 ? 'danger' : undefined}>
        {percent(total.share)}
      </Kpi>
      <Kpi name={t('coverage.missing')} tone={missing > 0 ? 'danger' : undefined}>
        {span(missing)}
      </Kpi>
      <Kpi name={t('coverage.conversations')}>{conversations}</Kpi>
      <Kpi name={t('metric.talk_ms')}>{span(total.talk_ms)}</Kpi>
      <Kpi name={t('coverage.recorded')}>{span(total.recorded_ms)}</Kpi>
      <Kpi name={t('coverage.erased')}>{span(total.erased_ms)}</Kpi>
      <Kpi name={t('coverage.masked')}>{span(total.masked_ms)}</Kpi>
      <Kpi name={t('coverage.not_wanted')}>{span(total.not_asked_ms + total.ruled_out_ms)}</Kpi>
    </div>
  );
}
