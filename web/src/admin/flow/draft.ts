// Edits of a flow's draft as pure functions, so that a rename never leaves a dangling reference behind.
import type { Schemas } from '../../api/client';

export type Draft = Schemas['FlowDraft'];
export type Step = Schemas['Step'];
export type StepKind = Step['step'];
export const stepKinds: readonly StepKind[] = ['play', 'menu', 'collect', 'hours', 'set', 'queue', 'transfer', 'voicemail', 'hang_up'];

/** Lower-case letters, digits and `_`, at most 40: as the server wants it. */
export function stepName(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9_]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 40);
}

export function freeName(draft: Draft, wanted: string): string {
  if (!(wanted in draft.steps)) return wanted;
  for (let i = 2; ; i++) if (!(`${wanted}_${i}` in draft.steps)) return `${wanted}_${i}`;
}

export function blankStep(kind: StepKind, next: string): Step {
  switch (kind) {
    case 'play':
      return { step: 'play', prompts: [], next };
    case 'menu':
      return { step: 'menu', prompts: [], choices: { '1': next }, timeout_ms: 5000, attempts: 3, invalid: null, otherwise: next };
    case 'collect':
      return { step: 'collect', prompts: [], variable: 'digits', min_digits: 1, max_digits: 10, timeout_ms: 5000, attempts: 3, sensitive: false, next, otherwise: next };
    case 'hours':
      return { step: 'hours', calendar: '', open: next, closed: next, holiday: null };
    case 'set':
      return { step: 'set', assign: { set: 'priority', priority: 10 }, next };
    case 'queue':
      return { step: 'queue', queue: '', priority: 0 };
    case 'transfer':
      return { step: 'transfer', flow: '' };
    case 'voicemail':
      return { step: 'voicemail', greeting: null, max_length_ms: 120_000 };
    case 'hang_up':
      return { step: 'hang_up', prompt: null };
  }
}

/** Where a step may go, by the name of the exit. */
export function exits(step: Step): [string, string][] {
  switch (step.step) {
    case 'play':
    case 'set':
      return [['next', step.next]];
    case 'menu':
      return [...Object.entries(step.choices).map(([d, to]): [string, string] => [d, to]), ['otherwise', step.otherwise]];
    case 'collect':
      return [
        ['next', step.next],
        ['otherwise', step.otherwise],
      ];
    case 'hours': {
      const out: [string, string][] = [
        ['open', step.open],
        ['closed', step.closed],
      ];
      if (step.holiday) out.push(['holiday', step.holiday]);
      return out;
    }
    case 'queue':
    case 'transfer':
    case 'voicemail':
    case 'hang_up':
      return [];
  }
}

function redirect(step: Step, from: string, to: string): Step {
  const go = (x: string) => (x === from ? to : x);
  switch (step.step) {
    case 'play':
    case 'set':
      return { ...step, next: go(step.next) };
    case 'menu':
      return { ...step, choices: Object.fromEntries(Object.entries(step.choices).map(([d, s]) => [d, go(s)])), otherwise: go(step.otherwise) };
    case 'collect':
      return { ...step, next: go(step.next), otherwise: go(step.otherwise) };
    case 'hours':
      return { ...step, open: go(step.open), closed: go(step.closed), holiday: step.holiday ? go(step.holiday) : step.holiday };
    case 'queue':
    case 'transfer':
    case 'voicemail':
    case 'hang_up':
      return step;
  }
}

export function rename(draft: Draft, from: string, to: string): Draft {
  if (from === to || to === '' || to in draft.steps) return draft;
  return {
    ...draft,
    start: draft.start === from ? to : draft.start,
    steps: Object.fromEntries(Object.entries(draft.steps).map(([id, s]) => [id === from ? to : id, redirect(s, from, to)])),
  };
}

/** In the order a caller meets them, from the start; what nothing leads to comes last. */
export function ordered(draft: Draft): { id: string; reachable: boolean }[] {
  const seen = new Set<string>();
  const queue = [draft.start];
  while (queue.length > 0) {
    const id = queue.shift();
    const step = id === undefined ? undefined : draft.steps[id];
    if (id === undefined || !step || seen.has(id)) continue;
    seen.add(id);
    queue.push(...exits(step).map(([, to]) => to));
  }
  return [...[...seen].map((id) => ({ id, reachable: true })), ...Object.keys(draft.steps).filter((id) => !seen.has(id)).map((id) => ({ id, reachable: false }))];
}
