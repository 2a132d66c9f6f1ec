// A SIP phone in a browser that nobody here wrote: JsSIP on an empty page of the server's own origin. `drive.mjs` opens it
// and passes orders on; its calls stand in `window.__phone`, their sound where the other pages keep theirs.
import { build } from 'vite';

/** JsSIP as one script. */
async function script() {
  const lib = { entry: 'node_modules/jssip/lib/JsSIP.js', name: 'JsSIP', formats: ['iife'] };
  const made = await build({ configFile: false, logLevel: 'silent', build: { write: false, minify: false, lib } });
  return [made].flat()[0].output[0].code;
}

/** Registers by WebSocket and takes every call. Done when it is registered. */
export async function openPhone(page, base, { user, secret, domain }) {
  // A page of the server that has nothing on it: one that Playwright makes up may not connect to this machine.
  await page.goto(`${base}/readyz`);
  // The page's content policy allows no script tag.
  await page.evaluate(`${await script()}; window.JsSIP = JsSIP; undefined`);
  await page.evaluate(start, { url: `${base.replace(/^http/, 'ws')}/sip`, user, secret, domain });
}

/** In the page. */
function start({ url, user, secret, domain }) {
  const phone = { session: null, state: 'idle', held: false, log: [] };
  window.__phone = phone;
  window.__cordboard = { stream: null };
  const ua = new window.JsSIP.UA({
    sockets: [new window.JsSIP.WebSocketInterface(url)],
    uri: `sip:${user}@${domain}`,
    password: secret,
    register: true,
  });
  phone.ua = ua;
  const follow = (session) => {
    phone.session = session;
    phone.state = 'ringing';
    const listen = (pc) => {
      pc.addEventListener('track', (e) => {
        window.__cordboard.stream = e.streams[0] ?? new MediaStream([e.track]);
        // Chromium decodes what somebody plays.
        const ear = new Audio();
        ear.srcObject = window.__cordboard.stream;
        ear.muted = true;
        ear.play().catch(() => {});
        phone.ear = ear;
      });
    };
    if (session.connection) listen(session.connection);
    session.on('peerconnection', (e) => listen(e.peerconnection));
    session.on('confirmed', () => (phone.state = 'talking'));
    session.on('ended', (e) => (phone.state = 'idle') && phone.log.push(`ended: ${e.cause}`));
    session.on('failed', (e) => (phone.state = 'idle') && phone.log.push(`failed: ${e.cause}`));
    session.on('hold', () => (phone.held = true));
    session.on('unhold', () => (phone.held = false));
  };
  const mediaConstraints = { audio: true, video: false };
  ua.on('newRTCSession', ({ session, originator }) => {
    follow(session);
    if (originator === 'remote') session.answer({ mediaConstraints });
  });
  phone.call = (target) => ua.call(target, { mediaConstraints });
  return new Promise((done, fail) => {
    ua.on('registered', () => done());
    ua.on('registrationFailed', (e) => fail(new Error(`not registered: ${e.cause}`)));
    ua.on('disconnected', (e) => phone.log.push(`disconnected: ${e.reason}`));
    ua.start();
  });
}

/** In the page: `call` a number, `hold`, `unhold`, `hang_up`, press a `digit`. */
export function command({ what, value }) {
  const phone = window.__phone;
  if (what === 'call') phone.call(value);
  else if (what === 'hold') phone.session.hold();
  else if (what === 'unhold') phone.session.unhold();
  else if (what === 'digit') phone.session.sendDTMF(value);
  else if (what === 'hang_up') phone.session.terminate();
  else throw new Error(`no ${what}`);
}

/** In the page: what its call is doing. */
export const state = () => ({ state: window.__phone.state, held: window.__phone.held, log: window.__phone.log });
