import { describe, expect, it } from 'vitest';
import { bridged, dialEnd, dialPlan, legend, place, tickStep } from './words';

describe('the time axis', () => {
  it('places spans in per cent and cuts them at its ends', () => {
    expect(place(100, 200, 0, 400)).toEqual({ left: 25, width: 25 });
    expect(place(-50, 600, 0, 400)).toEqual({ left: 0, width: 100 });
    expect(place(100, 100, 0, 400).width).toBe(0.2);
  });
  it('has at most eight ticks at round steps', () => {
    expect(tickStep(7000)).toBe(1000);
    expect(tickStep(65_000)).toBe(10_000);
    expect(tickStep(3_600_000)).toBe(600_000);
  });
});

describe('the event `bridged`', () => {
  it('has rows only where not everybody hears everybody', () => {
    expect(bridged({ legs: ['a', 'b'] })).toEqual({ legs: ['a', 'b'], hears: [] });
    expect(bridged({ legs: ['a', 'b'], hears: [{ leg: 'a', hears: ['b'] }] })?.hears).toEqual([{ leg: 'a', hears: ['b'] }]);
    expect(bridged({ segment: 'seg_1' })).toBeNull();
  });
});

describe('a call of our own', () => {
  it('has a plan: its class and the trunks to try', () => {
    expect(dialPlan({ class: 'national', trunks: ['trk_1'] })).toEqual({ class: 'national', trunks: ['trk_1'] });
    expect(dialPlan({ segment: 'seg_1' })).toBeNull();
  });
  it('that came to nothing is no missed offer', () => {
    expect(dialEnd('declined')).toBe('declined');
    expect(dialEnd('agent_hung_up')).toBeNull();
  });
});

describe('the legend', () => {
  it('names the rare states only when a call has them', () => {
    const spans = (state: 'talking' | 'consulting') => ({ spans: [{ state, from_at: 0, to_at: null }] });
    expect(legend([spans('talking')])).not.toContain('consulting');
    expect(legend([spans('talking'), spans('consulting')])).toContain('consulting');
  });
});
