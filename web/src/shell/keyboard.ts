// Shortcuts: a list with defaults, remapped on this device. Single keys are off while somebody types, and everything
// is off while an input method composes (Chinese input would otherwise lose letters).
import { useEffect, useRef, useSyncExternalStore } from 'react';

export const defaults = {
  palette: 'mod+k',
  dial: 'c',
  accept: 'ctrl+shift+a',
  decline: 'ctrl+shift+d',
  mute: 'ctrl+shift+m',
  hold: 'ctrl+shift+h',
  hang_up: 'ctrl+shift+e',
  transfer: 'ctrl+shift+x',
  park: 'ctrl+shift+z',
  switch_party: 'ctrl+shift+l',
  complete_transfer: 'ctrl+shift+f',
  conference: 'ctrl+shift+g',
  end_consult: 'ctrl+shift+b',
  mask: 'ctrl+shift+k',
  record: 'ctrl+shift+u',
  watch_mode: 'ctrl+shift+o',
  take_over: 'ctrl+shift+y',
  presence: 'ctrl+shift+s',
  wrap_up: 'mod+enter',
  next: 'j',
  previous: 'k',
  note: 'n',
  search: '/',
  help: '?',
} as const;

export type ShortcutId = keyof typeof defaults;
export const shortcutIds = Object.keys(defaults) as ShortcutId[];

const KEY = 'cordboard.shortcuts';
let remapped: Partial<Record<ShortcutId, string>> = load();
let current: Record<ShortcutId, string> = { ...defaults, ...remapped };
const listeners = new Set<() => void>();
const handlers = new Map<ShortcutId, () => void>();

function load(): Partial<Record<ShortcutId, string>> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

export function remap(id: ShortcutId, combination: string | null): void {
  remapped = { ...remapped };
  if (combination) remapped[id] = combination;
  else delete remapped[id];
  try {
    localStorage.setItem(KEY, JSON.stringify(remapped));
  } catch {
    // Kept for this visit only.
  }
  current = { ...defaults, ...remapped };
  for (const l of listeners) l();
}

export function useShortcuts(): Record<ShortcutId, string> {
  return useSyncExternalStore(
    (l) => {
      listeners.add(l);
      return () => listeners.delete(l);
    },
    () => current,
  );
}

/** Runs `handler` on the shortcut as long as the caller is mounted and `enabled`; the latest caller wins. */
export function useShortcut(id: ShortcutId, handler: () => void, enabled = true): void {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    if (!enabled) return;
    const run = () => latest.current();
    handlers.set(id, run);
    return () => {
      if (handlers.get(id) === run) handlers.delete(id);
    };
  }, [id, enabled]);
}

type Keys = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>;

/** `ctrl+shift+a`, `mod+k` (Ctrl, or ⌘ on a Mac), `?`: Shift is not named for keys that need it to be typed. */
export function combination(e: Keys): string | null {
  const key = e.key.toLowerCase();
  if (['control', 'shift', 'alt', 'meta', 'dead', 'process', 'unidentified'].includes(key)) return null;
  const parts: string[] = [];
  if (e.ctrlKey) parts.push('ctrl');
  if (e.metaKey) parts.push('meta');
  if (e.altKey) parts.push('alt');
  if (e.shiftKey && (key.length > 1 || /[a-z0-9]/.test(key))) parts.push('shift');
  parts.push(key === ' ' ? 'space' : key);
  return parts.join('+');
}

export function matches(wanted: string, pressed: string): boolean {
  return wanted === pressed || (wanted.startsWith('mod+') && ['ctrl', 'meta'].some((m) => pressed === wanted.replace('mod', m)));
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function startKeyboard(): void {
  document.addEventListener('keydown', (e) => {
    if (e.isComposing || e.keyCode === 229 || e.defaultPrevented) return;
    const pressed = combination(e);
    if (!pressed || (!e.ctrlKey && !e.metaKey && !e.altKey && typing(e.target))) return;
    const id = shortcutIds.find((s) => matches(current[s], pressed));
    const handler = id && handlers.get(id);
    if (handler) {
      e.preventDefault();
      handler();
    }
  });
}

/** For the eye: `Ctrl + Shift + A`. */
export function spelled(combo: string): string {
  const mac = navigator.platform.startsWith('Mac');
  return combo
    .split('+')
    .map((k) => (k === 'mod' ? (mac ? '⌘' : 'Ctrl') : k === 'meta' ? '⌘' : k.charAt(0).toUpperCase() + k.slice(1)))
    .join(' + ');
}
