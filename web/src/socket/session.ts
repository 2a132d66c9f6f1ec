// The one socket and the one device of a signed-in tab, and the hooks by which the pages read them.
import { useSyncExternalStore } from 'react';
import i18next from 'i18next';
import { useTranslation } from 'react-i18next';
import { problemText, type Schemas } from '../api/client';
import type { Me } from '../api/session';
import { BrowserDevice, type DeviceView } from '../device/device';
import { tabId } from '../device/leader';
import { waysOf } from '../device/peer';
import { pick } from '../i18n/localized';
import { toast } from '../ui/toast';
import { type Command, type Connection, SocketClient, type Topic } from './client';
import type { DeskView, Live, Mail, ServerMessage } from './reducer';

interface Session {
  socket: SocketClient;
  device: BrowserDevice | null;
}

const t = i18next.t.bind(i18next);

let session: Session | null = null;
let starting = false;
const waiting = new Set<() => void>();

/** Once per page: signing out loads a fresh one. */
export async function startSession(me: Me): Promise<void> {
  if (session || starting) return;
  starting = true;
  const tab = await tabId();
  const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/socket`;
  // The board is followed from the start: another `hello` on an open socket is not part of the protocol.
  const topics: Topic[] = [...(me.agent ? (['desk'] as const) : []), ...(me.actions.includes('live.view') ? (['live'] as const) : []), ...(me.actions.includes('voicemail.use') ? (['voicemail'] as const) : [])];
  const socket = new SocketClient(url, tab, topics);
  const device = me.agent ? new BrowserDevice((m) => socket.send(m), `cordboard.device.${me.agent}`) : null;
  if (device) connectDevice(socket, device);
  session = { socket, device };
  socket.onMessage(tellPerson);
  tellOfMail(socket);
  socket.start();
  for (const l of waiting) l();
}

/** Words of the server that belong to no command of ours. */
function tellPerson(m: ServerMessage): void {
  if (m.type === 'notice') toast(pick(m.message, i18next.language));
  else if (m.type === 'error' && !m.id && m.code !== 'tab.not_leading') toast(pick(m.message, i18next.language), 'bad');
}

/** A message that was left while the page is open; those that lay there before are told by the badge alone. */
function tellOfMail(socket: SocketClient): void {
  let before: Mail | null = null;
  socket.onMessage((m) => {
    if (m.type !== 'voicemail') return;
    const now = socket.floor.mail;
    const another = before !== null && (now?.newest_at ?? 0) > (before.newest_at ?? 0);
    mailChanged();
    if (another) void import('../voicemail/notify').then((n) => n.newMessage());
    before = { unheard: now?.unheard ?? 0, newest_at: Math.max(now?.newest_at ?? 0, before?.newest_at ?? 0) };
  });
}

const mailListeners = new Set<() => void>();

function mailChanged(): void {
  for (const l of mailListeners) l();
}

/** Something has become of some message: lists look again. */
export function onMail(listener: () => void): () => void {
  mailListeners.add(listener);
  return () => mailListeners.delete(listener);
}

function connectDevice(socket: SocketClient, device: BrowserDevice): void {
  socket.onMessage((m: ServerMessage) => {
    switch (m.type) {
      case 'ice':
        device.waysAre(waysOf(m));
        break;
      case 'snapshot':
        device.socketOpened(m.desk?.device?.kind === 'browser' && m.desk.device.ready);
        break;
      case 'resumed':
        device.socketOpened(socket.floor.desk?.device?.kind === 'browser' && socket.floor.desk.device.ready);
        break;
      case 'error':
        if (m.code === 'tab.not_leading' && !m.id) device.serverSays('not_leading', null);
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
  let microphone = '';
  device.subscribe(() => {
    const { microphone: state, microphoneName: name } = device.view();
    if (state === 'asking' || name === microphone) return;
    // Plugged in or out while somebody may be talking: which one listens is worth a word.
    if (microphone && state === 'ok') toast(t('device.microphone_now', { ns: 'common', name }));
    else if (microphone) toast(t('device.microphone_gone', { ns: 'common' }), 'bad');
    microphone = name;
  });
  let was = socket.connection.state;
  socket.subscribe(() => {
    const is = socket.connection.state;
    if (was === 'open' && is !== 'open') device.socketClosed();
    was = is;
    const work = socket.floor.desk?.work ?? [];
    device.setSpeaking(work.some((w) => w.medium === 'voice' && w.state !== 'wrap_up' && !w.muted && w.watching?.mode !== 'monitor'));
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

const none: readonly Schemas['CallQuality'][] = [];
const notYet: Connection = { state: 'connecting', retryAt: null };

export function useConnection(): Connection {
  return useFromSocket((s) => s.connection, notYet);
}

export function useDesk(): DeskView | null {
  return useFromSocket((s) => s.floor.desk, null);
}

/** How a conversation of this desk sounds; null as long as it is not known. */
export function useQuality(segment: string | undefined): Schemas['CallQuality'] | null {
  const calls = useFromSocket((s) => s.floor.quality, none);
  return calls.find((c) => c.segment === segment) ?? null;
}

export function useMail(): Mail | null {
  return useFromSocket((s) => s.floor.mail, null);
}

export function useLive(): Live | null {
  return useFromSocket((x) => x.floor.live, null);
}

export function useDevice(): { view: DeviceView; device: BrowserDevice } | null {
  const s = useSession();
  const view = useSyncExternalStore(s?.device?.subscribe ?? never, () => s?.device?.view() ?? null);
  return s?.device && view ? { view, device: s.device } : null;
}

/** A tab that does not lead shows everything and changes nothing: the server would refuse its commands. */
export function useReadOnly(): boolean {
  const device = useDevice();
  return device !== null && !device.view.leading;
}

export function retryNow(): void {
  session?.socket.now();
}

/** Sends a command; rejects with the refusal, for whoever shows it in its own place. */
export function sendCommand(command: Command): Promise<void> {
  return session?.socket.command(command) ?? Promise.reject(new Error('no session'));
}

/** Sends a command; a refusal is shown in words. Resolves to whether it was accepted. */
export function useCommand(): (command: Command) => Promise<boolean> {
  const { t, i18n } = useTranslation('common');
  return async (command) => {
    try {
      await sendCommand(command);
      return true;
    } catch (e) {
      toast(problemText(e, i18n.language, t), 'bad');
      return false;
    }
  };
}
