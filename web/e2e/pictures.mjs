// The pictures of the README: the real product, a demo call in progress.
//
//   node e2e/pictures.mjs --base http://localhost:8080 --email admin@sample.test --password P --out docs/pictures
import { launch, options, person } from './browser.mjs';
import { signIn } from './signin.mjs';

const o = options();
const base = String(o.base ?? 'http://localhost:8080').replace(/\/$/, '');
const out = String(o.out ?? 'pictures');
for (const [locale, name] of [['en', 'en'], ['zh-CN', 'zh']]) {
  // A browser each: its only page in front, so that nothing waits for a hidden tab's paint.
  const browser = await launch();
  try {
    const context = await person(browser, { locale, viewport: { width: 1280, height: 720 } });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    await signIn(page, { base, email: o.email, password: o.password });
    await page.goto(`${base}/desk`);
    await page.getByTestId('ring-me').first().click();
    await page.getByTestId('accept').click();
    await page.getByTestId('phone-hang_up').waitFor();
    await page.waitForTimeout(7_000); // so that the picture shows a call that has lasted
    await page.screenshot({ path: `${out}/desk-${name}.png` });
    await page.evaluate((path) => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }, '/live/queues');
    await page.waitForTimeout(2_000);
    await page.screenshot({ path: `${out}/live-${name}.png` });
    await page.getByTestId('phone-hang_up').first().click();
    await page.waitForTimeout(3_000); // the recording is stored
    const id = await page.evaluate(async () => (await (await fetch('/api/v1/interactions?limit=1')).json()).items[0].id);
    await page.goto(`${base}/interactions/${id}`);
    await page.waitForTimeout(2_000);
    await page.screenshot({ path: `${out}/interaction-${name}.png` });
  } finally {
    await browser.close();
  }
}
