// One peer connection to the server: audio both ways, G.711 before Opus (the server then need not transcode),
// complete candidates in the offer (the server is ICE-lite and answers with its own).

export interface PeerEvents {
  /** ICE and DTLS stand. */
  connected(): void;
  /** They failed, or were interrupted for longer than `PATIENCE_MS`. */
  failed(): void;
  /** The server's sound. */
  stream(stream: MediaStream): void;
}

/** How the server may be reached, as it says itself: through which relays (with an account), and whether through these alone. */
export interface Ways {
  servers: readonly RTCIceServer[];
  relayOnly: boolean;
}

/** The server's `ice` message. */
export function waysOf(m: { servers: readonly { urls: string[]; username: string | null; credential: string | null }[]; relay_only: boolean }): Ways {
  const servers = m.servers.map((s) => ({ urls: s.urls, ...(s.username !== null && s.credential !== null ? { username: s.username, credential: s.credential } : {}) }));
  return { servers, relayOnly: m.relay_only };
}

export const straight: Ways = { servers: [], relayOnly: false };

// Nothing was heard for some seconds when this begins. What ICE has not healed after it, a new connection does within a second.
const PATIENCE_MS = 2000;
// Host candidates come at once; a resolver or a relay that does not answer must not hold up the offer. What comes later is
// used all the same: the server (ICE-lite) learns of it by the browser's own checks.
const GATHER_MS = 1000;
const ORDER = ['audio/pcmu', 'audio/pcma', 'audio/g722', 'audio/opus'];

export function preferred<T extends { mimeType: string }>(codecs: readonly T[]): T[] {
  const rank = (c: T) => {
    const i = ORDER.indexOf(c.mimeType.toLowerCase());
    return i < 0 ? ORDER.length : i;
  };
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}

export class Peer {
  readonly pc: RTCPeerConnection;
  private readonly sender: RTCRtpSender;
  private patience: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    readonly generation: number,
    track: MediaStreamTrack,
    ways: Ways,
    private readonly events: PeerEvents,
  ) {
    this.pc = new RTCPeerConnection({
      bundlePolicy: 'max-bundle',
      rtcpMuxPolicy: 'require',
      iceServers: [...ways.servers],
      iceTransportPolicy: ways.relayOnly ? 'relay' : 'all',
    });
    const transceiver = this.pc.addTransceiver(track, { direction: 'sendrecv', streams: [new MediaStream([track])] });
    this.sender = transceiver.sender;
    const codecs = RTCRtpReceiver.getCapabilities?.('audio')?.codecs;
    if (codecs && transceiver.setCodecPreferences) transceiver.setCodecPreferences(preferred(codecs));
    this.pc.addEventListener('track', (e) => events.stream(e.streams[0] ?? new MediaStream([e.track])));
    this.pc.addEventListener('connectionstatechange', () => this.changed());
  }

  async offer(): Promise<string> {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    await gathered(this.pc);
    return this.pc.localDescription?.sdp ?? '';
  }

  async answer(sdp: string): Promise<void> {
    if (!this.closed) await this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  async useTrack(track: MediaStreamTrack): Promise<void> {
    await this.sender.replaceTrack(track);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.patience);
    this.pc.close();
  }

  private changed(): void {
    if (this.closed) return;
    clearTimeout(this.patience);
    switch (this.pc.connectionState) {
      case 'connected':
        this.events.connected();
        break;
      case 'failed':
        this.events.failed();
        break;
      case 'disconnected':
        this.patience = setTimeout(() => this.events.failed(), PATIENCE_MS);
        break;
      default:
    }
  }
}

function gathered(pc: RTCPeerConnection): Promise<void> {
  if (pc.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, GATHER_MS);
    pc.addEventListener('icegatheringstatechange', () => {
      if (pc.iceGatheringState === 'complete') {
        clearTimeout(timer);
        done();
      }
    });
  });
}
