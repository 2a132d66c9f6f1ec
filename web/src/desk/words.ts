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
    case 'consulting':
    case 'watching':
      return 'talking';
    case 'held':
    case 'parked':
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

/** As people would say it: within the company there is nobody about whom one consults. */
export function shownState(w: Pick<DeskWork, 'state' | 'direction' | 'consult'>): Schemas['SegmentState'] {
  if (w.direction !== 'internal' || w.state !== 'consulting') return w.state;
  return w.consult && w.consult.state !== 'consulting' ? 'offered' : 'talking';
}

/** The call the strip acts on: the newest one past its offer and not in wrap-up. */
export function activeCall(work: readonly DeskWork[]): DeskWork | undefined {
  return work.findLast((w) => w.medium === 'voice' && ['connecting', 'talking', 'held', 'consulting', 'watching'].includes(w.state));
}

/** What can be asked of a call as it stands; the server refuses the rest. */
export function allowed(w: Pick<DeskWork, 'state' | 'direction' | 'consult' | 'others'>): Record<'mute' | 'hold' | 'digits' | 'transfer' | 'park' | 'hang_up', boolean> {
  const customer = w.state === 'talking' || w.state === 'held';
  const consulting = w.state === 'consulting';
  return {
    mute: customer || consulting,
    hold: customer,
    digits: w.state === 'talking' || consulting,
    transfer: customer && w.consult === null,
    park: customer && w.consult === null && w.others.length === 0,
    // The consultation is ended or completed first.
    hang_up: w.consult === null || w.direction === 'internal',
  };
}

/** Somebody else has to do with the call: the bar below the strip says who. */
export function inCompany(w: Pick<DeskWork, 'consult' | 'asked_by' | 'others' | 'watchers' | 'watching'>): boolean {
  return w.consult !== null || w.asked_by !== null || w.watching !== null || w.others.length > 0 || w.watchers.length > 0;
}

/** The customer waits: held, or while this agent consults somebody about him. */
export function onHold(w: Pick<DeskWork, 'state' | 'direction' | 'asked_by'>): boolean {
  return w.state === 'held' || (w.state === 'consulting' && w.asked_by === null && w.direction !== 'internal');
}

export function holdMs(w: Pick<DeskWork, 'state' | 'state_since_at' | 'direction' | 'hold_ms' | 'asked_by'>, now: number): number {
  return w.hold_ms + (onHold(w) ? Math.max(0, now - w.state_since_at) : 0);
}

export function talkMs(work: Pick<DeskWork, 'state' | 'state_since_at' | 'talk_ms'>, now: number): number {
  return work.talk_ms + (work.state === 'talking' ? Math.max(0, now - work.state_since_at) : 0);
}
