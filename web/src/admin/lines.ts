// Lists written one a line, and lists whose order means something.

/** Without blanks, empty lines and repetitions; commas and semicolons part as well as line ends. */
export function lines(text: string): string[] {
  const all = text.split(/[\n,;，；、]/).map((l) => l.normalize('NFKC').trim());
  return [...new Set(all.filter((l) => l !== ''))];
}

export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) <= 255);
}

export function isIp(text: string): boolean {
  if (!text.includes(':')) return isIpv4(text);
  const last = text.slice(text.lastIndexOf(':') + 1);
  // An IPv4 tail stands for two groups.
  if (last.includes('.')) return isIpv4(last) && isIp(`${text.slice(0, -last.length)}0:0`);
  const halves = text.split('::');
  const groups = halves.flatMap((h) => (h === '' ? [] : h.split(':')));
  if (halves.length > 2 || !groups.every((g) => /^[0-9a-f]{1,4}$/i.test(g))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

/** A beginning of numbers: `+86`, `95`; blanks and hyphens are for the eye. */
export function prefixOf(text: string): string {
  return text.replace(/[-.() \u00a0]/g, '');
}

export function isPrefix(text: string): boolean {
  return /^\+?\d{1,15}$|^\+$/.test(text);
}

/** The list with row `at` one place up or down. */
export function moved<T>(list: readonly T[], at: number, by: -1 | 1): T[] {
  const out = [...list];
  const to = at + by;
  if (at < 0 || at >= out.length || to < 0 || to >= out.length) return out;
  out.splice(to, 0, ...out.splice(at, 1));
  return out;
}

/** Of trunks of equal priority: the share of the calls of each, in words; none where there is but one. */
export function shares<T extends { weight: number }>(equals: readonly T[]): (T & { share: string })[] {
  const all = equals.reduce((sum, x) => sum + x.weight, 0);
  return equals.map((x) => ({ ...x, share: equals.length > 1 ? `${Math.round((100 * x.weight) / all)} %` : '' }));
}
