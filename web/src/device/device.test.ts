import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrowserDevice, type DeviceMessage } from './device';

/** Just enough of WebRTC: one connection whose state the test decides. */
class FakeConnection extends EventTarget {
  static all: FakeConnection[] = [];
  connectionState = 'new';
  iceGatheringState = 'complete';
  localDescription: { sdp: string } | null = null;
  remote: string | null = null;
  constructor(readonly configuration: RTCConfiguration) {
    super();
    FakeConnection.all.push(this);
  }
  addTransceiver(track: unknown) {
    return { sender: { track, replaceTrack: async () => {} } };
  }
  async createOffer() {
    return { sdp: `offer ${FakeConnection.all.length}` };
  }
  async setLocalDescription(d: { sdp: string }) {
    this.localDescription = d;
  }
  async setRemoteDescription(d: { sdp: string }) {
    this.remote = d.sdp;
  }
  close() {
    this.connectionState = 'closed';
  }
  become(state: string) {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}

const track = () => Object.assign(new EventTarget(), { enabled: true, readyState: 'live', stop() {} }) as unknown as MediaStreamTrack;
let getUserMedia: () => Promise<unknown>;
let sent: DeviceMessage[];
let device: BrowserDevice;

const settle = () => vi.advanceTimersByTimeAsync(1);
const offers = () => sent.filter((m) => m.type === 'device_offer');
const last = () => FakeConnection.all.at(-1) as FakeConnection;

beforeEach(() => {
  vi.useFakeTimers();
  FakeConnection.all = [];
  sent = [];
  getUserMedia = async () => ({ getAudioTracks: () => [track()] });
  vi.stubGlobal('RTCPeerConnection', FakeConnection);
  vi.stubGlobal('RTCRtpReceiver', {});
  vi.stubGlobal('MediaStream', class {});
  Object.defineProperty(navigator, 'mediaDevices', { configurable: true, value: { getUserMedia: () => getUserMedia() } });
  Object.defineProperty(navigator, 'locks', { configurable: true, value: undefined });
});
afterEach(() => {
  device.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function start(): Promise<void> {
  device = new BrowserDevice((m) => sent.push(m), 'test');
  await settle();
  device.socketOpened(false);
  await settle();
}

async function connected(): Promise<void> {
  const offer = offers().at(-1);
  device.answered(offer?.type === 'device_offer' ? offer.generation : 0, 'answer');
  await settle();
  last().become('connected');
  device.serverSays('ready', null);
}

describe('the browser as a device', () => {
  it('asks for the lead, tells its microphone, then offers one connection', async () => {
    await start();
    expect(sent.map((m) => m.type)).toEqual(['lead', 'preflight', 'device_offer']);
    await connected();
    expect(last().remote).toBe('answer');
    expect(device.view()).toMatchObject({ leading: true, microphone: 'ok', link: 'ready' });
  });

  it('offers a new generation after the media failed', async () => {
    await start();
    await connected();
    last().become('failed');
    expect(device.view()).toMatchObject({ link: 'lost', code: 'device.ice_failed' });
    await vi.advanceTimersByTimeAsync(600);
    const generations = offers().map((m) => (m.type === 'device_offer' ? m.generation : 0));
    expect(generations).toHaveLength(2);
    expect(generations[1]).toBeGreaterThan(generations[0] ?? Infinity);
  });

  it('keeps sound that still flows when only the socket was lost', async () => {
    await start();
    await connected();
    device.socketClosed();
    device.socketOpened(true);
    await settle();
    expect(offers()).toHaveLength(1);
    expect(device.view().link).toBe('ready');
  });

  it('goes by the relays that the server named last', async () => {
    await start();
    expect(last().configuration).toMatchObject({ iceServers: [], iceTransportPolicy: 'all' });
    const servers = [{ urls: ['turn:relay.example'], username: '1:me', credential: 'x' }];
    device.waysAre({ servers, relayOnly: true });
    device.socketOpened(false);
    await settle();
    expect(last().configuration).toMatchObject({ iceServers: servers, iceTransportPolicy: 'relay' });
  });

  it('connects anew after its network was gone, although the server still counts on it', async () => {
    await start();
    await connected();
    const former = last();
    dispatchEvent(new Event('offline'));
    expect([former.connectionState, device.view().link]).toEqual(['closed', 'lost']);
    device.socketClosed();
    device.socketOpened(true);
    await settle();
    expect(offers()).toHaveLength(2);
    await connected();
    expect(device.view().link).toBe('ready');
  });

  it('gives a connection that is silent two seconds to heal', async () => {
    await start();
    await connected();
    last().become('disconnected');
    await vi.advanceTimersByTimeAsync(1900);
    last().become('connected');
    await vi.advanceTimersByTimeAsync(5000);
    expect(offers()).toHaveLength(1);
    last().become('disconnected');
    await vi.advanceTimersByTimeAsync(2600);
    expect(offers()).toHaveLength(2);
  });

  it('connects anew when the server forgot it', async () => {
    await start();
    await connected();
    device.socketClosed();
    device.socketOpened(false);
    await settle();
    expect(offers()).toHaveLength(2);
  });

  it('stays away from calls while the microphone is blocked, and listens only if told to', async () => {
    getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    vi.stubGlobal(
      'AudioContext',
      class {
        createMediaStreamDestination = () => ({ stream: { getAudioTracks: () => [track()] } });
        createConstantSource = () => ({ connect: (x: unknown) => x, start() {} });
        createGain = () => ({ gain: { value: 1 }, connect: (x: unknown) => x });
        resume = async () => {};
      },
    );
    await start();
    expect(offers()).toHaveLength(0);
    expect(sent).toContainEqual({ type: 'preflight', microphone: 'denied' });
    await device.useListenOnly();
    await settle();
    expect(sent).toContainEqual({ type: 'preflight', microphone: 'listen_only' });
    expect(offers()).toHaveLength(1);
  });

  it('lets go when another machine leads, and leads again when that one is gone', async () => {
    await start();
    await connected();
    const first = last();
    device.serverSays('not_leading', null);
    await settle();
    expect(device.view().leading).toBe(false);
    expect(first.connectionState).toBe('closed');
    device.serverSays('not_leading', 'tab.lead_free');
    await settle();
    expect(device.view().leading).toBe(true);
    expect(offers()).toHaveLength(2);
  });

  it('opens the microphone only while somebody is there to hear it', async () => {
    const mine = track();
    getUserMedia = async () => ({ getAudioTracks: () => [mine] });
    await start();
    expect(mine.enabled).toBe(false);
    device.setSpeaking(true);
    expect(mine.enabled).toBe(true);
  });

  it('goes back to the chosen microphone when it is plugged in again, in mid-call, without a new connection', async () => {
    const named = (deviceId: string) => Object.assign(track(), { label: deviceId, getSettings: () => ({ deviceId }) });
    const asked: unknown[] = [];
    let plugged = ['headset', 'laptop'];
    const media = Object.assign(new EventTarget(), {
      getUserMedia: async (wish: { audio: { deviceId?: { ideal: string } } }) => {
        asked.push(wish.audio.deviceId?.ideal);
        const wanted = wish.audio.deviceId?.ideal;
        return { getAudioTracks: () => [named(wanted && plugged.includes(wanted) ? wanted : 'laptop')] };
      },
      enumerateDevices: async () => plugged.map((deviceId) => ({ kind: 'audioinput', deviceId, label: deviceId })),
    });
    Object.defineProperty(navigator, 'mediaDevices', { configurable: true, value: media });
    await start();
    await connected();
    await device.chooseSound({ microphone: 'headset' });
    expect(device.view()).toMatchObject({ microphone: 'ok', microphoneName: 'headset' });
    plugged = ['laptop'];
    await device.askMicrophone(); // as the end of its track makes it
    expect(device.view().microphoneName).toBe('laptop');
    media.dispatchEvent(new Event('devicechange'));
    await settle();
    expect(device.view().microphoneName).toBe('laptop');
    plugged = ['headset', 'laptop'];
    media.dispatchEvent(new Event('devicechange'));
    await settle();
    expect(device.view().microphoneName).toBe('headset');
    expect(offers()).toHaveLength(1);
    localStorage.removeItem('cordboard.sound');
  });
});
