import { describe, expect, it } from 'vitest';
import { type Draft, blankStep, freeName, ordered, rename, stepKinds, stepName } from './draft';

const draft: Draft = {
  name: { en: 'Main' },
  start: 'greet',
  steps: {
    greet: { step: 'play', prompts: [], next: 'menu' },
    menu: { step: 'menu', prompts: [], choices: { '1': 'sales', '2': 'greet' }, timeout_ms: 5000, attempts: 3, invalid: null, otherwise: 'sales' },
    sales: { step: 'queue', queue: 'que_1', priority: 0 },
    lost: { step: 'hang_up', prompt: null },
  },
};

describe('a flow draft', () => {
  it('keeps every reference when a step is renamed', () => {
    const d = rename(draft, 'greet', 'hello');
    expect(d.start).toBe('hello');
    expect(d.steps.menu).toMatchObject({ choices: { '1': 'sales', '2': 'hello' } });
    expect(Object.keys(d.steps)).toEqual(['hello', 'menu', 'sales', 'lost']);
  });
  it('refuses a name that is taken or empty', () => {
    expect(rename(draft, 'greet', 'menu')).toBe(draft);
    expect(rename(draft, 'greet', '')).toBe(draft);
  });
  it('lists steps as a caller meets them and marks the unreachable', () => {
    expect(ordered(draft)).toEqual([
      { id: 'greet', reachable: true },
      { id: 'menu', reachable: true },
      { id: 'sales', reachable: true },
      { id: 'lost', reachable: false },
    ]);
  });
  it('makes names the server takes', () => {
    expect(stepName(' Press 1, please! ')).toBe('press_1_please');
    expect(freeName(draft, 'menu')).toBe('menu_2');
  });
  it('has a blank of every kind', () => {
    expect(stepKinds.map((k) => blankStep(k, 'x').step)).toEqual([...stepKinds]);
  });
});
