// What the desk calls things: presence, occupancy, addresses, states, and the device with its remedy.
import type { Schemas } from '../api/client';
import type { Connection } from '../socket/client';
import type { DeviceView } from '../device/device';

export type Tone = 'ready' | 'talking' | 'wrapup' | 'away' | 'danger';
export type DeskView = Schemas['DeskView'];
export type DeskWork = Schemas['DeskWork'];
export type DeskOffer = Schemas['DeskOffer'];

/** One word for what the agent is doing now, with the time since when: work before choice. */
export function activity(desk: Pick<DeskView, 'presence' | 'presence_since_at' | 'occupancy' | 'occupancy_since_at'>): {
  key: string;
  tone: Tone;
  since: number;
} {
  switch (desk.occupancy) {
    case 'busy':
      return { key: 'busy', tone: 'talking', since: desk.occupancy_since_at };
    case 'wrap_up':
      return { key: 'wrap_up', tone: 'wrapup', since: desk.occupancy_since_at };
    case 'offered':
      return { key: 'offered', tone: 'talking', since: desk.occupancy_since_at };
    case 'idle':
      break;
  }
  switch (desk.presence.state) {
    case 'available':
      return { key: 'available', tone: 'ready', since: Math.max(desk.presence_since_at, desk.occupancy_since_at) };
    case 'break':
      return { key: 'break', tone: 'away', since: desk.presence_since_at };
    case 'offline':
      return { key: 'offline', tone: 'away', since: desk.presence_since_at };
  }
}

export function stateTone(state: Schemas['SegmentState']): Tone {
  switch (state) {
    case 'talking':
    case 'offered':
    case 'connecting':
      return 'talking';
    case 'held':
    case 'wrap_up':
      return 'wrapup';
    case 'running':
    case 'voicemail':
    case 'echo':
    case 'waiting':
      return 'away';
  }
}

/** `null` when all is well; else a key below `device.` with the remedy a person can try. */
export function deviceTrouble(
  desk: Pick<DeskView, 'device'> | null,
  view: DeviceView | null,
  connection: Connection,
): { key: string; remedy: 'lead' | 'microphone' | 'unlock' | null; severe: boolean } | null {
  // A phone as the device: the tab needs nothing, only the phone's registration matters.
  if (desk?.device && desk.device.kind !== 'browser') {
    return desk.device.ready ? null : { key: 'phone_lost', remedy: null, severe: true };
  }
  if (!view) return null;
  if (connection.state !== 'open') return { key: 'offline', remedy: null, severe: true };
  if (!view.leading) return { key: 'not_leading', remedy: 'lead', severe: true };
  if (view.microphone === 'asking') return { key: 'asking', remedy: null, severe: false };
  if (view.microphone === 'denied') return { key: 'denied', remedy: 'microphone', severe: true };
  if (view.link === 'lost' || view.link === 'refused') {
    return { key: view.code === 'device.ice_failed' ? 'ice_failed' : view.code === 'device.no_webrtc' ? 'no_webrtc' : 'lost', remedy: null, severe: true };
  }
  if (view.link !== 'ready') return { key: 'connecting', remedy: null, severe: false };
  if (view.soundBlocked) return { key: 'sound_blocked', remedy: 'unlock', severe: true };
  if (view.microphone === 'listen_only') {
    return { key: view.code === 'microphone.insecure' ? 'insecure' : 'listen_only', remedy: 'microphone', severe: false };
  }
  return null;
}

export function talkMs(work: Pick<DeskWork, 'state' | 'state_since_at' | 'talk_ms'>, now: number): number {
  return work.talk_ms + (work.state === 'talking' ? Math.max(0, now - work.state_since_at) : 0);
}
