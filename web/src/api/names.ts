// Short lists for filters and choices: everything of one kind with its name. They change rarely.
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { pick, type LocalizedText } from '../i18n/localized';
import { api, ok } from './client';

export interface Named {
  id: string;
  name: string | LocalizedText;
}

interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

// 200 a page, at most 25 pages: a tenant of 5,000 agents still fits into a searchable choice.
const MAX_PAGES = 25;

export async function everything<T>(page: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  for (let i = 0; i < MAX_PAGES; i++) {
    const p = await page(cursor);
    all.push(...p.items);
    if (!p.next_cursor) break;
    cursor = p.next_cursor;
  }
  return all;
}

const q = (cursor: string | undefined) => ({ params: { query: { limit: 200, cursor } } });

const sources = {
  queues: () => everything((c) => ok(api.GET('/api/v1/queues', q(c)))),
  agents: () => everything((c) => ok(api.GET('/api/v1/agents', q(c)))),
  numbers: () => everything((c) => ok(api.GET('/api/v1/numbers', q(c)))),
  trunks: () => everything((c) => ok(api.GET('/api/v1/trunks', q(c)))),
  routes: () => everything((c) => ok(api.GET('/api/v1/routes', q(c)))),
  skills: () => everything((c) => ok(api.GET('/api/v1/skills', q(c)))),
  teams: () => everything((c) => ok(api.GET('/api/v1/teams', q(c)))),
  users: () => everything((c) => ok(api.GET('/api/v1/users', q(c)))),
  calendars: () => everything((c) => ok(api.GET('/api/v1/calendars', q(c)))),
  prompts: () => everything((c) => ok(api.GET('/api/v1/prompts', q(c)))),
  flows: () => everything((c) => ok(api.GET('/api/v1/flows', q(c)))),
  devices: () => everything((c) => ok(api.GET('/api/v1/devices', q(c)))),
  dispositions: () => everything((c) => ok(api.GET('/api/v1/dispositions', q(c)))),
  'break-reasons': () => everything((c) => ok(api.GET('/api/v1/break-reasons', q(c)))),
};

export type Kind = keyof typeof sources;
export type Row<K extends Kind> = Awaited<ReturnType<(typeof sources)[K]>>[number];

export function listKey(kind: Kind) {
  return ['all', kind] as const;
}

export function useAll<K extends Kind>(kind: K): UseQueryResult<Row<K>[]> {
  return useQuery({ queryKey: listKey(kind), staleTime: 30_000, queryFn: sources[kind] as () => Promise<Row<K>[]> });
}

function labelOf(row: unknown, language: string): string {
  const r = row as { name?: unknown; number?: string; draft?: { name?: unknown } };
  const name = r.name ?? r.draft?.name;
  const text = typeof name === 'string' ? name : pick(name as LocalizedText | null, language);
  return r.number ? `${r.number} ${text}` : text;
}

/** Choices for a Select, in the language of the screen. */
export function useChoices(kind: Kind): { value: string; label: string }[] {
  const { i18n } = useTranslation();
  const all = useAll(kind);
  return (all.data ?? []).map((r) => ({ value: r.id, label: labelOf(r, i18n.language) || r.id }));
}

/** The name of one by id; the id itself while unknown. */
export function useNameOf(kind: Kind): (id: string | null | undefined) => string {
  const choices = useChoices(kind);
  return (id) => (id ? (choices.find((c) => c.value === id)?.label ?? id) : '');
}
