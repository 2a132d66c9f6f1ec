// A guest's call: a session token, the public socket, a peer connection, then `dial`. One call at a time.
//
//   idle → connecting → (device ready) dialling → ringing → answered → ended | refused | failed
import type { components } from '../api/.generated/schema';
import { openMicrophone } from '../device/microphone';
import { Peer, straight, type Ways, waysOf } from '../device/peer';

type Schemas = components['schemas'];
export type GuestState = 'idle' | 'connecting' | 'dialling' | 'ringing' | 'answered' | 'ended' | 'refused' | 'failed';

export interface GuestView {
  state: GuestState;
  since: number;
  muted: boolean;
  /** Without a microphone one only listens. */
  listenOnly: boolean;
  soundBlocked: boolean;
  /** Cut off in the middle of the call, and on the way back to it. */
  away: boolean;
  /** Words of the server for a refusal, by language; else a code of ours. */
  message: Schemas['Message'] | null;
  code: string | null;
}

const start: GuestView = { state: 'idle', since: 0, muted: false, listenOnly: false, soundBlocked: false, away: false, message: null, code: null };
// ICE on a bad line may take a few seconds; longer and it will not come.
const CONNECT_MS = 15_000;
// The server keeps the call of somebody who is cut off for so long, and this is how often he tries to come back.
const BACK_WITHIN_MS = 15_000;
const BACK_EVERY_MS = 700;
// The server closes a socket that says nothing for a minute.
const PING_MS = 20_000;

export class GuestCall {
  private view: GuestView = start;
  private readonly listeners = new Set<() => void>();
  private socket: WebSocket | undefined;
  private peer: Peer | undefined;
  private track: MediaStreamTrack | undefined;
  private remote: MediaStream | undefined;
  private readonly audio: HTMLAudioElement;
  private ways: Ways = straight;
  private number = '';
  private token = '';
  /** Until when coming back is worth a try. */
  private backUntil = 0;
  private back: ReturnType<typeof setTimeout> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pings: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly tenant: string) {
    this.audio = document.createElement('audio');
    this.audio.autoplay = true;
    document.body.append(this.audio);
    const self = this;
    // The same read-only window as the console's, for end-to-end tests.
    Object.defineProperty(window, '__cordboard', {
      configurable: true,
      value: Object.freeze({
        get pc() {
          return self.peer?.pc;
        },
        get stream() {
          return self.remote;
        },
        get audio() {
          return self.audio;
        },
        get call() {
          return self.view;
        },
      }),
    });
  }

  read = (): GuestView => this.view;
  subscribe = (l: () => void): (() => void) => {
    this.listeners.add(l);
    return () => this.listeners.delete(l);
  };

  async call(number: string): Promise<void> {
    if (!['idle', 'ended', 'refused', 'failed'].includes(this.view.state)) return;
    this.number = number;
    this.set({ ...start, state: 'connecting', since: Date.now() });
    this.timer = setTimeout(() => this.fail('timeout'), CONNECT_MS);
    try {
      const mic = await openMicrophone();
      this.track = mic.track;
      this.set({ listenOnly: mic.state !== 'ok' });
      const response = await fetch(`/api/v1/public/${encodeURIComponent(this.tenant)}/sessions`, { method: 'POST' });
      if (!response.ok) {
        const problem = (await response.json().catch(() => null)) as Schemas['Problem'] | null;
        this.end('failed', problem?.message ?? null, 'session');
        return;
      }
      const { token } = (await response.json()) as Schemas['GuestSession'];
      this.token = token;
      this.open();
    } catch {
      this.fail('network');
    }
  }

  hangUp(): void {
    this.send({ type: 'hang_up' });
    this.end('ended');
  }

  digit(digit: string): void {
    this.send({ type: 'digit', digit });
  }

  mute(muted: boolean): void {
    if (this.track) this.track.enabled = !muted;
    this.set({ muted });
  }

  async unlockSound(): Promise<void> {
    try {
      await this.audio.play();
      this.set({ soundBlocked: false });
    } catch {
      this.set({ soundBlocked: true });
    }
  }

  private open(): void {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/public/socket?token=${encodeURIComponent(this.token)}`);
    // The server gives the call to the newest connection: the older may be over a network that is no more. Not closed before,
    // for that would be a farewell.
    const older = this.socket;
    this.socket = socket;
    socket.onopen = () => older?.close();
    clearInterval(this.pings);
    this.pings = setInterval(() => this.send({ type: 'ping' }), PING_MS);
    socket.onmessage = (e: MessageEvent<string>) => this.take(JSON.parse(e.data) as Schemas['PublicServerMessage']);
    socket.onclose = () => {
      if (this.socket === socket && !['ended', 'refused', 'failed'].includes(this.view.state)) this.cutOff('network');
    };
  }

  /** A call that stands is worth coming back to. */
  private cutOff(code: string): void {
    if (this.view.state !== 'answered') return this.fail(code);
    if (!this.view.away) {
      this.backUntil = Date.now() + BACK_WITHIN_MS;
      this.set({ away: true });
    }
    if (Date.now() >= this.backUntil) return this.fail(code);
    clearTimeout(this.back);
    this.back = setTimeout(() => this.open(), BACK_EVERY_MS);
  }

  private async connect(): Promise<void> {
    if (!this.track) return;
    this.peer?.close();
    const peer = new Peer(Date.now(), this.track, this.ways, {
      connected: () => {},
      failed: () => this.cutOff('ice'),
      stream: (s) => {
        this.remote = s;
        this.audio.srcObject = s;
        void this.unlockSound();
      },
    });
    this.peer = peer;
    try {
      this.send({ type: 'device_offer', generation: peer.generation, sdp: await peer.offer() });
    } catch {
      this.fail('webrtc');
    }
  }

  private take(m: Schemas['PublicServerMessage']): void {
    switch (m.type) {
      case 'ice':
        // The first word on each socket.
        this.ways = waysOf(m);
        void this.connect();
        break;
      case 'device_answer':
        this.peer?.answer(m.sdp).catch(() => this.fail('webrtc'));
        break;
      case 'device_refused':
        this.end('failed', m.message, m.code);
        break;
      case 'device_state':
        if (m.state === 'ready' && this.view.state === 'connecting') {
          this.set({ state: 'dialling' });
          this.send({ type: 'dial', number: this.number });
        } else if (m.state === 'ready') {
          this.set({ away: false });
        } else if (m.state === 'lost') {
          this.cutOff('ice');
        }
        break;
      case 'call':
        clearTimeout(this.timer);
        if (m.state === 'ended' || m.state === 'refused') this.end(m.state);
        else this.set({ state: m.state, since: Date.now() });
        break;
      case 'error':
        this.end('failed', m.message, m.code);
        break;
      case 'pong':
        break;
    }
  }

  private send(m: Schemas['PublicClientMessage']): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(m));
  }

  private fail(code: string): void {
    this.end('failed', null, code);
  }

  private end(state: GuestState, message: Schemas['Message'] | null = null, code: string | null = null): void {
    clearTimeout(this.timer);
    clearTimeout(this.back);
    clearInterval(this.pings);
    this.set({ state, message, code, away: false });
    const socket = this.socket;
    this.socket = undefined;
    // A moment for the last message to leave.
    setTimeout(() => socket?.close(1000), 200);
    this.peer?.close();
    this.track?.stop();
    this.track = undefined;
  }

  private set(change: Partial<GuestView>): void {
    this.view = { ...this.view, ...change };
    for (const l of this.listeners) l();
  }
}
