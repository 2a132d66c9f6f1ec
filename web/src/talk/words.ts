// Who is with whom in a call that has more than two parties, and what can be done about it; how a call out ended.
import type { Schemas } from '../api/client';
import type { DeskWork } from '../desk/words';

/** Those of `before`, calls not answered yet, of which the desk has nothing more. */
export function gone(before: readonly DeskWork[], work: readonly DeskWork[]): DeskWork[] {
  return before.filter((b) => !work.some((w) => w.segment === b.segment));
}

/** A key below `dialler.outcome.`; `null` where the agent knows, having hung up. */
export function outcomeOf(end: Schemas['SegmentEnd']): 'missed' | 'declined' | 'unreachable' | 'other' | null {
  switch (end) {
    case 'agent_hung_up':
    case 'finished':
    case 'transferred':
      return null;
    case 'missed':
    case 'declined':
    case 'unreachable':
      return end;
    default:
      return 'other';
  }
}

/** A key below `record.state.`: a mask goes before all else. */
export function recordWord(work: Pick<DeskWork, 'record' | 'masked_until_at'>): 'masked' | 'on' | 'off' {
  if (work.masked_until_at !== null) return 'masked';
  return work.record?.on ? 'on' : 'off';
}

export type WatchMode = Schemas['WatchMode'];
export const watchModes: readonly WatchMode[] = ['monitor', 'whisper', 'barge'];

/** How far a consultation is, from the side of who asks; a key below `bar.stage.`. */
export function consultStage(work: Pick<DeskWork, 'state' | 'consult'>): 'ringing' | 'ringing_aside' | 'together' | 'customer' | 'both_wait' {
  const answered = work.consult?.state === 'consulting';
  if (!answered) return work.state === 'talking' ? 'ringing_aside' : 'ringing';
  if (work.state === 'consulting') return 'together';
  return work.state === 'talking' ? 'customer' : 'both_wait';
}

/** To the customer at any time; to the party consulted, and all together, once it has answered. */
export function consultCan(work: Pick<DeskWork, 'state' | 'consult'>): { switch: boolean; conference: boolean } {
  const answered = work.consult?.state === 'consulting';
  return { switch: work.state === 'consulting' || answered, conference: answered };
}

export function mayWatch(mode: WatchMode, may: (action: string) => boolean): boolean {
  return may(mode === 'monitor' ? 'call.monitor' : 'call.intervene');
}

/** The next mode of those allowed, the first after the last. */
export function nextMode(mode: WatchMode, may: (action: string) => boolean): WatchMode {
  const can = watchModes.filter((m) => m === mode || mayWatch(m, may));
  return can[(can.indexOf(mode) + 1) % can.length] ?? mode;
}
