// One timer for every running clock on the screen, set to the server's time: a thousand rows cost one wake-up a second.
import { useSyncExternalStore } from 'react';

let offset = 0;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

/** Called with the server's `now` at each snapshot. */
export function setServerTime(server: number): void {
  offset = server - Date.now();
  tick();
}

export function serverNow(): number {
  return Date.now() + offset;
}

function tick(): void {
  now = serverNow();
  for (const l of listeners) l();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The server's time, renewed each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
