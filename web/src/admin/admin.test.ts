import { describe, expect, it } from 'vitest';
import { minuteOf, minuteText } from './Calendars';
import { parseBulk } from './Devices';

describe('opening hours', () => {
  it('read midnight as the start or the end of a day', () => {
    expect(minuteText(540)).toBe('09:00');
    expect(minuteText(1440)).toBe('00:00');
    expect(minuteOf('00:00', true)).toBe(1440);
    expect(minuteOf('00:00', false)).toBe(0);
    expect(minuteOf('18:30', true)).toBe(1110);
  });
});

describe('bulk devices', () => {
  it('reads one a line, finds agents by extension, takes at most a thousand', () => {
    const rows = parseBulk('Desk 1;phone-801;801;s3cret-pass\n\nDesk 2, phone-802', [{ id: 'agt_1', extension: '801' }]);
    expect(rows).toEqual([
      { name: 'Desk 1', agent: 'agt_1', kind: { kind: 'sip', user: 'phone-801' }, secret: 's3cret-pass' },
      { name: 'Desk 2', agent: null, kind: { kind: 'sip', user: 'phone-802' } },
    ]);
    expect(parseBulk('a;b\n'.repeat(1200), [])).toHaveLength(1000);
  });
});
