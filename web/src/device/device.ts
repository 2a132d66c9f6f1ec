// The browser as a device: leads or not, has a microphone or not, and keeps one peer connection to the server standing
// from sign-in on (that is the pre-flight; between calls the track is silent). Calls are edits on the server: answering,
// holding and reloading need nothing here but this connection.
//
//   waiting for the lead → asking for the microphone → connecting → ready ⇄ lost (a new generation each time)
//
// Tests and support read `window.__cordboard` (see `expose`): they judge the received sound on `stream`.
import { followLead, type Leader } from './leader';
import { type Microphone, type MicrophoneState, openMicrophone } from './microphone';
import { Peer, straight, type Ways } from './peer';
import { keepSoundChoice, soundChoice, type SoundChoice, soundDevices, soundTo } from './sound';

export type LinkState = 'idle' | 'connecting' | 'ready' | 'lost' | 'refused';

export interface DeviceView {
  leading: boolean;
  microphone: MicrophoneState;
  link: LinkState;
  /** Why `refused`, or what the server says. */
  code: string | null;
  /** The browser wants a gesture before it plays sound. */
  soundBlocked: boolean;
  /** The microphone in use, by the name the system gives it; empty without one. */
  microphoneName: string;
}

/** What the device says to the server; the socket carries it. */
export type DeviceMessage =
  | { type: 'lead'; take: boolean }
  | { type: 'preflight'; microphone: 'ok' | 'denied' | 'missing' | 'listen_only' }
  | { type: 'device_offer'; generation: number; sdp: string };

const RETRY_MS = [500, 1000, 2000, 5000, 10_000];
const ANSWER_MS = 8000;

export class BrowserDevice {
  private state: DeviceView = { leading: false, microphone: 'asking', link: 'idle', code: null, soundBlocked: false, microphoneName: '' };
  private readonly listeners = new Set<() => void>();
  private readonly audio: HTMLAudioElement;
  private readonly leader: Leader;
  private microphone: Microphone | undefined;
  private peer: Peer | undefined;
  private remote: MediaStream | undefined;
  private online = false;
  private speaking = false;
  private tries = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private generation = 0;
  private stopped = false;
  private sound: SoundChoice = soundChoice();
  private ways: Ways = straight;

  constructor(
    private readonly send: (message: DeviceMessage) => void,
    lockName: string,
  ) {
    this.audio = document.createElement('audio');
    this.audio.autoplay = true;
    this.audio.dataset.cordboard = 'remote';
    document.body.append(this.audio);
    void soundTo(this.audio, this.sound.speaker);
    this.expose();
    this.leader = followLead(lockName, (leading, taken) => void this.leadChanged(leading, taken));
    navigator.mediaDevices?.addEventListener?.('devicechange', this.devicesChanged);
    addEventListener('offline', this.networkGone);
  }

  view = (): DeviceView => this.state;
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The socket said hello (or came back); `stands`: the floor still counts this browser's device as ready. */
  socketOpened(stands: boolean): void {
    this.online = true;
    if (!this.state.leading) return;
    this.send({ type: 'lead', take: false });
    this.tellPreflight();
    // A lost socket need not have hurt the sound: what stands on both sides stays.
    if (stands && this.peer?.pc.connectionState === 'connected') this.set({ link: 'ready', code: null });
    else this.connect();
  }

  socketClosed(): void {
    this.online = false;
    clearTimeout(this.timer);
  }

  /** How peer connections from now on may reach the server. */
  waysAre(ways: Ways): void {
    this.ways = ways;
  }

  answered(generation: number, sdp: string): void {
    const peer = this.peer;
    if (peer?.generation !== generation) return;
    peer.answer(sdp).catch(() => this.fail('device.bad_answer'));
  }

  refused(generation: number, code: string): void {
    if (this.peer?.generation !== generation) return;
    this.set({ link: 'refused', code });
    this.retry();
  }

  /** The server's view of this device. */
  serverSays(state: 'connecting' | 'ready' | 'lost' | 'not_leading', code: string | null): void {
    switch (state) {
      case 'ready':
        clearTimeout(this.timer);
        this.tries = 0;
        this.set({ link: 'ready', code: null });
        break;
      case 'lost':
        // A microphone that is not there was our own message; anything else is repaired by a new connection.
        if (this.state.leading && !code?.startsWith('microphone.')) this.fail(code ?? 'device.lost');
        break;
      case 'not_leading':
        // Nobody leads: whoever holds the lock here takes it, or asks for the lock. Otherwise another machine has it.
        if (code === 'tab.lead_free') {
          if (this.state.leading) this.send({ type: 'lead', take: false });
          else this.leader.wait();
        } else if (this.state.leading) {
          this.leader.release();
        }
        break;
      case 'connecting':
        break;
    }
  }

  /** Sound leaves only while somebody is there to hear it. */
  setSpeaking(speaking: boolean): void {
    this.speaking = speaking;
    if (this.microphone) this.microphone.track.enabled = speaking;
  }

  leadHere(): void {
    this.leader.take();
  }

  async useListenOnly(): Promise<void> {
    if (!this.microphone) return;
    this.microphone = { ...this.microphone, state: 'listen_only' };
    this.set({ microphone: 'listen_only' });
    this.tellPreflight();
    this.connect();
  }

  /** Asks again, after the person gave permission or plugged a headset in. */
  async askMicrophone(): Promise<void> {
    const former = this.microphone?.track;
    this.set({ microphone: 'asking' });
    const mic = await openMicrophone(this.sound.microphone);
    this.adopt(mic);
    await this.peer?.useTrack(mic.track);
    if (former && former !== mic.track) former.stop();
    this.tellPreflight();
    if (this.state.link !== 'ready') this.connect();
  }

  /** Other devices from now on, also in the middle of a call. */
  async chooseSound(choice: SoundChoice): Promise<void> {
    const former = this.sound;
    this.sound = choice;
    keepSoundChoice(choice);
    if (choice.speaker !== former.speaker) await soundTo(this.audio, choice.speaker);
    if (choice.microphone !== former.microphone && this.state.leading) await this.askMicrophone();
  }

  async unlockSound(): Promise<void> {
    try {
      await this.audio.play();
      this.set({ soundBlocked: false });
    } catch {
      this.set({ soundBlocked: true });
    }
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    navigator.mediaDevices?.removeEventListener?.('devicechange', this.devicesChanged);
    removeEventListener('offline', this.networkGone);
    this.leader.release();
    this.microphone?.track.stop();
    this.audio.remove();
  }

  /** No way of the old network leads on from the next one, and ICE would notice seconds later: the socket's return connects anew. */
  private readonly networkGone = () => {
    if (!this.peer) return;
    clearTimeout(this.timer);
    this.peer.close();
    this.peer = undefined;
    this.set({ link: 'lost', code: 'device.ice_failed' });
  };

  private readonly devicesChanged = () => {
    const m = this.state.microphone;
    const ended = this.microphone?.track.readyState === 'ended';
    // The element keeps to a loudspeaker that is gone, and does not find one that came back.
    void soundTo(this.audio, this.sound.speaker);
    if (!this.state.leading) return;
    if (m === 'missing' || m === 'listen_only' || ended) void this.askMicrophone();
    else if (m === 'ok') void this.backToChosen();
  };

  /** The microphone that was chosen has been plugged in again. */
  private async backToChosen(): Promise<void> {
    const wanted = this.sound.microphone;
    const used = this.microphone?.track.getSettings?.().deviceId;
    if (!wanted || !used || used === wanted) return;
    const { microphones } = await soundDevices();
    if (microphones.some((d) => d.id === wanted)) await this.askMicrophone();
  }

  private async leadChanged(leading: boolean, taken: boolean): Promise<void> {
    // The lock can be granted before the constructor returns.
    await Promise.resolve();
    if (this.stopped && leading) return;
    this.set({ leading, link: leading ? this.state.link : 'idle' });
    if (!leading) {
      clearTimeout(this.timer);
      this.peer?.close();
      this.peer = undefined;
      this.microphone?.track.stop();
      this.microphone = undefined;
      return;
    }
    if (this.online) this.send({ type: 'lead', take: taken });
    if (!this.microphone) this.adopt(await openMicrophone(this.sound.microphone));
    this.tellPreflight();
    this.connect();
  }

  private adopt(mic: Microphone): void {
    // Nothing to repair: no microphone here, so listen, and say so. A refused one is the person's choice to change.
    const state = mic.state === 'missing' || mic.state === 'insecure' ? 'listen_only' : mic.state;
    this.microphone = { state, track: mic.track };
    mic.track.enabled = this.speaking;
    mic.track.addEventListener('ended', this.devicesChanged);
    const microphoneName = state === 'ok' ? mic.track.label : '';
    this.set({ microphone: state, microphoneName, code: mic.state === 'insecure' ? 'microphone.insecure' : this.state.code });
  }

  private tellPreflight(): void {
    const m = this.microphone?.state;
    if (this.online && (m === 'ok' || m === 'denied' || m === 'listen_only')) this.send({ type: 'preflight', microphone: m });
  }

  private connect(): void {
    if (this.stopped || !this.online || !this.state.leading || !this.microphone) return;
    clearTimeout(this.timer);
    this.peer?.close();
    if (this.microphone.state === 'denied') {
      this.peer = undefined;
      this.set({ link: 'idle' });
      return;
    }
    // Grows across reloads and machines too.
    this.generation = Math.max(this.generation + 1, Date.now());
    const peer = new Peer(this.generation, this.microphone.track, this.ways, {
      connected: () => {
        if (this.peer === peer && this.state.link !== 'ready') this.set({ link: 'ready', code: null });
      },
      failed: () => {
        if (this.peer === peer) this.fail('device.ice_failed');
      },
      stream: (s) => this.play(s),
    });
    this.peer = peer;
    this.set({ link: 'connecting' });
    peer.offer().then(
      (sdp) => {
        if (this.peer !== peer) return;
        this.send({ type: 'device_offer', generation: peer.generation, sdp });
        this.later(ANSWER_MS, () => {
          if (this.peer === peer && peer.pc.connectionState !== 'connected') this.fail('device.ice_failed');
        });
      },
      () => this.fail('device.no_webrtc'),
    );
  }

  private fail(code: string): void {
    this.set({ link: 'lost', code });
    this.retry();
  }

  private retry(): void {
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)] ?? 10_000;
    this.later(wait, () => this.connect());
  }

  private later(ms: number, what: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(what, ms);
  }

  private play(stream: MediaStream): void {
    this.remote = stream;
    this.audio.srcObject = stream;
    void this.unlockSound();
  }

  private set(change: Partial<DeviceView>): void {
    this.state = { ...this.state, ...change };
    for (const l of this.listeners) l();
  }

  /** A read-only window for end-to-end tests and support: `{ pc, stream, audio, device }`. */
  private expose(): void {
    const self = this;
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
        get device() {
          return self.state;
        },
      }),
    });
  }
}
