// Parts that the first paint does without: each is fetched when it is first wanted, or in a quiet moment after that
// paint, so that the first opening waits for nothing.
import { lazyRouteComponent } from '@tanstack/react-router';

const parts: (() => Promise<unknown>)[] = [];

/** As `lazyRouteComponent` (which loads a page anew that is older than the server), and warmed up. */
export function later<T extends Record<string, any>, K extends keyof T>(load: () => Promise<T>, name: K) {
  const part = lazyRouteComponent(load, name);
  parts.push(() => part.preload?.() ?? Promise.resolve());
  return part;
}

/** Fetches the parts one after the other while nothing else is to do. A failure is told when the part is wanted. */
export async function warmUp(): Promise<void> {
  for (const part of parts.splice(0)) {
    await new Promise<void>((quiet) => ('requestIdleCallback' in window ? requestIdleCallback(() => quiet(), { timeout: 5000 }) : setTimeout(quiet, 300)));
    await part().catch(() => {});
  }
}
