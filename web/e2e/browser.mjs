// Chromium for the end-to-end tests: the flags that work headless, as root, with a fake microphone.
import { chromium } from 'playwright-core';

export const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  '--allow-loopback-in-peer-connection',
];

/** `wav`: a file the fake microphone plays in a loop (`%noloop` may be appended). Without it: Chromium's beeps. */
export async function launch({ wav, args = [] } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [...flags, ...(wav ? [`--use-file-for-fake-audio-capture=${wav}`] : []), ...args],
  });
}

/** A fresh person, or one with another's cookies and storage; with or without a microphone. */
export async function person(browser, { microphone = true, locale = 'en', scheme = 'light', viewport = { width: 1440, height: 900 }, storage } = {}) {
  return browser.newContext({
    storageState: storage,
    permissions: microphone ? ['microphone'] : [],
    ignoreHTTPSErrors: true, // the first start makes its own certificate
    locale,
    colorScheme: scheme,
    viewport,
    reducedMotion: 'reduce',
  });
}

/** One JSON object a line on stdout, for whoever drives this. */
export function say(event, data = {}) {
  process.stdout.write(`${JSON.stringify({ event, at: Date.now(), ...data })}\n`);
}

/** `--name value` pairs and flags. */
export function options(argv = process.argv.slice(2)) {
  const out = {};
  for (let i = 0; i < argv.length; i++) {
    if (!argv[i].startsWith('--')) continue;
    const name = argv[i].slice(2);
    const next = argv[i + 1];
    if (next === undefined || next.startsWith('--')) out[name] = true;
    else out[name] = argv[++i];
  }
  return out;
}
