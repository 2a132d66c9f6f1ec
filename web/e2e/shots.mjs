// Pictures of every route in both languages, light and dark; fails on clipped text, missing words, axe findings,
// errors in the console.
//
//   node e2e/shots.mjs --base http://localhost:8080 (--link URL | --email E --password P) [--out shots] [--only desk,live]
//
// One JSON line a picture: {"event":"shot","name":…,"file":…,"findings":[…]}, at the end all of them once more; exit
// code 1 if anything was found.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { launch, options, person, say } from './browser.mjs';
import { signIn } from './signin.mjs';

const require = createRequire(import.meta.url);
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const o = options();
const base = String(o.base ?? 'http://localhost:8080').replace(/\/$/, '');
const out = String(o.out ?? 'shots');
const only = o.only ? String(o.only).split(',') : null;
mkdirSync(out, { recursive: true });

/** Static routes; those of one interaction and one flow are found through the interface. */
async function routes(page) {
  const first = async (path) => page.evaluate(async (p) => (await (await fetch(p)).json()).items?.[0]?.id ?? null, path);
  const served = await page.evaluate(async () => {
    const { items } = await (await fetch('/api/v1/interactions?limit=100')).json();
    return (items ?? []).find((i) => i.talk_ms > 0)?.id ?? items?.[0]?.id ?? null;
  });
  const flow = await first('/api/v1/flows?limit=1');
  const tenant = await page.evaluate(async () => (await (await fetch('/api/v1/me')).json()).tenant.id);
  const sections = ['users', 'agents', 'teams', 'skills', 'queues', 'calendars', 'numbers', 'trunks', 'routes', 'devices', 'dispositions', 'break-reasons', 'prompts', 'flows', 'audit', 'revisions', 'tokens', 'settings'];
  return {
    desk: '/desk',
    welcome: '/welcome',
    'live-queues': '/live/queues',
    'live-queues-wall': '/live/queues?wall=1',
    'live-agents': '/live/agents',
    interactions: '/interactions',
    voicemail: '/voicemail',
    ...(served ? { interaction: `/interactions/${served}` } : {}),
    'reports-queues': '/reports/queues',
    'reports-agents': '/reports/agents',
    'reports-recordings': '/reports/recordings',
    ...Object.fromEntries(sections.map((s) => [`admin-${s}`, `/admin/${s}`])),
    'admin-queues-new': '/admin/queues?open=new',
    'admin-users-new': '/admin/users?open=new',
    'admin-trunks-new': '/admin/trunks?open=new',
    'admin-routes-new': '/admin/routes?open=new',
    'admin-calendars-new': '/admin/calendars?open=new',
    ...(flow ? { 'admin-flow': `/admin/flows/${flow}` } : {}),
    customer: `/call/${tenant}`,
    'sign-in': '/sign-in',
    'no-page': '/nowhere',
  };
}

/** Text cut off without an intended ellipsis and a title that tells the whole. */
function clipped() {
  const found = [];
  for (const el of document.querySelectorAll('body *')) {
    const style = getComputedStyle(el);
    if (style.visibility === 'hidden' || el.closest('.visually-hidden, [aria-hidden="true"], svg')) continue;
    const text = [...el.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim() !== '');
    if (!text || el.clientWidth === 0) continue;
    // Spilling out of its box is as bad as being cut, unless it is a piece of running text.
    const wide = el.scrollWidth > el.clientWidth + 1 && style.display !== 'inline';
    const high = el.scrollHeight > el.clientHeight + 2 && style.overflowY === 'hidden' && style.display !== 'inline';
    // Cut by a box around it, without an ellipsis and a title that tells the whole.
    for (let box = el.parentElement; box && box !== document.body; box = box.parentElement) {
      const s = getComputedStyle(box);
      if (['auto', 'scroll'].includes(s.overflowX)) break;
      if (s.overflowX === 'visible') continue;
      if (el.getBoundingClientRect().right > box.getBoundingClientRect().right + 1 && !(s.textOverflow === 'ellipsis' && (box.title || box.closest('[title]')))) {
        found.push(`cut by its box: <${box.tagName.toLowerCase()} class="${box.className}"> ${el.textContent.trim().slice(0, 60)}`);
      }
      break;
    }
    const intended = style.textOverflow === 'ellipsis' && (el.title || el.closest('[title]'));
    const scrolls = ['auto', 'scroll'].includes(style.overflowX) || ['auto', 'scroll'].includes(style.overflowY);
    if ((wide || high) && !intended && !scrolls && !/^(INPUT|TEXTAREA|OPTION|SELECT)$/.test(el.tagName)) {
      found.push(`clipped: <${el.tagName.toLowerCase()} class="${el.className}"> ${el.textContent.trim().slice(0, 60)}`);
    }
    // A header or button broken into several lines is as bad as a cut one.
    if (/^(TH|BUTTON)$/.test(el.tagName) && style.whiteSpace !== 'nowrap' && el.getClientRects().length === 1 && el.clientHeight > 48 && !el.querySelector('svg')) {
      found.push(`broken into lines: ${el.textContent.trim().slice(0, 60)}`);
    }
  }
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth + 1) found.push(`page scrolls sideways: ${width} > ${innerWidth}`);
  return found;
}

async function shoot(page, name, path, variant) {
  const errors = [];
  const listen = (m) => m.type() === 'error' && !/favicon|404 \(Not Found\)|401/.test(m.text()) && errors.push(`console: ${m.text().slice(0, 200)}`);
  const failed = (e) => errors.push(`exception: ${String(e.message).slice(0, 200)}`);
  page.on('console', listen);
  page.on('pageerror', failed);
  await page.goto(base + path, { waitUntil: 'domcontentloaded' });
  await page.waitForFunction(() => document.querySelector('#root')?.children.length, null, { timeout: 15_000 });
  await page.waitForLoadState('networkidle', { timeout: 8000 }).catch(() => {});
  await page.waitForFunction(() => !document.querySelector('.mantine-Loader-root'), null, { timeout: 15_000 }).catch(() => errors.push('still loading after 15 s'));
  await page.waitForTimeout(350); // fonts and transitions settle before the picture
  const file = `${out}/${name}.${variant}.png`;
  await page.screenshot({ path: file });
  const findings = [...errors, ...(await page.evaluate(clipped))];
  findings.push(...(await page.evaluate(() => (window.__cordboardMissing ?? []).map((k) => `missing words: ${k}`))));
  await page.evaluate(axeSource);
  const axe = await page.evaluate(async () => {
    const r = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return r.violations.map((v) => `axe ${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.any[0]?.message ?? ''}`).slice(0, 3).join(' | ')}`);
  });
  findings.push(...axe);
  page.off('console', listen);
  page.off('pageerror', failed);
  say('shot', { name, variant, file, findings });
  return findings.map((f) => `${name}.${variant}: ${f}`);
}

const browser = await launch();
const found = [];
let count = 0;
try {
  const context = await person(browser, { locale: 'en' });
  const page = await context.newPage();
  await signIn(page, { base, link: o.link, email: o.email, password: o.password });
  const all = Object.entries(await routes(page)).filter(([n]) => !only || only.some((x) => n.startsWith(x)));
  const storage = await context.storageState();
  await context.close();
  // The four at the same time: most of a picture's time is waiting for quiet.
  const variants = ['en', 'zh-CN'].flatMap((language) => ['light', 'dark'].map((scheme) => ({ language, scheme })));
  await Promise.all(
    variants.map(async ({ language, scheme }) => {
      const own = await person(browser, { locale: 'en', scheme, storage });
      await own.addInitScript((l) => localStorage.setItem('cordboard.language', l), language);
      const page = await own.newPage();
      for (const [name, path] of all) {
        count++;
        found.push(...(await shoot(page, name, path, `${language}.${scheme}`)));
      }
    }),
  );
} catch (e) {
  found.push(String(e));
} finally {
  await browser.close();
}
say('done', { pictures: count, findings: found });
process.exitCode = found.length > 0 ? 1 : 0;
