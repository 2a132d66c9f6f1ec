import { describe, expect, it } from 'vitest';
import { diagnose, percent, type Quality } from './quality';

const good: Quality = { mos: 4.4, grade: 'good', lost_in: 0, lost_out: null, jitter_ms: 2, round_trip_ms: 20 };
const lossy: Quality = { mos: 3.6, grade: 'fair', lost_in: 0.2, lost_out: 8.1, jitter_ms: 4, round_trip_ms: 30 };

describe('diagnosis', () => {
  it('knows nothing before the first look', () => {
    expect(diagnose({ own: null, customer: null })).toBeNull();
    expect(diagnose({ own: good, customer: null })?.grade).toBe('good');
  });
  it('names the own line first, for that one can be mended', () => {
    expect(diagnose({ own: lossy, customer: { ...lossy, grade: 'poor' } })).toEqual({ grade: 'fair', whose: 'own', cause: 'loss', amount: 8 });
    expect(diagnose({ own: good, customer: lossy })?.whose).toBe('customer');
  });
  it('tells a lost line, jitter and delay apart', () => {
    const bad = { ...good, grade: 'poor' as const };
    expect(diagnose({ own: { ...bad, lost_in: 100 }, customer: null })).toMatchObject({ cause: 'silence' });
    expect(diagnose({ own: { ...bad, jitter_ms: 90 }, customer: null })).toMatchObject({ cause: 'jitter', amount: 90 });
    expect(diagnose({ own: { ...bad, round_trip_ms: 800 }, customer: null })).toMatchObject({ cause: 'delay', amount: 800 });
  });
  it('shows shares of packets shortly', () => {
    expect([percent(null), percent(0), percent(8.14), percent(25.3)]).toEqual(['–', '0.0 %', '8.1 %', '25 %']);
  });
});
