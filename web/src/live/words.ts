// Sums and states of the live board.
import type { LiveAgent, LiveQueue } from '../socket/reducer';
import type { Tone } from '../desk/words';

export type AgentState = 'busy' | 'offered' | 'wrap_up' | 'available' | 'not_ready' | 'break' | 'offline';
export const agentStates: readonly AgentState[] = ['busy', 'offered', 'wrap_up', 'available', 'not_ready', 'break', 'offline'];

export function agentState(a: LiveAgent): { state: AgentState; tone: Tone; since: number } {
  if (a.occupancy === 'busy') return { state: 'busy', tone: 'talking', since: a.occupancy_since_at };
  if (a.occupancy === 'offered') return { state: 'offered', tone: 'talking', since: a.occupancy_since_at };
  if (a.occupancy === 'wrap_up') return { state: 'wrap_up', tone: 'wrapup', since: a.occupancy_since_at };
  if (!a.signed_in || a.presence.state === 'offline') return { state: 'offline', tone: 'away', since: a.presence_since_at };
  if (a.presence.state === 'break') return { state: 'break', tone: 'away', since: a.presence_since_at };
  if (!a.device_ready) return { state: 'not_ready', tone: 'danger', since: a.presence_since_at };
  return { state: 'available', tone: 'ready', since: Math.max(a.presence_since_at, a.occupancy_since_at) };
}

export interface Today {
  waiting: number;
  longestSince: number | null;
  offered: number;
  answered: number;
  abandoned: number;
  serviceLevel: number | null;
}

/** All queues as one. The service level is that of the sums, by the server's formula `answered_in_time / (offered - short_abandons)`. */
export function sumQueues(queues: Iterable<LiveQueue>): Today {
  const sum: Today = { waiting: 0, longestSince: null, offered: 0, answered: 0, abandoned: 0, serviceLevel: null };
  let inTime = 0;
  let short = 0;
  for (const q of queues) {
    sum.waiting += q.waiting;
    if (q.longest_since_at !== null) sum.longestSince = Math.min(sum.longestSince ?? Infinity, q.longest_since_at);
    sum.offered += q.today.offered;
    sum.answered += q.today.answered;
    sum.abandoned += q.today.abandoned;
    inTime += q.today.answered_in_time;
    short += q.today.short_abandons;
  }
  const base = sum.offered - short;
  if (base > 0) sum.serviceLevel = inTime / base;
  return sum;
}
