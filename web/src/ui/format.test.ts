import { describe, expect, it } from 'vitest';
import { clock, fromLocal, percent, span, startOfDay, toLocal } from './format';

describe('format', () => {
  it('writes spans as clocks', () => {
    expect([0, 7_400, 754_000, 3_723_000, -5].map(clock)).toEqual(['0:00', '0:07', '12:34', '1:02:03', '0:00']);
    expect(span(12_340)).toBe('12.3 s');
    expect(span(75_000)).toBe('1:15');
  });
  it('has a dash for a ratio of nothing', () => {
    expect(percent(null)).toBe('–');
    expect(percent(0.8125)).toBe('81.3 %');
  });
  it('goes to a wall clock and back, also across a change of daylight saving', () => {
    for (const zone of ['Asia/Shanghai', 'America/New_York', 'UTC', 'Asia/Kolkata']) {
      for (const at of [Date.UTC(2026, 10, 1, 5, 30), Date.UTC(2026, 2, 8, 12, 0), Date.UTC(2026, 6, 1)]) {
        expect(fromLocal(toLocal(at, zone), zone)).toBe(at);
      }
    }
    expect(startOfDay(Date.UTC(2026, 10, 22, 3), 'Asia/Shanghai')).toBe(Date.UTC(2026, 10, 21, 16));
    expect(fromLocal('2026-11-22', 'UTC')).toBe(Date.UTC(2026, 10, 22));
  });
});
