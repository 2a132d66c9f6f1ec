// Sizes after gzip against the budgets of the design: the desk's first load 250 kB, each lazy route 100 kB more.
// Run after `vite build`; a test of the suite runs it when a build is there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const dist = process.argv[2] ?? join(import.meta.dirname, '../dist');
const file = join(dist, '.vite/manifest.json');
if (!existsSync(file)) {
  console.error('no build found: run `npx vite build` first');
  process.exit(1);
}
const manifest = JSON.parse(readFileSync(file, 'utf8'));
const sizes = new Map();
const size = (f) => {
  if (!sizes.has(f)) sizes.set(f, gzipSync(readFileSync(join(dist, f)), { level: 9 }).length);
  return sizes.get(f);
};

/** Every file a chunk needs, its static imports and styles included. */
function needs(key, seen = new Set()) {
  const chunk = manifest[key];
  if (!chunk || seen.has(key)) return new Set();
  seen.add(key);
  const files = new Set([chunk.file, ...(chunk.css ?? [])]);
  for (const i of chunk.imports ?? []) for (const f of needs(i, seen)) files.add(f);
  return files;
}
const union = (...sets) => new Set(sets.flatMap((s) => [...s]));
const sum = (files) => [...files].reduce((n, f) => n + size(f), 0);
const words = (area) => needs(`src/i18n/locales/zh-CN/${area}.json`);

const shell = union(needs('index.html'), needs('src/shell/entry.tsx'), words('common'));
// What every page fetches in the first quiet moment (src/ui/later.tsx); a route does not pay for it again.
const warmed = union(shell, needs('src/ui/MenuBelow.tsx'), needs('src/shell/Palette.tsx'));
const rows = [];
const check = (name, files, limit) => rows.push({ name, kb: sum(files) / 1000, limit });

check('desk, first load', union(shell, needs('src/desk/Desk.tsx')), 250);
check('desk with a call in hand', union(shell, needs('src/desk/Desk.tsx'), needs('src/desk/WorkPanel.tsx')), 250);
check('customer page, first load', union(needs('index.html'), needs('src/customer/entry.tsx'), words('customer')), 150);
for (const [key, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry || !/\.tsx$/.test(key) || /entry\.tsx$/.test(key)) continue;
  const extra = [...needs(key)].filter((f) => !(/src\/(ui|shell)\//.test(key) ? shell : warmed).has(f));
  const area = /src\/(talk|live|interactions|reports|admin|voicemail)\//.exec(key)?.[1];
  check(key.replace('src/', ''), union(extra, area ? words(area) : []), 100);
}

let over = 0;
for (const r of rows.sort((a, b) => b.kb - a.kb)) {
  const bad = r.kb > r.limit;
  if (bad) over++;
  console.log(`${bad ? 'OVER ' : 'ok   '}${r.kb.toFixed(1).padStart(7)} / ${r.limit} kB  ${r.name}`);
}
process.exit(over > 0 ? 1 : 0);
