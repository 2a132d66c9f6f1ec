// What a call can be sent to or somebody asked about it, as rows to search and choose from.
import type { Schemas } from '../api/client';
import { looksDialable, plainNumber } from '../desk/dial';
import { pick } from '../i18n/localized';

type Targets = Schemas['Targets'];
type Agent = Schemas['TargetAgent'];

export const groups = ['agents', 'queues', 'devices', 'flows', 'voicemail', 'outside'] as const;
export type Group = (typeof groups)[number];

export interface TargetRow {
  key: string;
  group: Group;
  name: string;
  to: Schemas['Target'];
  /** Why it cannot be called now: a key below `picker.busy.`. */
  blocked: Blocked | null;
  /** Somebody who can be asked first. */
  person: boolean;
  extension?: string;
  queue?: Schemas['TargetQueue'];
}

export type Blocked = 'busy' | 'wrap_up' | 'offered' | 'break' | 'offline' | 'not_ready';

export function blockedBy(a: Pick<Agent, 'free' | 'occupancy' | 'presence'>): Blocked | null {
  if (a.free) return null;
  if (a.occupancy !== 'idle') return a.occupancy;
  return a.presence.state === 'available' ? 'not_ready' : a.presence.state;
}

/** In the order of the groups and, within them, the server's (free colleagues first). */
export function targetRows(targets: Targets, language: string, voicemail: string): TargetRow[] {
  const open = { blocked: null, person: false };
  return [
    ...targets.agents.map((a) => ({
      key: a.id,
      group: 'agents' as const,
      name: a.name,
      to: { to: 'agent' as const, agent: a.id },
      blocked: blockedBy(a),
      person: true,
      extension: a.extension,
    })),
    ...targets.queues.map((q) => ({ ...open, key: q.id, group: 'queues' as const, name: pick(q.name, language), to: { to: 'queue' as const, queue: q.id }, queue: q })),
    ...targets.devices.map((d) => ({ ...open, key: d.id, group: 'devices' as const, name: d.name, to: { to: 'device' as const, device: d.id }, person: true })),
    ...targets.flows.map((f) => ({ ...open, key: f.id, group: 'flows' as const, name: pick(f.name, language), to: { to: 'flow' as const, flow: f.id } })),
    { ...open, key: 'voicemail', group: 'voicemail', name: voicemail, to: { to: 'voicemail', greeting: null } },
  ];
}

export function matching(rows: readonly TargetRow[], text: string): TargetRow[] {
  const q = text.trim().toLowerCase();
  return q === '' ? [...rows] : rows.filter((r) => r.name.toLowerCase().includes(q) || r.extension?.startsWith(q));
}

/** A number that is nobody's extension can be called outside. */
export function outsideRow(rows: readonly TargetRow[], text: string): TargetRow[] {
  if (!looksDialable(text)) return [];
  const number = plainNumber(text);
  if (rows.some((r) => r.extension === number)) return [];
  return [{ key: 'outside', group: 'outside', name: number, to: { to: 'outside', number, caller: null }, blocked: null, person: true }];
}

/** The row `by` steps from the one chosen, over those that cannot be called; without one chosen, the first that can. */
export function step(rows: readonly TargetRow[], chosen: string | null, by: -1 | 0 | 1): TargetRow | undefined {
  const can = rows.filter((r) => r.blocked === null);
  const at = can.findIndex((r) => r.key === chosen);
  return at < 0 ? can[0] : can[Math.min(Math.max(at + by, 0), can.length - 1)];
}
