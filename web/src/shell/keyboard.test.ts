import { describe, expect, it } from 'vitest';
import { combination, defaults, matches } from './keyboard';

const key = (k: string, mods: Partial<Record<'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey', boolean>> = {}) => ({
  key: k,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...mods,
});

describe('shortcuts', () => {
  it('are read from key events', () => {
    expect(combination(key('A', { ctrlKey: true, shiftKey: true }))).toBe('ctrl+shift+a');
    expect(combination(key('?', { shiftKey: true }))).toBe('?');
    expect(combination(key('Control', { ctrlKey: true }))).toBeNull();
    expect(combination(key('Process'))).toBeNull();
  });
  it('take Ctrl and ⌘ alike where they say mod', () => {
    expect(matches('mod+k', 'ctrl+k') && matches('mod+k', 'meta+k')).toBe(true);
    expect(matches('mod+k', 'k')).toBe(false);
  });
  it('do not collide by default', () => {
    expect(new Set(Object.values(defaults)).size).toBe(Object.keys(defaults).length);
  });
});
