// @vitest-environment node
// Every key a page uses exists in both languages, every key is used, and no text stands in the pages themselves.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const src = join(import.meta.dirname, '../src/');
const api = JSON.parse(readFileSync(join(src, '../openapi.json'), 'utf8')) as { components: { schemas: Record<string, unknown> } };
const locales = join(src, 'i18n/locales');
const languages = ['en', 'zh-CN'];
const areas = readdirSync(join(locales, 'en')).map((f) => f.replace('.json', ''));

function keys(value: unknown, prefix = ''): string[] {
  return typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([k, v]) => keys(v, prefix ? `${prefix}.${k}` : k)) : [prefix];
}
const words = (language: string, area: string): Record<string, unknown> => JSON.parse(readFileSync(join(locales, language, `${area}.json`), 'utf8'));
const text = (tree: unknown, key: string): string => String(key.split('.').reduce<unknown>((t, k) => (t as Record<string, unknown>)[k], tree));

function files(dir: string): string[] {
  return readdirSync(dir).flatMap((f) => {
    const path = join(dir, f);
    if (statSync(path).isDirectory()) return files(path);
    return /\.tsx?$/.test(f) && !/\.test\.|\.d\.ts$/.test(f) ? [path] : [];
  });
}

interface Use {
  area: string;
  /** A whole key, or the parts around what is computed: `segment.${x}` is ['segment.', '']. */
  parts: string[];
  where: string;
}

const PROSE = /\p{L}{2,}/u;
// Names of things, not words: protocols, units, examples of what to type.
const NAMES = /^(UDP \/ TCP|sip\.carrier\.example:5060|Desk 1;.*|sip:user@host|WAV|s|CSV|简体中文|English|Cordboard)$/s;
const SHOWN = new Set(['title', 'label', 'placeholder', 'aria-label', 'description', 'alt', 'hint']);

function look(path: string): { uses: Use[]; bare: string[] } {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true, path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS);
  const home = /useTranslation\('(\w+)'\)/.exec(source.text)?.[1] ?? 'common';
  const uses: Use[] = [];
  const bare: string[] = [];
  const where = (n: ts.Node) => `${path.slice(src.length)}:${source.getLineAndCharacterOfPosition(n.getStart()).line + 1}`;
  const add = (n: ts.Node, area: string): void => {
    if (ts.isStringLiteralLike(n)) uses.push({ area, parts: [n.text], where: where(n) });
    else if (ts.isTemplateExpression(n)) uses.push({ area, parts: [n.head.text, ...n.templateSpans.map((s) => s.literal.text)], where: where(n) });
    else if (ts.isConditionalExpression(n)) [n.whenTrue, n.whenFalse].forEach((x) => add(x, area));
    else if (ts.isArrayLiteralExpression(n)) n.elements.forEach((x) => add(x, area));
    else if (ts.isParenthesizedExpression(n)) add(n.expression, area);
  };
  const visit = (n: ts.Node): void => {
    if (ts.isCallExpression(n) && n.expression.getText() === 't' && n.arguments[0]) {
      const ns = n.arguments[1] && /ns: '(\w+)'/.exec(n.arguments[1].getText())?.[1];
      add(n.arguments[0], ns ?? home);
    }
    if (ts.isJsxText(n) && PROSE.test(n.text) && !NAMES.test(n.text.trim())) bare.push(`${where(n)} ${n.text.trim()}`);
    if (ts.isJsxAttribute(n) && SHOWN.has(n.name.getText()) && n.initializer && ts.isStringLiteral(n.initializer) && PROSE.test(n.initializer.text) && !NAMES.test(n.initializer.text)) {
      bare.push(`${where(n)} ${n.initializer.text}`);
    }
    ts.forEachChild(n, visit);
  };
  visit(source);
  return { uses, bare };
}

const looked = files(src).map(look);
const uses = looked.flatMap((l) => l.uses);

function pattern(parts: string[]): RegExp {
  return new RegExp(`^${parts.map((p) => p.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^.]+')}$`);
}

describe('words', () => {
  it.each(areas)('%s has the same keys in both languages', (area) => {
    expect(keys(words('zh-CN', area)).sort()).toEqual(keys(words('en', area)).sort());
  });
  it.each(areas)('%s has the same placeholders in both languages, and no empty text', (area) => {
    const [en, zh] = languages.map((l) => words(l, area));
    const holes = (s: string) => [...s.matchAll(/{{\w+}}/g)].map((m) => m[0]).sort();
    for (const key of keys(en)) {
      expect(text(en, key), key).not.toBe('');
      expect(holes(text(zh, key)), key).toEqual(holes(text(en, key)));
    }
  });
  it('has every key that a page uses', () => {
    const known = new Map(areas.map((a) => [a, keys(words('en', a))]));
    const missing = uses.filter((u) => !(known.get(u.area) ?? []).some((k) => pattern(u.parts).test(k)));
    expect(missing.map((u) => `${u.where} ${u.area}:${u.parts.join('…')}`)).toEqual([]);
  });
  it('has no key that no page uses', () => {
    const unused = areas.flatMap((area) =>
      keys(words('en', area))
        .filter((k) => !uses.some((u) => u.area === area && pattern(u.parts).test(k)))
        .map((k) => `${area}:${k}`),
    );
    expect(unused).toEqual([]);
  });
  it.each([
    ['SegmentState', 'common', 'segment'],
    ['Medium', 'common', 'medium'],
    ['Direction', 'common', 'direction'],
    ['SegmentStart', 'interactions', 'segment_start'],
    ['SegmentEnd', 'interactions', 'segment_end'],
    ['InteractionEnd', 'interactions', 'end'],
    ['OfferEnd', 'interactions', 'decision.end'],
    ['Exclusion', 'interactions', 'exclusion'],
    ['LegRole', 'interactions', 'leg_role'],
    ['DestinationClass', 'interactions', 'destination'],
    ['EndCause', 'interactions', 'cause'],
    ['EndedBy', 'interactions', 'ended_by'],
    ['GapCause', 'interactions', 'gap'],
    ['GuestCallState', 'customer', 'call'],
    ['Role', 'admin', 'role'],
    ['Strategy', 'admin', 'strategies'],
    ['WrapUpMode', 'admin', 'wrap_modes'],
    ['Place', 'admin', 'places'],
    ['WatchMode', 'talk', 'watch.mode'],
    ['WatchMode', 'talk', 'bar.watcher'],
    ['WatchMode', 'live', 'agents.watched'],
    ['HandoverKind', 'common', 'ringing'],
    ['CallClass', 'interactions', 'call_class'],
    ['CallClass', 'admin', 'call_class'],
    ['NumberFormat', 'admin', 'route.formats'],
  ])('has a word for every %s of the interface', (schema, area, prefix) => {
    const of = api.components.schemas[schema] as { enum?: string[]; oneOf?: { enum?: string[]; const?: string }[] };
    const values = of.enum ?? (of.oneOf ?? []).flatMap((o) => o.enum ?? [o.const ?? '']);
    expect(values.length).toBeGreaterThan(0);
    const have = new Set(keys(words('en', area)));
    expect(values.map((v) => `${prefix}.${v.replace('.', '_')}`).filter((k) => !have.has(k))).toEqual([]);
  });
  it('leaves no text in the pages', () => {
    expect(looked.flatMap((l) => l.bare)).toEqual([]);
  });
});
