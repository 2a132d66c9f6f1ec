// How ends and spans look, and where they lie on a time axis.
import type { Schemas } from '../api/client';
import type { Tone } from '../desk/words';

export type Segment = Schemas['Segment'];

export function endTone(end: Schemas['InteractionEnd'] | null): Tone {
  switch (end) {
    case null:
      return 'talking';
    case 'served':
    case 'finished':
      return 'ready';
    case 'voicemail':
    case 'left':
    case 'supervisor':
      return 'wrapup';
    case 'abandoned':
    case 'unanswered':
    case 'system.error':
    case 'system.restart':
    case 'system.shutdown':
      return 'danger';
  }
}

/** The usual states, and those which only some calls have, in the order of a call. */
export function legend(segments: readonly Pick<Segment, 'spans'>[]): Schemas['SegmentState'][] {
  const has = (state: string) => segments.some((s) => s.spans.some((x) => x.state === state));
  const rare = (['consulting', 'watching', 'parked'] as const).filter(has);
  return ['running', 'waiting', 'offered', 'talking', 'held', ...rare, 'wrap_up'];
}

/** Of the event `bridged`. Without rows, each of `legs` hears all the others. */
export interface Bridged {
  legs: string[];
  hears: { leg: string; hears: string[] }[];
}

/** Null if an event's data is not that of `bridged`. */
export function bridged(data: unknown): Bridged | null {
  const { legs, hears = [] } = data as Partial<Bridged>;
  return Array.isArray(legs) ? { legs, hears } : null;
}

/** How an agent's own call came to nothing: a key below `dial_end.`; `null` for every other end. */
export function dialEnd(end: Segment['end']): 'missed' | 'declined' | 'unreachable' | null {
  return end === 'missed' || end === 'declined' || end === 'unreachable' ? end : null;
}

/** Of the event `dial_planned`. */
export interface DialPlan {
  class: Schemas['CallClass'];
  /** Ids, in the order of trying. */
  trunks: string[];
}

/** Null if an event's data is not that of `dial_planned`. */
export function dialPlan(data: unknown): DialPlan | null {
  const { class: of, trunks } = data as Partial<DialPlan>;
  return of && Array.isArray(trunks) ? { class: of, trunks } : null;
}

/** Percentages of the axis from `start` to `end`. */
export function place(from: number, to: number, start: number, end: number): { left: number; width: number } {
  const length = Math.max(1, end - start);
  const left = (100 * (Math.max(from, start) - start)) / length;
  return { left, width: Math.max(0.2, (100 * (Math.min(to, end) - Math.max(from, start))) / length) };
}

/** A round step for about eight ticks. */
export function tickStep(length: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400].map((s) => s * 1000);
  return steps.find((s) => length / s <= 8) ?? 86_400_000;
}

/** The judged slices of a leg with their times; the last one ends with the leg. */
export function qualitySlices(q: Schemas['LegQuality'], from: number, to: number): { from: number; to: number; quality: Schemas['Quality'] }[] {
  return q.slices.flatMap((quality, i) => {
    const begin = from + i * q.slice_ms;
    return quality && begin < to ? [{ from: begin, to: Math.min(begin + q.slice_ms, to), quality }] : [];
  });
}

/** When it changed who hears whom: where the segments of people change their state, without the ends of the axis. */
export function edits(segments: readonly Segment[], start: number, end: number): number[] {
  const talked = (s: string) => ['talking', 'held', 'consulting', 'watching'].includes(s);
  const times = segments.flatMap((s) => s.spans.filter((x) => talked(x.state)).flatMap((x) => [x.from_at, x.to_at ?? end]));
  return [...new Set(times)].filter((at) => at > start && at < end).sort((a, b) => a - b);
}
