// Signs a page in by a one-time link or a password and waits until the console has started.
export async function signIn(page, { base, link, email, password }) {
  if (link) {
    await page.goto(String(link));
  } else {
    await page.goto(`${base}/sign-in`);
    await page.locator('input[type=email]').fill(String(email ?? 'admin@example.com'));
    await page.locator('input[type=password]').fill(String(password ?? ''));
    await page.locator('button[type=submit]').click();
  }
  await page.locator('header.topbar').waitFor({ timeout: 20_000 });
}
