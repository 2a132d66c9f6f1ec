// What is wrong with the sound of a call, whose line it is, and by how much. Pure.
import type { Schemas } from '../api/client';

export type Quality = Schemas['Quality'];
export type CallQuality = Schemas['CallQuality'];

export interface Diagnosis {
  grade: Schemas['Grade'];
  /** Whose line it is; the agent's own first, for that one he can mend. */
  whose: 'own' | 'customer' | 'none';
  cause: 'loss' | 'silence' | 'jitter' | 'delay' | 'none';
  /** Per cent or milliseconds of the cause. */
  amount: number;
}

// Below these a cause is not what somebody hears.
const LOSS = 1;
const JITTER_MS = 30;
const DELAY_MS = 300;

function causeOf(q: Quality): Pick<Diagnosis, 'cause' | 'amount'> {
  const loss = Math.max(q.lost_in ?? 0, q.lost_out ?? 0);
  if ((q.lost_in ?? 0) >= 95) return { cause: 'silence', amount: 100 };
  if (loss >= LOSS) return { cause: 'loss', amount: Math.max(1, Math.round(loss)) };
  if (q.jitter_ms >= JITTER_MS) return { cause: 'jitter', amount: q.jitter_ms };
  if ((q.round_trip_ms ?? 0) >= DELAY_MS) return { cause: 'delay', amount: q.round_trip_ms ?? 0 };
  return { cause: 'loss', amount: Math.max(1, Math.round(loss)) };
}

/** Null while nothing is known of either line. */
export function diagnose(call: Pick<CallQuality, 'own' | 'customer'>): Diagnosis | null {
  const { own, customer } = call;
  if (!own && !customer) return null;
  if (own && own.grade !== 'good') return { grade: own.grade, whose: 'own', ...causeOf(own) };
  if (customer && customer.grade !== 'good') return { grade: customer.grade, whose: 'customer', ...causeOf(customer) };
  return { grade: 'good', whose: 'none', cause: 'none', amount: 0 };
}

/** A share of packets as people read it: one digit after the point below ten per cent. */
export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '–' : `${share < 10 ? share.toFixed(1) : Math.round(share)} %`;
}
