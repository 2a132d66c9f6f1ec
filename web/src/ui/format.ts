// Times, spans and numbers as people read them. Spans are integer milliseconds, times integer UTC milliseconds.

/** `0:07`, `12:34`, `1:02:03`: a running or finished span. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const s = String(total % 60).padStart(2, '0');
  const m = Math.floor(total / 60) % 60;
  const h = Math.floor(total / 3600);
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`;
}

/** With tenths, for details: `12.3 s` below a minute, else as `clock`. */
export function span(ms: number): string {
  return ms < 60_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : clock(ms);
}

export function dateTime(at: number, language: string, timeZone: string, seconds = false): string {
  return format(at, language, timeZone, {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: seconds ? '2-digit' : undefined,
    hourCycle: 'h23',
  });
}

export function timeOfDay(at: number, language: string, timeZone: string, millis = false): string {
  return format(at, language, timeZone, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: millis ? 3 : undefined,
    hourCycle: 'h23',
  });
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(at: number, language: string, timeZone: string, options: Intl.DateTimeFormatOptions): string {
  const key = `${language}|${timeZone}|${JSON.stringify(options)}`;
  let f = formats.get(key);
  if (!f) {
    f = new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, { ...options, timeZone });
    formats.set(key, f);
  }
  return f.format(at);
}

export function percent(part: number | null | undefined, digits = 1): string {
  return part === null || part === undefined || !Number.isFinite(part) ? '–' : `${(part * 100).toFixed(digits)} %`;
}

/** The UTC instant of a wall-clock minute (`2026-11-22T09:30`) in an IANA zone. */
export function fromLocal(local: string, timeZone: string): number {
  const utc = Date.parse(`${local.length === 10 ? `${local}T00:00` : local}:00Z`.replace(/:00:00Z$/, ':00Z'));
  // Two rounds settle the offset around a daylight-saving change.
  let guess = utc - offset(utc, timeZone);
  guess = utc - offset(guess, timeZone);
  return guess;
}

/** `2026-11-22T09:30` of an instant in an IANA zone. */
export function toLocal(at: number, timeZone: string): string {
  return new Date(at + offset(at, timeZone)).toISOString().slice(0, 16);
}

export function startOfDay(at: number, timeZone: string): number {
  return fromLocal(`${toLocal(at, timeZone).slice(0, 10)}T00:00`, timeZone);
}

function offset(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
    hourCycle: 'h23',
  }).formatToParts(at);
  const n = (type: string) => Number(parts.find((p) => p.type === type)?.value ?? 0);
  return Date.UTC(n('year'), n('month') - 1, n('day'), n('hour'), n('minute'), n('second')) - Math.floor(at / 1000) * 1000;
}
