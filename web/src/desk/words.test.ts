import { describe, expect, it } from 'vitest';
import type { DeviceView } from '../device/device';
import { activity, deviceTrouble, talkMs } from './words';

const open = { state: 'open', retryAt: null } as const;
const well: DeviceView = { leading: true, microphone: 'ok', link: 'ready', code: null, soundBlocked: false };

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
});
