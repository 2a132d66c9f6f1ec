// The one socket and the one device of a signed-in tab, and the hooks by which the pages read them.
import { useEffect, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { problemText } from '../api/client';
import type { Me } from '../api/session';
import { BrowserDevice, type DeviceView } from '../device/device';
import { tabId } from '../device/leader';
import { toast } from '../ui/toast';
import { type Command, type Connection, SocketClient } from './client';
import type { DeskView, Live, ServerMessage } from './reducer';

interface Session {
  socket: SocketClient;
  device: BrowserDevice | null;
}

let session: Session | null = null;
let starting = false;
const waiting = new Set<() => void>();

/** Once per page: signing out loads a fresh one. */
export async function startSession(me: Me): Promise<void> {
  if (session || starting) return;
  starting = true;
  const tab = await tabId();
  const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/socket`;
  const socket = new SocketClient(url, tab, me.agent ? ['desk'] : ['live']);
  const device = me.agent ? new BrowserDevice((m) => socket.send(m), `cordboard.device.${me.agent}`) : null;
  if (device) connectDevice(socket, device);
  session = { socket, device };
  socket.start();
  for (const l of waiting) l();
}

function connectDevice(socket: SocketClient, device: BrowserDevice): void {
  socket.onMessage((m: ServerMessage) => {
    switch (m.type) {
      case 'snapshot':
      case 'resumed':
        device.socketOpened();
        break;
      case 'device_answer':
        device.answered(m.generation, m.sdp);
        break;
      case 'device_refused':
        device.refused(m.generation, m.code);
        break;
      case 'device_state':
        device.serverSays(m.state, m.code ?? null);
        break;
      default:
    }
  });
  let was = socket.connection.state;
  socket.subscribe(() => {
    const is = socket.connection.state;
    if (was === 'open' && is !== 'open') device.socketClosed();
    was = is;
    const work = socket.floor.desk?.work ?? [];
    device.setSpeaking(work.some((w) => w.medium === 'voice' && w.state !== 'wrap_up' && !w.muted));
  });
}

function useSession(): Session | null {
  return useSyncExternalStore(
    (l) => {
      waiting.add(l);
      return () => waiting.delete(l);
    },
    () => session,
  );
}

const never = () => () => {};

function useFromSocket<T>(read: (s: SocketClient) => T, otherwise: T): T {
  const s = useSession();
  return useSyncExternalStore(s?.socket.subscribe ?? never, () => (s ? read(s.socket) : otherwise));
}

const notYet: Connection = { state: 'connecting', retryAt: null };

export function useConnection(): Connection {
  return useFromSocket((s) => s.connection, notYet);
}

export function useDesk(): DeskView | null {
  return useFromSocket((s) => s.floor.desk, null);
}

/** Follows the live board while mounted. */
export function useLive(): Live | null {
  const s = useSession();
  useEffect(() => s?.socket.follow('live'), [s]);
  return useFromSocket((x) => x.floor.live, null);
}

export function useDevice(): { view: DeviceView; device: BrowserDevice } | null {
  const s = useSession();
  const view = useSyncExternalStore(s?.device?.subscribe ?? never, () => s?.device?.view() ?? null);
  return s?.device && view ? { view, device: s.device } : null;
}

export function retryNow(): void {
  session?.socket.now();
}

/** Sends a command; a refusal is shown in words. Resolves to whether it was accepted. */
export function useCommand(): (command: Command) => Promise<boolean> {
  const { t, i18n } = useTranslation('common');
  return async (command) => {
    try {
      await (session?.socket.command(command) ?? Promise.reject(new Error('no session')));
      return true;
    } catch (e) {
      toast(problemText(e, i18n.language, t), 'bad');
      return false;
    }
  };
}

export function useServerMessage(listener: (m: ServerMessage) => void): void {
  const s = useSession();
  useEffect(() => s?.socket.onMessage(listener), [s, listener]);
}
