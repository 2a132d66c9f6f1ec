import { describe, expect, it } from 'vitest';
import { startOfDay } from '../ui/format';
import { presetSpan, show, spelled, unitOf } from './columns';

const zone = 'Asia/Shanghai';
const start = (at: number) => startOfDay(at, zone);
const now = Date.UTC(2026, 10, 22, 3); // Sunday, 11:00 in Shanghai

describe('report spans', () => {
  it('begin and end at midnight of the tenant', () => {
    const midnight = Date.UTC(2026, 10, 21, 16);
    const day = 86_400_000;
    expect(presetSpan('today', start, now)).toEqual([midnight, midnight + day]);
    expect(presetSpan('yesterday', start, now)).toEqual([midnight - day, midnight]);
    expect(presetSpan('week', start, now)).toEqual([midnight - 6 * day, midnight + day]);
    expect(presetSpan('last7', start, now)).toEqual([midnight - 6 * day, midnight + day]);
  });
  it('keep to local midnight across daylight saving', () => {
    const ny = (at: number) => startOfDay(at, 'America/New_York');
    const [from, to] = presetSpan('yesterday', ny, Date.UTC(2026, 10, 2, 17));
    expect((to - from) / 3_600_000).toBe(25);
  });
});

describe('formulas', () => {
  it('are written with the names of the columns', () => {
    expect(spelled('(abandoned - short_abandons) / offered', (f) => f.toUpperCase())).toBe('(ABANDONED − SHORT_ABANDONS) ÷ OFFERED');
  });
  it('say the unit; sums have that of their name', () => {
    const formulas = [{ metric: 'occupancy', name: {}, formula: '', unit: 'ratio' }];
    expect(['occupancy', 'wait_ms_max', 'offered'].map((m) => unitOf(m, formulas))).toEqual(['ratio', 'ms', 'count']);
  });
});

describe('numbers', () => {
  it('are written by their unit', () => {
    expect([show(0.5, 'ratio'), show(61_000, 'ms'), show(7, 'count'), show(null, 'ms')]).toEqual(['50.0 %', '1:01', '7', '–']);
  });
});
