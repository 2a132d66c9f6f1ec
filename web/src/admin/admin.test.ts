import { describe, expect, it } from 'vitest';
import { minuteOf, minuteText } from './Calendars';
import { parseBulk } from './Devices';
import { isIp, isPrefix, lines, moved, prefixOf, shares } from './lines';
import { type PhoneAccount, phones, place } from './phones';

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

describe('lists written one a line', () => {
  it('lose blanks, empty lines and repetitions', () => {
    expect(lines(' 10.0.0.1\n\n10.0.0.2，10.0.0.1; ２０３.0.113.9 ')).toEqual(['10.0.0.1', '10.0.0.2', '203.0.113.9']);
  });
  it('hold addresses of either family', () => {
    for (const good of ['203.0.113.9', '0.0.0.0', '2001:db8::1', '::', '::1', 'fe80::1:2', '1:2:3:4:5:6:7:8', '::ffff:203.0.113.9']) expect(isIp(good), good).toBe(true);
    for (const bad of ['', '203.0.113', '256.1.1.1', '01.2.3.4', 'sip.example.com', '1:2:3', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', '::g', '10.0.0.1:5060', '10.0.0.0/8']) expect(isIp(bad), bad).toBe(false);
  });
  it('hold beginnings of numbers', () => {
    expect(prefixOf('+86 10-')).toBe('+8610');
    for (const good of ['+86', '95', '+']) expect(isPrefix(good), good).toBe(true);
    for (const bad of ['', '8*', '++1', '+1234567890123456']) expect(isPrefix(bad), bad).toBe(false);
  });
});

describe('an order', () => {
  it('changes by one place, within the list', () => {
    expect(moved(['a', 'b', 'c'], 1, -1)).toEqual(['b', 'a', 'c']);
    expect(moved(['a', 'b', 'c'], 1, 1)).toEqual(['a', 'c', 'b']);
    expect(moved(['a', 'b'], 0, -1)).toEqual(['a', 'b']);
    expect(moved(['a', 'b'], 1, 1)).toEqual(['a', 'b']);
  });
});

describe('trunks of equal priority', () => {
  it('share the calls by weight; one alone has no share', () => {
    expect(shares([{ weight: 2 }, { weight: 1 }]).map((x) => x.share)).toEqual(['67 %', '33 %']);
    expect(shares([{ weight: 5 }]).map((x) => x.share)).toEqual(['']);
  });
});

describe('setting up a phone', () => {
  const account: PhoneAccount = { user: 'desk-1', realm: 'alpha.example', secret: 'a-password', host: 'desk.example', port: 5061, transport: 'tls', srtp: 'required', registration_s: 600 };
  it('tells every phone who it is, its password, where to and by which transport', () => {
    for (const phone of phones) {
      const values = phone.fields.map((f) => f.value(account));
      expect(values, phone.name).toEqual(expect.arrayContaining(['desk-1', 'alpha.example', 'a-password']));
      expect(values.some((v) => /desk\.example/.test(v ?? '')), phone.name).toBe(true);
      expect(values.some((v) => /5061/.test(v ?? '')), phone.name).toBe(true);
      expect(values.some((v) => /tls/i.test(v ?? '')), phone.name).toBe(true);
      expect(phone.fields.every((f) => f.label.en && f.label['zh-CN']) && phone.where.en && phone.where['zh-CN'], phone.name).toBeTruthy();
      // The password is not shown once it is past.
      expect(phone.fields.filter((f) => f.value({ ...account, secret: null }) === null)).toHaveLength(1);
    }
  });
  it('names the server as the phone reaches it', () => {
    const service = { sip: 5060, sip_tls: 5061, elsewhere: { host: '192.0.2.7', url: 'https://192.0.2.7:8443' }, registration_s: 600 };
    const page = (hostname: string) => ({ hostname, origin: `http://${hostname}:8080` });
    expect(place(page('desk.example'), service)).toEqual({ host: 'desk.example', url: 'http://desk.example:8080', alone: false });
    expect(place(page('localhost'), service)).toEqual({ host: '192.0.2.7', url: 'https://192.0.2.7:8443', alone: false });
    expect(place(page('localhost'), { ...service, elsewhere: null })).toEqual({ host: '127.0.0.1', url: 'http://localhost:8080', alone: true });
  });
});
