import { describe, expect, it } from 'vitest';
import type { DeviceView } from '../device/device';
import { activeCall, activity, allowed, type DeskWork, deviceTrouble, holdMs, inCompany, shownState, talkMs } from './words';

const open = { state: 'open', retryAt: null } as const;
const well: DeviceView = { leading: true, microphone: 'ok', link: 'ready', code: null, soundBlocked: false, microphoneName: '' };

describe('the desk in words', () => {
  it('shows work before the chosen presence', () => {
    const desk = { presence: { state: 'available' as const }, presence_since_at: 1, occupancy: 'busy' as const, occupancy_since_at: 5 };
    expect(activity(desk)).toEqual({ key: 'busy', tone: 'talking', since: 5 });
    expect(activity({ ...desk, occupancy: 'idle' })).toEqual({ key: 'available', tone: 'ready', since: 5 });
  });
  it('names the first thing that keeps calls away', () => {
    expect(deviceTrouble(null, well, open)).toBeNull();
    expect(deviceTrouble(null, { ...well, leading: false, microphone: 'denied' }, open)?.key).toBe('not_leading');
    expect(deviceTrouble(null, { ...well, microphone: 'denied' }, open)?.remedy).toBe('microphone');
    expect(deviceTrouble(null, { ...well, link: 'lost', code: 'device.ice_failed' }, open)?.key).toBe('ice_failed');
    expect(deviceTrouble(null, well, { state: 'waiting', retryAt: 1 })?.key).toBe('offline');
    expect(deviceTrouble(null, { ...well, microphone: 'listen_only' }, open)).toMatchObject({ key: 'listen_only', severe: false });
  });
  it('asks nothing of the tab when a phone is the device', () => {
    const phone = { id: 'dev_1', name: 'p', kind: 'sip', ready: true, lost: null, since_at: 0 };
    expect(deviceTrouble({ device: phone }, { ...well, leading: false }, open)).toBeNull();
    expect(deviceTrouble({ device: { ...phone, ready: false } }, well, open)?.key).toBe('phone_lost');
  });
  it('counts talking time up to now', () => {
    expect(talkMs({ state: 'talking', state_since_at: 1000, talk_ms: 500 }, 3000)).toBe(2500);
    expect(talkMs({ state: 'held', state_since_at: 1000, talk_ms: 500 }, 3000)).toBe(500);
  });
  it('counts a consultation as hold for who asks, not for who is asked', () => {
    const at = { direction: 'inbound' as const, state: 'consulting' as const, state_since_at: 1000, hold_ms: 500 };
    expect(holdMs({ ...at, asked_by: null }, 3000)).toBe(2500);
    expect(holdMs({ ...at, asked_by: { id: 'agt_1', name: 'A' } }, 3000)).toBe(500);
    expect(holdMs({ ...at, direction: 'internal', asked_by: null }, 3000)).toBe(500);
  });
});

describe('a call on the desk', () => {
  it('within the company rings or is talked, and is no consultation', () => {
    const inside = { direction: 'internal' as const, state: 'consulting' as const };
    expect(shownState({ ...inside, consult: { ...party, state: 'offered' } })).toBe('offered');
    expect(shownState({ ...inside, consult: { ...party, state: 'consulting' } })).toBe('talking');
    expect(shownState({ ...inside, consult: null })).toBe('talking');
    expect(shownState({ direction: 'inbound', state: 'consulting', consult: party })).toBe('consulting');
  });
  const party = { segment: 'seg_2', name: 'B', state: 'consulting' as const };
  it('is not hung up while a consultation is up, nor transferred again', () => {
    expect(allowed({ direction: 'inbound', state: 'talking', consult: null, others: [] })).toEqual({ mute: true, hold: true, digits: true, transfer: true, park: true, hang_up: true });
    expect(allowed({ direction: 'inbound', state: 'consulting', consult: party, others: [] })).toEqual({ mute: true, hold: false, digits: true, transfer: false, park: false, hang_up: false });
    expect(allowed({ direction: 'inbound', state: 'talking', consult: null, others: [party] })).toMatchObject({ park: false, transfer: true });
    expect(allowed({ direction: 'inbound', state: 'talking', consult: party, others: [] })).toMatchObject({ hold: true, transfer: false, hang_up: false });
  });
  it('can only be left by a supervisor who watches and by an agent who is asked', () => {
    expect(allowed({ direction: 'inbound', state: 'watching', consult: null, others: [] })).toEqual({ mute: false, hold: false, digits: false, transfer: false, park: false, hang_up: true });
    expect(allowed({ direction: 'inbound', state: 'consulting', consult: null, others: [] })).toMatchObject({ hold: false, transfer: false, hang_up: true });
  });
  it('is the newest live one, of whatever kind', () => {
    const work = (segment: string, state: DeskWork['state']) => ({ segment, state, medium: 'voice' }) as DeskWork;
    expect(activeCall([work('a', 'held'), work('b', 'watching'), work('c', 'wrap_up')])?.segment).toBe('b');
    expect(activeCall([work('c', 'wrap_up')])).toBeUndefined();
  });
  it('has company when anybody beside the customer is in it', () => {
    const alone = { consult: null, asked_by: null, others: [], watchers: [], watching: null };
    expect(inCompany(alone)).toBe(false);
    expect(inCompany({ ...alone, others: [party] })).toBe(true);
    expect(inCompany({ ...alone, watchers: [{ agent: { id: 'agt_1', name: 'A' }, mode: 'whisper' }] })).toBe(true);
  });
});
