// Chromium as agent and as customer, driven from outside: one JSON order a line on stdin, one answer a line on stdout.
//
//   node e2e/drive.mjs --base http://localhost:8080 [--wav microphone.wav]
//   > {"id":1,"do":"open","page":"agent","path":"/desk"}
//   < {"id":1,"ok":true,"value":null}
//
// What is pressed and what must follow is decided by the tests in crates/server/tests; nothing is judged here. Ends, with
// its browser, when stdin does.
import { createInterface } from 'node:readline';
import { launch, options, person } from './browser.mjs';
import { command, openPhone, state } from './phone.mjs';
import { signIn } from './signin.mjs';

const o = options();
const base = String(o.base ?? 'http://localhost:8080').replace(/\/$/, '');
const browser = await launch({ wav: o.wav });
const pages = new Map();
const complaints = [];
const LIMIT = 20_000;

/** The microphone as it is: cleaning the sound for people removes a steady tone, which is what the tests send. */
function rawMicrophone() {
  const media = navigator.mediaDevices;
  if (!media) return;
  const open = media.getUserMedia.bind(media);
  const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
  media.getUserMedia = (wanted) => open({ ...wanted, audio: raw });
}

/** The page's own ledger: what was pressed and when, for comparison with the reports. */
function keepLedger() {
  window.__pressed = [];
  addEventListener(
    'click',
    (e) => {
      const test = e.target instanceof Element ? e.target.closest('[data-testid]')?.getAttribute('data-testid') : null;
      if (test) window.__pressed.push({ test, at: performance.timeOrigin + e.timeStamp });
    },
    { capture: true },
  );
}

/** In the page: `ms` of the received stream as 16-bit samples at 8 kHz, base64. */
async function record(ms) {
  const stream = window.__cordboard?.stream;
  if (!stream) return '';
  const context = new AudioContext({ sampleRate: 8000 });
  await context.resume();
  const source = context.createMediaStreamSource(stream);
  // A worklet would need a module of its own past the page's content policy.
  const tap = context.createScriptProcessor(256, 1, 1);
  const wanted = ms * 8;
  // The tap itself takes a moment to fill.
  let skip = 1600;
  const samples = new Int16Array(wanted);
  let filled = 0;
  await new Promise((done) => {
    const timer = setTimeout(done, ms + 5000);
    tap.onaudioprocess = (e) => {
      for (const s of e.inputBuffer.getChannelData(0)) {
        if (skip > 0) skip--;
        else if (filled < wanted) samples[filled++] = Math.max(-1, Math.min(1, s)) * 32767;
      }
      if (filled >= wanted) {
        clearTimeout(timer);
        done();
      }
    };
    source.connect(tap).connect(context.destination);
  });
  await context.close();
  let bytes = '';
  for (const b of new Uint8Array(samples.buffer, 0, filled * 2)) bytes += String.fromCharCode(b);
  return btoa(bytes);
}

function watch(page, name) {
  page.setDefaultTimeout(LIMIT);
  page.on('pageerror', (e) => complaints.push(`${name}: ${e.message}`));
  page.on('console', (m) => m.type() === 'error' && complaints.push(`${name}: ${m.text()} ${m.location().url}`));
  pages.set(name, page);
}

const found = (a) => pages.get(a.page) ?? fail(`no page ${a.page}`);
const part = (a) => {
  const all = a.name && a.value ? found(a).locator(`[data-testid="${a.test}"][${a.name}="${a.value}"]`) : found(a).getByTestId(a.test);
  return (a.text ? all.filter({ hasText: a.text }) : all).first();
};
function fail(why) {
  throw new Error(why);
}

const orders = {
  /** A fresh person at a path. */
  async open(a) {
    const context = await person(browser, { microphone: a.microphone ?? true });
    await context.addInitScript(rawMicrophone);
    await context.addInitScript(keepLedger);
    const page = await context.newPage();
    watch(page, a.page);
    await page.goto(base + (a.path ?? '/'));
  },
  /** A second tab of the same person. */
  async tab(a) {
    const page = await found({ page: a.of }).context().newPage();
    watch(page, a.page);
    await page.goto(base + (a.path ?? '/'));
  },
  async sign_in(a) {
    await signIn(found(a), { base, link: a.link, email: a.email, password: a.password });
  },
  async goto(a) {
    await found(a).goto(base + a.path);
  },
  async reload(a) {
    await found(a).reload({ waitUntil: 'commit' });
  },
  async close(a) {
    await found(a).close();
    pages.delete(a.page);
  },
  /** By test id; `text`, or an attribute by `name` and `value`, picks one of several. */
  async click(a) {
    await part(a).click();
  },
  async fill(a) {
    await part(a).fill(a.keys);
  },
  async choose(a) {
    await found(a).locator(a.selector).check({ force: true });
  },
  async attribute(a) {
    return part(a).getAttribute(a.name, { timeout: 2000 });
  },
  async enabled(a) {
    return part(a).isEnabled({ timeout: 2000 });
  },
  async visible(a) {
    return part(a).isVisible();
  },
  /** Until it is there (or, with `name` and `value`, until its attribute says so); how long that took, in ms. */
  async wait(a) {
    const start = Date.now();
    const limit = a.limit ?? LIMIT;
    if (a.name) {
      const selector = `[data-testid="${a.test}"][${a.name}="${a.value}"]`;
      await found(a).locator(selector).first().waitFor({ timeout: limit });
    } else {
      await part(a).waitFor({ timeout: limit, state: a.state ?? 'visible' });
    }
    return Date.now() - start;
  },
  async listen(a) {
    return found(a).evaluate(record, a.ms);
  },
  async pressed(a) {
    return found(a).evaluate(() => window.__pressed);
  },
  async device(a) {
    return found(a).evaluate(() => window.__cordboard?.device ?? window.__cordboard?.call ?? null);
  },
  /** How the page's own packets leave: `type` of the candidate in use, `protocol` to the relay, the account there. */
  async way(a) {
    return found(a).evaluate(async () => {
      const pc = window.__cordboard.pc;
      const all = [...(await pc.getStats()).values()];
      const pair = all.find((s) => s.id === all.find((t) => t.type === 'transport')?.selectedCandidatePairId);
      const local = all.find((s) => s.id === pair?.localCandidateId);
      const account = pc.getConfiguration().iceServers[0];
      return { type: local?.candidateType ?? null, protocol: local?.relayProtocol ?? null, credential: account?.credential ?? null };
    });
  },
  /** A SIP phone on a page of its own, registered: JsSIP. `base` is another way to the server, if need be. */
  async phone(a) {
    const context = await person(browser);
    await context.addInitScript(rawMicrophone);
    const page = await context.newPage();
    watch(page, a.page);
    await openPhone(page, a.base ?? base, a);
  },
  async phone_do(a) {
    await found(a).evaluate(command, { what: a.what, value: a.value });
  },
  async phone_state(a) {
    return found(a).evaluate(state);
  },
  async text(a) {
    return found(a).evaluate(() => document.body.innerText);
  },
  async screenshot(a) {
    await found(a).screenshot({ path: a.file });
  },
  async complaints() {
    return complaints;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const order = JSON.parse(line);
  let answer;
  try {
    const todo = orders[order.do] ?? fail(`no order ${order.do}`);
    answer = { ok: true, value: (await todo(order)) ?? null };
  } catch (e) {
    answer = { ok: false, error: String(e?.message ?? e).slice(0, 2000) };
  }
  process.stdout.write(`${JSON.stringify({ id: order.id, ...answer })}\n`);
}
await browser.close();
process.exit(0);
