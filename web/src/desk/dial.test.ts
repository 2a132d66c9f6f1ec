import { describe, expect, it } from 'vitest';
import { dialling, dialNot, looksDialable, plainNumber } from './dial';
import type { DeskOffer, DeskView, DeskWork } from './words';

const work = (state: DeskWork['state']) => ({ state }) as DeskWork;
const device: DeskView['device'] = { id: 'dev_1', name: 'Browser', kind: 'browser', ready: true, lost: null, since_at: 0 };
const free = { signed_in: true, work: [], offers: [], device };

describe('calling out', () => {
  it('needs a seat, a device and nothing else at hand', () => {
    expect(dialNot(free, false)).toBeNull();
    expect(dialNot({ ...free, signed_in: false }, false)).toBe('not_signed_in');
    expect(dialNot(free, true)).toBe('other_tab');
    expect(dialNot({ ...free, work: [work('wrap_up'), work('held')] }, false)).toBe('on_call');
    expect(dialNot({ ...free, offers: [{} as DeskOffer] }, false)).toBe('ringing');
    expect(dialNot({ ...free, work: [work('wrap_up')] }, false)).toBe('wrap_up');
    expect(dialNot({ ...free, device: { ...device, ready: false } }, false)).toBe('not_ready');
    expect(dialNot({ ...free, device: null }, false)).toBe('not_ready');
  });
  it('is dialling until somebody answers', () => {
    const call = { direction: 'outbound' as const, state: 'connecting' as const, queue: null, asked_by: null, watching: null };
    expect(dialling(call)).toBe(true);
    expect(dialling({ ...call, state: 'talking' })).toBe(false);
    expect(dialling({ ...call, direction: 'inbound' })).toBe(false);
    expect(dialling({ ...call, queue: { id: 'que_1', name: {} } })).toBe(false);
  });
});

describe('a number as a person writes it', () => {
  it('may hold blanks, hyphens and the full width of an input method', () => {
    expect(plainNumber(' ０１０－８８８８ ６６６６ ')).toBe('010-8888 6666');
    expect(plainNumber('＋86 138–0013–8000')).toBe('+86 138-0013-8000');
  });
  it('has three to twenty digits and no letters', () => {
    for (const good of ['110', '95588', '010-8888 6666', '(021) 6888.1234', '+1 (415) 555-0100', '００４４２０７９４６０９５８']) expect(looksDialable(good), good).toBe(true);
    for (const bad of ['', '+', '12', '+86 abc', 'sip:a@b', '1'.repeat(21), '86+123']) expect(looksDialable(bad), bad).toBe(false);
  });
});
