// Every interaction, newest first, by filters that live in the URL; rows load as one scrolls.
import { Button, Select, TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useChoices } from '../api/names';
import { useMe } from '../api/session';
import { CallNumber } from '../desk/CallNumber';
import { useCaller } from '../desk/caller';
import { Outgoing } from '../desk/Outgoing';
import { useLocal } from '../i18n/localized';
import { useShortcut } from '../shell/keyboard';
import { clock, dateTime, fromLocal, toLocal } from '../ui/format';
import { Icon } from '../ui/icons';
import { useUrl } from '../ui/search';
import { Empty, Failed, Loading } from '../ui/States';
import { type Column, VirtualGrid } from '../ui/VirtualGrid';
import { endTone } from './words';
import './interactions.css';

type Row = Schemas['InteractionSummary'];
const ends: Schemas['InteractionEnd'][] = ['served', 'abandoned', 'left', 'finished', 'voicemail', 'unanswered', 'supervisor', 'system.error', 'system.restart', 'system.shutdown'];

export function InteractionList() {
  const { t, i18n } = useTranslation('interactions');
  const local = useLocal();
  const caller = useCaller();
  const me = useMe();
  const navigate = useNavigate();
  const [search, set] = useUrl();
  const number = (v: string | undefined) => (v && /^\d+$/.test(v) ? Number(v) : undefined);

  const filter = {
    from: number(search.from),
    to: number(search.to),
    queue: search.queue,
    agent: search.agent,
    state: search.state,
    end: search.end,
    direction: search.direction,
    medium: search.medium,
    number: search.number,
    q: search.q,
    sample: search.sample === undefined ? undefined : search.sample === 'true',
    held: search.held === 'true' ? true : undefined,
  };
  const query = useInfiniteQuery({
    queryKey: ['interactions', filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/api/v1/interactions', { params: { query: { ...filter, limit: 100, cursor: pageParam } } })),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];

  const columns: Column<Row>[] = [
    { key: 'at', head: t('list.started'), width: '140px', cell: (r) => <span className="num">{dateTime(r.started_at, i18n.language, me.time_zone)}</span> },
    {
      key: 'from',
      head: t('list.caller'),
      width: 'minmax(194px, 1.2fr)',
      cell: (r) => (
        <span className="row caller">
          <Outgoing direction={r.direction} small />
          <a
            className="cut"
            href={`/interactions/${r.id}`}
            onClick={(e) => {
              e.preventDefault();
              void navigate({ to: '/interactions/$id', params: { id: r.id } });
            }}
          >
            {caller(r)}
          </a>
          <CallNumber of={r.from} interaction={r.id} />
        </span>
      ),
      title: (r) => caller(r),
    },
    { key: 'number', head: t('list.number'), width: 'minmax(110px, 150px)', cell: (r) => (r.number ? `${r.number.number} ${local(r.number.name)}` : '–'), title: (r) => (r.number ? local(r.number.name) : '') },
    { key: 'queues', head: t('list.queues'), width: 'minmax(110px, 1fr)', cell: (r) => r.queues.map((x) => local(x.name)).join(', ') || '–', title: (r) => r.queues.map((x) => local(x.name)).join(', ') },
    { key: 'agents', head: t('list.agents'), width: 'minmax(110px, 1fr)', cell: (r) => r.agents.map((x) => x.name).join(', ') || '–', title: (r) => r.agents.map((x) => x.name).join(', ') },
    {
      key: 'end',
      head: t('list.end'),
      width: 'minmax(120px, 160px)',
      cell: (r) => (
        <span className="state" data-tone={endTone(r.end)}>
          {r.end ? t(`end.${r.end.replace('.', '_')}`) : t('list.live')}
        </span>
      ),
    },
    { key: 'wait', head: t('list.waited'), width: '72px', numeric: true, cell: (r) => clock(r.waited_ms) },
    { key: 'talk', head: t('list.talk'), width: '72px', numeric: true, cell: (r) => clock(r.talk_ms) },
    { key: 'hold', head: t('list.hold'), width: '72px', numeric: true, cell: (r) => clock(r.hold_ms) },
    {
      key: 'marks',
      head: t('list.marks'),
      width: '146px',
      cell: (r) => (
        <span className="row">
          {r.has_recording ? <span className="tag">{t('list.recording')}</span> : null}
          {r.held ? <span className="tag">{t('list.held')}</span> : null}
          {r.sample ? <span className="tag">{t('list.sample')}</span> : null}
        </span>
      ),
    },
  ];

  return (
    <div className="page">
      <header className="page-head">
        <h1>{t('list.title')}</h1>
        <FilterBar key={[search.q, search.from, search.to].join('|')} search={search} change={set} zone={me.time_zone} />
      </header>
      <div className="page-body flush">
        {query.isPending ? (
          <Loading />
        ) : query.error && rows.length === 0 ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : rows.length === 0 ? (
          <Empty title={t('list.none')} hint={t('list.none_hint')} />
        ) : (
          <VirtualGrid
            label={t('list.title')}
            columns={columns}
            rows={rows}
            id={(r) => r.id}
            onOpen={(r) => void navigate({ to: '/interactions/$id', params: { id: r.id } })}
            onEnd={() => {
              if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
            }}
            foot={query.isFetchingNextPage ? <Loading /> : null}
          />
        )}
      </div>
    </div>
  );
}

/** Typed fields take effect on Enter or on leaving them; their key renews them when the URL changes otherwise. */
interface BarProps {
  search: Record<string, string | undefined>;
  change: (c: Record<string, string | undefined>) => void;
  zone: string;
}

function FilterBar({ search, change, zone }: BarProps) {
  const { t } = useTranslation('interactions');
  const field = useRef<HTMLInputElement>(null);
  useShortcut('search', () => field.current?.focus());
  const masked = useMe().numbers_masked;
  const queues = useChoices('queues');
  const agents = useChoices('agents');
  const local = (ms: string | undefined) => (ms && /^\d+$/.test(ms) ? toLocal(Number(ms), zone) : '');
  const instant = (text: string) => (text ? String(fromLocal(text, zone)) : undefined);
  const any = Object.values(search).some((v) => v !== undefined);
  const enter = (e: KeyboardEvent<HTMLInputElement>) => {
    if (e.key === 'Enter' && !e.nativeEvent.isComposing) change({ q: e.currentTarget.value || undefined });
  };
  const ends_ = ends.map((e) => ({ value: e, label: t(`end.${e.replace('.', '_')}`) }));
  return (
    <div className="row wrap grow">
      <TextInput
        ref={field}
        w={138}
        aria-label={t(masked ? 'filter.id' : 'filter.q')}
        placeholder={t(masked ? 'filter.id' : 'filter.q')}
        leftSection={<Icon name="search" size={16} />}
        defaultValue={search.q ?? ''}
        onKeyDown={enter}
        onBlur={(e) => e.currentTarget.value !== (search.q ?? '') && change({ q: e.currentTarget.value || undefined })}
      />
      <TextInput w={184} type="datetime-local" aria-label={t('filter.from')} title={t('filter.from')} defaultValue={local(search.from)} onBlur={(e) => change({ from: instant(e.currentTarget.value) })} />
      <TextInput w={184} type="datetime-local" aria-label={t('filter.to')} title={t('filter.to')} defaultValue={local(search.to)} onBlur={(e) => change({ to: instant(e.currentTarget.value) })} />
      <Select w={98} clearable searchable aria-label={t('filter.queue')} placeholder={t('filter.queue')} data={queues} value={search.queue ?? null} onChange={(v) => change({ queue: v ?? undefined })} />
      <Select w={98} clearable searchable aria-label={t('filter.agent')} placeholder={t('filter.agent')} data={agents} value={search.agent ?? null} onChange={(v) => change({ agent: v ?? undefined })} />
      <Select w={112} clearable aria-label={t('filter.end')} placeholder={t('filter.end')} data={ends_} value={search.end ?? null} onChange={(v) => change({ end: v ?? undefined })} />
      <Select
        w={92}
        clearable
        aria-label={t('filter.state')}
        placeholder={t('filter.state')}
        data={[
          { value: 'live', label: t('filter.live') },
          { value: 'ended', label: t('filter.ended') },
        ]}
        value={search.state ?? null}
        onChange={(v) => change({ state: v ?? undefined })}
      />
      <Select
        w={104}
        clearable
        aria-label={t('filter.direction')}
        placeholder={t('filter.direction')}
        data={(['inbound', 'outbound', 'internal'] as const).map((d) => ({ value: d, label: t(`direction.${d}`, { ns: 'common' }) }))}
        value={search.direction ?? null}
        onChange={(v) => change({ direction: v ?? undefined })}
      />
      <Select
        w={128}
        clearable
        aria-label={t('filter.sample')}
        placeholder={t('filter.sample')}
        data={[
          { value: 'false', label: t('filter.real') },
          { value: 'true', label: t('filter.only_sample') },
        ]}
        value={search.sample ?? null}
        onChange={(v) => change({ sample: v ?? undefined })}
      />
      <Select
        w={112}
        clearable
        aria-label={t('filter.held')}
        placeholder={t('filter.held')}
        data={[{ value: 'true', label: t('filter.only_held') }]}
        value={search.held ?? null}
        onChange={(v) => change({ held: v ?? undefined })}
      />
      {any ? (
        <Button variant="subtle" onClick={() => change(Object.fromEntries(Object.keys(search).map((k) => [k, undefined])))}>
          {t('filter.clear')}
        </Button>
      ) : null}
    </div>
  );
}
