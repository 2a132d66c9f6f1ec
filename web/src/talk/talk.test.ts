import { describe, expect, it } from 'vitest';
import type { Schemas } from '../api/client';
import { blockedBy, matching, outsideRow, step, targetRows } from './targets';
import type { DeskWork } from '../desk/words';
import { consultCan, consultStage, gone, nextMode, outcomeOf } from './words';

const party = (state: 'offered' | 'consulting') => ({ segment: 'seg_2', name: 'B', state });
const available = { state: 'available' } as const;

describe('a consultation', () => {
  it('rings, then all are together or one waits', () => {
    expect(consultStage({ state: 'consulting', consult: party('offered') })).toBe('ringing');
    expect(consultStage({ state: 'talking', consult: party('offered') })).toBe('ringing_aside');
    expect(consultStage({ state: 'consulting', consult: party('consulting') })).toBe('together');
    expect(consultStage({ state: 'talking', consult: party('consulting') })).toBe('customer');
    expect(consultStage({ state: 'held', consult: party('consulting') })).toBe('both_wait');
  });
  it('lets the agent back to the customer at any time, to the colleague once he answered', () => {
    expect(consultCan({ state: 'consulting', consult: party('offered') })).toEqual({ switch: true, conference: false });
    expect(consultCan({ state: 'talking', consult: party('offered') })).toEqual({ switch: false, conference: false });
    expect(consultCan({ state: 'talking', consult: party('consulting') })).toEqual({ switch: true, conference: true });
  });
});

describe('a call out that is gone', () => {
  it('is missed on the desk by its segment', () => {
    const call = (segment: string, state: DeskWork['state']) => ({ segment, state }) as DeskWork;
    expect(gone([call('a', 'connecting')], [call('a', 'talking')])).toEqual([]);
    expect(gone([call('a', 'connecting')], [call('b', 'talking')]).map((w) => w.segment)).toEqual(['a']);
  });
  it('is explained unless the agent hung up', () => {
    expect(outcomeOf('agent_hung_up')).toBeNull();
    expect(outcomeOf('declined')).toBe('declined');
    expect(outcomeOf('system.error')).toBe('other');
  });
});

describe('watching', () => {
  it('goes round the modes that are allowed', () => {
    expect(nextMode('monitor', () => true)).toBe('whisper');
    expect(nextMode('barge', () => true)).toBe('monitor');
    expect(nextMode('monitor', (a) => a === 'call.monitor')).toBe('monitor');
  });
});

describe('targets', () => {
  const agent = (id: string, free: boolean, extension: string): Schemas['TargetAgent'] => ({ id, name: `Agent ${id}`, extension, free, occupancy: free ? 'idle' : 'busy', presence: available });
  const rows = targetRows(
    {
      agents: [agent('a', true, '801'), agent('b', true, '802'), agent('c', false, '803')],
      queues: [{ id: 'q', name: { en: 'Sales' }, open: true, waiting: 2, idle: 1 }],
      devices: [{ id: 'd', name: 'Door' }],
      flows: [{ id: 'f', name: { en: 'Menu' } }],
    },
    'en',
    'Leave a message',
  );
  it('are colleagues, queues, phones, flows, voicemail; people can be asked', () => {
    expect(rows.map((r) => r.key)).toEqual(['a', 'b', 'c', 'q', 'd', 'f', 'voicemail']);
    expect(rows.filter((r) => r.person).map((r) => r.key)).toEqual(['a', 'b', 'c', 'd']);
    expect(rows.at(-1)?.to).toEqual({ to: 'voicemail', greeting: null });
  });
  it('say why a colleague cannot be called', () => {
    expect(blockedBy({ free: true, occupancy: 'idle', presence: available })).toBeNull();
    expect(blockedBy({ free: false, occupancy: 'wrap_up', presence: available })).toBe('wrap_up');
    expect(blockedBy({ free: false, occupancy: 'idle', presence: { state: 'break', reason: 'brk_1' } })).toBe('break');
    expect(blockedBy({ free: false, occupancy: 'idle', presence: available })).toBe('not_ready');
  });
  it('are found by a part of the name or the start of the extension', () => {
    expect(matching(rows, 'sal').map((r) => r.key)).toEqual(['q']);
    expect(matching(rows, '80').map((r) => r.key)).toEqual(['a', 'b', 'c']);
    // A number that is nobody's here can be called; an extension, a name and a half are none.
    expect(outsideRow(rows, '138 0013 8000').map((r) => r.to)).toEqual([{ to: 'outside', number: '138 0013 8000', caller: null }]);
    expect(outsideRow(rows, rows[0]?.extension ?? '')).toEqual([]);
    expect(outsideRow(rows, 'sal')).toEqual([]);
  });
  it('are stepped through over those that cannot be called', () => {
    expect(step(rows, null, 0)?.key).toBe('a');
    expect(step(rows, 'b', 1)?.key).toBe('q');
    expect(step(rows, 'a', -1)?.key).toBe('a');
    // Chosen, then taken by another call.
    expect(step(rows, 'c', 0)?.key).toBe('a');
  });
});
