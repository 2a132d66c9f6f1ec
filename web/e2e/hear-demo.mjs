// The stranger's ear: follows a sign-in link in headless Chromium, presses “Ring me”, answers, and ends when it has heard
// a voice for a second. Prints how long each step took; exit code 1 if no voice came.
//
//   node e2e/hear-demo.mjs --link http://localhost:8080/sign-in/link#token=…
import { launch, options, person } from './browser.mjs';
import { signIn } from './signin.mjs';

const o = options();
if (!o.link) {
  console.error('usage: node e2e/hear-demo.mjs --link URL');
  process.exit(2);
}

/** In the page: seconds of voice within `limit` ms, counted in blocks whose level is far above the noise floor. */
async function hear({ wanted, limit }) {
  const context = new AudioContext();
  await context.resume();
  const end = Date.now() + limit;
  const live = () => window.__cordboard?.stream;
  while (!live() && Date.now() < end) await new Promise((r) => setTimeout(r, 100));
  if (!live()) return 0;
  const ear = context.createAnalyser();
  ear.fftSize = 2048; // 43 ms at 48 kHz
  context.createMediaStreamSource(live()).connect(ear);
  const block = new Float32Array(ear.fftSize);
  let heard = 0;
  let last = performance.now();
  while (heard < wanted && Date.now() < end) {
    await new Promise((r) => setTimeout(r, 40));
    ear.getFloatTimeDomainData(block);
    const level = Math.sqrt(block.reduce((sum, s) => sum + s * s, 0) / block.length);
    const now = performance.now();
    if (level > 0.01) heard += (now - last) / 1000;
    last = now;
  }
  return heard;
}

const browser = await launch();
const start = Date.now();
const steps = [];
let mark = start;
const step = (name) => {
  steps.push(`${name} ${((Date.now() - mark) / 1000).toFixed(1)} s`);
  mark = Date.now();
};
let heard = 0;
try {
  const page = await (await person(browser)).newPage();
  page.setDefaultTimeout(30_000);
  await signIn(page, { link: o.link });
  step('signed in');
  await page.getByTestId('ring-me').first().click();
  step('pressed “Ring me”');
  await page.getByTestId('accept').click();
  step('answered');
  heard = await page.evaluate(hear, { wanted: 1, limit: 20_000 });
  step('listened');
} catch (e) {
  console.error(String(e?.message ?? e));
} finally {
  await browser.close();
}
const total = ((Date.now() - start) / 1000).toFixed(1);
console.log(`${steps.join(', ')}; heard ${heard.toFixed(1)} s of voice, ${total} s in all`);
process.exit(heard >= 1 ? 0 : 1);
