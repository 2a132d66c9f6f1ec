// Sums and states of the live board.
import type { Schemas } from '../api/client';
import type { LiveAgent, LiveQueue } from '../socket/reducer';
import type { DeskView, Tone } from '../desk/words';

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

/** What keeps the agent busy, a key below `agents.is.`; filters and counts take them as one. */
export function busyWith(a: Pick<LiveAgent, 'work'>): 'consulting' | 'watching' | 'busy' {
  if (a.work.some((w) => w.watching !== null)) return 'watching';
  return a.work.some((w) => w.state === 'consulting') ? 'consulting' : 'busy';
}

// Who has the customer before who is on the way to him or only done with him.
const nearest: readonly Schemas['SegmentState'][] = ['talking', 'held', 'consulting', 'connecting', 'offered', 'echo', 'voicemail', 'parked', 'waiting', 'running', 'wrap_up', 'watching'];

/** The one of an interaction's segments that says where it stands. */
export function standing(segments: readonly Schemas['LiveSegment'][]): Schemas['LiveSegment'] | undefined {
  const of = (s: Schemas['LiveSegment']) => (s.watching ? nearest.length : nearest.indexOf(s.state));
  return [...segments].sort((a, b) => of(a) - of(b) || a.started_at - b.started_at)[0];
}

type LiveWork = Schemas['LiveWork'];

/** The voice conversation in which a supervisor can take part. */
export function conversation(a: Pick<LiveAgent, 'work'>): LiveWork | undefined {
  return a.work.find((w) => w.medium === 'voice' && w.watching === null && ['talking', 'held', 'consulting'].includes(w.state));
}

export interface Watcher {
  name: string;
  mode: Schemas['WatchMode'];
}

/** Who listens to whom, by the segment listened to. */
export function watchers(agents: Iterable<Pick<LiveAgent, 'name' | 'work'>>): Map<string, Watcher[]> {
  const found = new Map<string, Watcher[]>();
  for (const a of agents) {
    for (const w of a.work) {
      if (w.watching) found.set(w.watching.target, [...(found.get(w.watching.target) ?? []), { name: a.name, mode: w.watching.mode }]);
    }
  }
  return found;
}

export type WatchNot = 'own' | 'no_call' | 'no_desk' | 'not_signed_in' | 'not_ready' | 'busy';

/** Why the person at `desk` cannot take part in this agent's conversation, a key below `agents.watch_not.`. */
export function watchNot(agent: Pick<LiveAgent, 'id' | 'work'>, desk: Pick<DeskView, 'agent' | 'signed_in' | 'device' | 'work'> | null): WatchNot | null {
  if (desk?.agent.id === agent.id) return 'own';
  const call = conversation(agent);
  if (!call) return 'no_call';
  if (!desk) return 'no_desk';
  if (!desk.signed_in) return 'not_signed_in';
  const live = desk.work.filter((w) => w.medium === 'voice' && w.state !== 'wrap_up');
  if (live.some((w) => w.watching === null || w.interaction !== call.interaction)) return 'busy';
  return live.length === 0 && !desk.device?.ready ? 'not_ready' : null;
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
