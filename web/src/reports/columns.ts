// The columns of both reports; names, formulas and units come from the server (`/reports/formulas`).
import type { Schemas } from '../api/client';
import { clock, percent } from '../ui/format';

export type Figures = Schemas['Figures'];
export type AgentFigures = Schemas['AgentFigures'];

export const queueColumns: readonly (keyof Figures)[] = ['offered', 'answered', 'service_level', 'abandoned', 'short_abandons', 'abandon_rate', 'overflowed', 'asa_ms', 'aht_ms', 'wait_ms_max', 'talk_ms', 'hold_ms', 'wrap_ms', 'occupancy'];
export const agentColumns: readonly (keyof AgentFigures)[] = ['offers', 'handled', 'offers_missed', 'offers_declined', 'talk_ms', 'hold_ms', 'wrap_ms', 'idle_ms', 'break_ms', 'signed_in_ms', 'aht_ms', 'occupancy'];

/** A unit of a column without a formula is that of its name. */
export function unitOf(metric: string, formulas: readonly Schemas['Formula'][]): string {
  return formulas.find((f) => f.metric === metric)?.unit ?? (/_ms(_max)?$/.test(metric) ? 'ms' : 'count');
}

/** The server's formula with the columns' names for its field names. */
export function spelled(formula: string, name: (field: string) => string): string {
  return formula.replace(/[a-z][a-z_]*/g, (field) => name(field)).replace(/\*/g, '×').replace(/\//g, '÷').replace(/ - /g, ' − ');
}

export function show(value: number | null, unit: string): string {
  if (value === null) return '–';
  if (unit === 'ratio') return percent(value);
  if (unit === 'ms') return clock(value);
  return String(value);
}

/** Which of the interactions stand behind a number, beyond queue, agent and time. */
export function behind(metric: string): Record<string, string> {
  switch (metric) {
    case 'abandoned':
    case 'short_abandons':
    case 'abandon_rate':
    case 'abandon_wait_ms':
      return { end: 'abandoned' };
    case 'answered':
    case 'asa_ms':
    case 'aht_ms':
    case 'handled':
    case 'talk_ms':
    case 'hold_ms':
    case 'wrap_ms':
      return { end: 'served' };
    default:
      return {};
  }
}

export type Preset = 'today' | 'yesterday' | 'week' | 'last7' | 'last30';
export const presets: readonly Preset[] = ['today', 'yesterday', 'week', 'last7', 'last30'];
const DAY = 86_400_000;

/** The span of a preset given the start of today; days are counted from local midnight to local midnight. */
export function presetSpan(preset: Preset, startOfDay: (at: number) => number, now: number): [number, number] {
  const today = startOfDay(now);
  // Noon of a day never falls into the neighbour, whatever daylight saving does.
  const back = (days: number) => startOfDay(today + DAY / 2 - days * DAY);
  const tomorrow = startOfDay(today + DAY * 1.5);
  switch (preset) {
    case 'today':
      return [today, tomorrow];
    case 'yesterday':
      return [back(1), today];
    case 'week': {
      const monday = (new Date(today + DAY / 2).getUTCDay() + 6) % 7;
      return [back(monday), tomorrow];
    }
    case 'last7':
      return [back(6), tomorrow];
    case 'last30':
      return [back(29), tomorrow];
  }
}
