// The mailbox: messages newest first, the chosen one with its sound beside them. Filters and the choice live in the URL.
import { Button, Select, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { type KeyboardEvent, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { useCaller } from '../desk/caller';
import { useLocal } from '../i18n/localized';
import { useShortcut } from '../shell/keyboard';
import { onMail } from '../socket/session';
import { clock, dateTime } from '../ui/format';
import { Icon } from '../ui/icons';
import { useUrl } from '../ui/search';
import { Empty, Failed, Loading } from '../ui/States';
import { AskToNotify } from './AskToNotify';
import { Message } from './Message';
import './voicemail.css';

export type Voicemail = Schemas['Voicemail'];
const states: Voicemail['state'][] = ['new', 'heard', 'handled'];
export const tones = { new: 'talking', heard: 'wrapup', handled: 'ready' } as const;

export function VoicemailPage() {
  const { t, i18n } = useTranslation('voicemail');
  const local = useLocal();
  const caller = useCaller();
  const me = useMe();
  const client = useQueryClient();
  const [search, set] = useUrl();
  const state = states.find((s) => s === search.state);
  const filter = { state, queue: search.queue, q: search.q };

  const query = useInfiniteQuery({
    queryKey: ['voicemails', filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/api/v1/voicemails', { params: { query: { ...filter, limit: 50, cursor: pageParam } } })),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    // Whatever happened while another page was open.
    refetchOnMount: 'always',
  });
  const counts = useQuery({ queryKey: ['voicemails', 'counts'], refetchOnMount: 'always', queryFn: () => ok(api.GET('/api/v1/voicemails/counts')) });
  useEffect(() => onMail(() => void client.invalidateQueries({ queryKey: ['voicemails'] })), [client]);

  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];
  const at = rows.findIndex((r) => r.id === search.message);
  const chosen = rows[at];
  const list = useRef<HTMLUListElement>(null);
  const choose = (row: Voicemail | undefined) => {
    if (!row) return;
    set({ message: row.id });
    list.current?.querySelector<HTMLElement>(`[data-id="${row.id}"]`)?.focus();
  };
  useShortcut('next', () => choose(rows[at + 1]));
  useShortcut('previous', () => choose(rows[at - 1]));
  const arrows = (e: KeyboardEvent) => {
    const by = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
    if (by === 0) return;
    e.preventDefault();
    choose(rows[Math.max(0, at + by)]);
  };

  return (
    <div className="page">
      <header className="page-head">
        <h1>{t('title')}</h1>
        <div className="tabs" role="group" aria-label={t('state')}>
          {[undefined, ...states].map((s) => (
            <button key={s ?? 'all'} type="button" className="tab" aria-pressed={state === s} onClick={() => set({ state: s })}>
              {t(`states.${s ?? 'all'}`)}
              {s && counts.data ? <span className="num dim"> {counts.data[s]}</span> : null}
            </button>
          ))}
        </div>
        <Filters key={search.q ?? ''} search={search} change={set} mailboxes={counts.data?.mailboxes ?? []} />
        <span className="grow" />
        <AskToNotify />
      </header>
      <div className="page-body flush mailbox" data-chosen={chosen !== undefined}>
        {query.isPending ? (
          <Loading />
        ) : query.error && rows.length === 0 ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : rows.length === 0 ? (
          <Empty title={t(state || search.queue || search.q ? 'none' : 'empty')} hint={t(state || search.queue || search.q ? 'none_hint' : 'empty_hint')} />
        ) : (
          <>
            <div className="mailbox-list">
              {/* The arrows move the choice; Tab leaves the list. */}
              <ul ref={list} aria-label={t('title')} onKeyDown={arrows}>
                {rows.map((r, n) => (
                  <li key={r.id}>
                    <button
                      type="button"
                      className="message-row"
                      data-id={r.id}
                      data-testid="message"
                      data-state={r.state}
                      aria-current={r.id === chosen?.id ? true : undefined}
                      tabIndex={r.id === chosen?.id || (!chosen && n === 0) ? 0 : -1}
                      onClick={() => set({ message: r.id })}
                    >
                      <strong className="cut" title={caller(r)}>
                        {caller(r)}
                      </strong>
                      <span className="num dim">{dateTime(r.left_at, i18n.language, me.time_zone)}</span>
                      <span className="dim cut" title={r.queue ? local(r.queue.name) : undefined}>
                        {r.queue ? local(r.queue.name) : t('company')}
                      </span>
                      <span className="num dim">{clock(r.length_ms)}</span>
                      <span className="state" data-tone={tones[r.state]}>
                        {t(`states.${r.state}`)}
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
              {query.hasNextPage ? (
                <Button variant="subtle" fullWidth loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  {t('more')}
                </Button>
              ) : null}
            </div>
            <section className="mailbox-message" aria-label={t('message')}>
              {chosen ? <Message key={chosen.id} message={chosen} /> : <Empty title={t('choose')} hint={t('choose_hint')} />}
            </section>
          </>
        )}
      </div>
    </div>
  );
}

interface FilterProps {
  search: Record<string, string | undefined>;
  change: (c: Record<string, string | undefined>) => void;
  mailboxes: Schemas['MailboxCounts'][];
}

function Filters({ search, change, mailboxes }: FilterProps) {
  const { t } = useTranslation('voicemail');
  const local = useLocal();
  // A number that is hidden cannot be searched for.
  const masked = useMe().numbers_masked;
  const field = useRef<HTMLInputElement>(null);
  useShortcut('search', () => field.current?.focus());
  const queues = mailboxes.flatMap((m) => (m.queue ? [{ value: m.queue.id, label: local(m.queue.name) }] : []));
  return (
    <>
      <Select w={160} clearable searchable aria-label={t('queue')} placeholder={t('queue')} data={queues} value={search.queue ?? null} onChange={(v) => change({ queue: v ?? undefined })} />
      {masked ? null : (
      <TextInput
        ref={field}
        w={180}
        aria-label={t('caller')}
        placeholder={t('caller')}
        leftSection={<Icon name="search" size={16} />}
        defaultValue={search.q ?? ''}
        onKeyDown={(e) => {
          if (e.key === 'Enter' && !e.nativeEvent.isComposing) change({ q: e.currentTarget.value || undefined });
        }}
        onBlur={(e) => e.currentTarget.value !== (search.q ?? '') && change({ q: e.currentTarget.value || undefined })}
      />
      )}
    </>
  );
}
