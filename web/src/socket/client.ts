// The socket to the server: says hello with the last sequence number seen, resumes, waits longer after each failure,
// and matches commands with their acknowledgements. The state it keeps is `reduce` over the messages.
import { ApiError, type Schemas } from '../api/client';
import { setServerTime } from '../ui/clock';
import { type Floor, nothing, reduce, type ServerMessage } from './reducer';

export type ClientMessage = Schemas['ClientMessage'];
export type Command = Schemas['Command'];
export type Topic = Schemas['Topic'];

/** `open`: greeted and current. `waiting`: lost, the next try is at `retryAt`. */
export interface Connection {
  state: 'connecting' | 'open' | 'waiting' | 'signed_out';
  retryAt: number | null;
}

interface Pending {
  resolve(): void;
  reject(e: ApiError): void;
  timer: ReturnType<typeof setTimeout>;
}

const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
// A half-open connection shows within two pings.
const PING_MS = 10_000;
const SILENCE_MS = 25_000;
const COMMAND_MS = 10_000;
const NOT_SIGNED_IN = 4401;

export function backoff(tries: number, random: number): number {
  const base = BACKOFF_MS[Math.min(tries, BACKOFF_MS.length - 1)] ?? 8000;
  return Math.round(base * (0.75 + random * 0.5)); // spread, so that a restart is not met by every tab at once
}

export class SocketClient {
  floor: Floor = nothing;
  connection: Connection = { state: 'connecting', retryAt: null };
  private socket: WebSocket | undefined;
  private readonly pending = new Map<string, Pending>();
  private readonly changed = new Set<() => void>();
  private readonly heard = new Set<(m: ServerMessage) => void>();
  private tries = 0;
  private next = 1;
  private lastHeard = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private pings: ReturnType<typeof setInterval> | undefined;
  private stopped = false;

  constructor(
    private readonly url: string,
    private readonly tab: string,
    private readonly topics: readonly Topic[],
  ) {}

  start(): void {
    this.stopped = false;
    addEventListener('online', this.now);
    addEventListener('offline', this.cut);
    this.open();
  }

  stop(): void {
    this.stopped = true;
    removeEventListener('online', this.now);
    removeEventListener('offline', this.cut);
    clearTimeout(this.retry);
    clearInterval(this.pings);
    this.socket?.close(1000);
  }

  subscribe = (listener: () => void): (() => void) => {
    this.changed.add(listener);
    return () => this.changed.delete(listener);
  };

  onMessage(listener: (m: ServerMessage) => void): () => void {
    this.heard.add(listener);
    return () => this.heard.delete(listener);
  }

  send(message: ClientMessage): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Resolves once the server has made the command durable; rejects with its refusal. */
  command(command: Command): Promise<void> {
    const id = `c${this.next++}`;
    return new Promise((resolve, reject) => {
      if (this.connection.state !== 'open' || !this.send({ type: 'command', id, command })) {
        reject(new ApiError(0, 'network.unreachable'));
        return;
      }
      const timer = setTimeout(() => this.settle(id, new ApiError(0, 'network.unreachable')), COMMAND_MS);
      this.pending.set(id, { resolve, reject, timer });
    });
  }

  /** The person pressed "try now", or the network came back. */
  readonly now = () => {
    if (this.connection.state !== 'waiting') return;
    clearTimeout(this.retry);
    this.open();
  };

  /** The browser has lost its network: a connection over it would only be silent for a while. */
  private readonly cut = () => {
    if (this.socket) this.lost(this.socket);
  };

  private open(): void {
    if (this.stopped) return;
    this.set({ state: 'connecting', retryAt: null });
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.lastHeard = Date.now();
      this.hello();
      clearInterval(this.pings);
      this.pings = setInterval(() => {
        if (Date.now() - this.lastHeard > SILENCE_MS) this.lost(socket);
        else this.send({ type: 'ping' });
      }, PING_MS);
    };
    socket.onmessage = (e: MessageEvent<string>) => {
      if (this.socket !== socket) return;
      this.lastHeard = Date.now();
      let message: ServerMessage;
      try {
        message = JSON.parse(e.data) as ServerMessage;
      } catch {
        return; // not ours
      }
      this.take(message);
    };
    socket.onclose = (e) => {
      if (this.socket !== socket) return;
      // The session is over: trying again cannot help.
      if (e.code === NOT_SIGNED_IN) {
        this.stopped = true;
        clearInterval(this.pings);
        this.set({ state: 'signed_out', retryAt: null });
      } else {
        this.lost(socket);
      }
    };
  }

  private hello(): void {
    const { epoch, seq } = this.floor;
    const resume = epoch !== null;
    this.send({
      type: 'hello',
      tab: this.tab,
      ...(resume ? { epoch, last_seq: seq } : {}),
      subscribe: [...this.topics],
    });
  }

  private take(message: ServerMessage): void {
    switch (message.type) {
      case 'ack':
        this.settle(message.id, null);
        return;
      case 'error': {
        const error = new ApiError(400, message.code, { code: message.code, message: message.message, fields: [], request_id: '' });
        if (message.id) this.settle(message.id, error);
        break;
      }
      case 'snapshot':
      case 'resumed':
        setServerTime(message.now);
        this.tries = 0;
        break;
      case 'pong':
        setServerTime(message.now);
        return;
      default:
    }
    const before = this.floor;
    this.floor = reduce(before, message);
    const greeted = message.type === 'snapshot' || message.type === 'resumed';
    if (greeted) this.set({ state: 'open', retryAt: null });
    else if (this.floor !== before) this.tell();
    for (const l of this.heard) l(message);
  }

  private lost(socket: WebSocket): void {
    if (this.socket !== socket) return;
    this.socket = undefined;
    socket.close();
    clearInterval(this.pings);
    for (const id of [...this.pending.keys()]) this.settle(id, new ApiError(0, 'network.unreachable'));
    if (this.stopped) return;
    const wait = backoff(this.tries++, Math.random());
    this.set({ state: 'waiting', retryAt: Date.now() + wait });
    this.retry = setTimeout(() => this.open(), wait);
  }

  private settle(id: string, error: ApiError | null): void {
    const p = this.pending.get(id);
    if (!p) return;
    this.pending.delete(id);
    clearTimeout(p.timer);
    if (error) p.reject(error);
    else p.resolve();
  }

  private set(connection: Connection): void {
    this.connection = connection;
    this.tell();
  }

  private tell(): void {
    for (const l of this.changed) l();
  }
}
