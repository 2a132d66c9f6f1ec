// Calling out: when it is possible, what is dialled, and the one dialler of the page with the number it opens with.
import { useSyncExternalStore } from 'react';
import type { DeskView, DeskWork } from './words';

/** Why no call can be made now: a key below `dial.not.`. */
export type DialNot = 'not_signed_in' | 'other_tab' | 'on_call' | 'ringing' | 'wrap_up' | 'not_ready';

/** The server has no room for a call beside any other work, a wrap-up included. */
export function dialNot(desk: Pick<DeskView, 'signed_in' | 'work' | 'offers' | 'device'>, readOnly: boolean): DialNot | null {
  if (!desk.signed_in) return 'not_signed_in';
  if (readOnly) return 'other_tab';
  if (desk.work.some((w) => w.state !== 'wrap_up')) return 'on_call';
  if (desk.offers.length > 0) return 'ringing';
  if (desk.work.length > 0) return 'wrap_up';
  return desk.device?.ready ? null : 'not_ready';
}

/** A call of this agent's own that nobody has answered yet. */
export function dialling(w: Pick<DeskWork, 'direction' | 'state' | 'queue' | 'asked_by' | 'watching'>): boolean {
  return w.direction === 'outbound' && w.state === 'connecting' && w.queue === null && w.asked_by === null && w.watching === null;
}

/** As the server takes it: digits and signs of an input method's full width become plain ones, odd dashes hyphens. */
export function plainNumber(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/[\u2010-\u2015\u2212]/g, '-')
    .trim();
}

/** Worth sending: three to twenty digits, with `+`, blanks, hyphens, dots, parentheses between them. */
export function looksDialable(text: string): boolean {
  return /^\+?\d{3,20}$/.test(plainNumber(text).replace(/[-.() \u00a0]/g, ''));
}

let opened: string | null = null;
const listeners = new Set<() => void>();

function set(number: string | null): void {
  opened = number;
  for (const l of listeners) l();
}

/** Without a number it leaves one that is open as it is. */
export function openDialler(number = ''): void {
  if (opened === null || number !== '') set(number);
}

export function closeDialler(): void {
  set(null);
}

/** The number the dialler stands open with, empty for none; `null` while it is closed. */
export function useDialler(): string | null {
  return useSyncExternalStore(
    (l) => {
      listeners.add(l);
      return () => listeners.delete(l);
    },
    () => opened,
  );
}
