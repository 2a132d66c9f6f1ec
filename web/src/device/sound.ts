// Which microphone, loudspeaker and bell this browser uses, and which of them are there. A choice is kept on this device
// and stands by while its device is unplugged: then the system's own is used until it is back.

export interface SoundChoice {
  /** Ids as `enumerateDevices` gives them; without one the system's choice. */
  microphone?: string;
  speaker?: string;
  bell?: string;
}

export interface SoundDevice {
  id: string;
  name: string;
}

const KEY = 'cordboard.sound';

export function soundChoice(): SoundChoice {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter(([, id]) => typeof id === 'string' && id !== ''));
  } catch {
    return {};
  }
}

export function keepSoundChoice(choice: SoundChoice): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(choice));
  } catch {
    // Kept for this visit only: the device has it.
  }
}

/** What is plugged in now. Names are empty until the microphone was allowed. */
export async function soundDevices(): Promise<{ microphones: SoundDevice[]; speakers: SoundDevice[] }> {
  const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  // The system's choice is its own entry of our lists.
  const of = (kind: MediaDeviceKind) =>
    all.filter((d) => d.kind === kind && d.deviceId !== '' && d.deviceId !== 'default' && d.deviceId !== 'communications').map((d) => ({ id: d.deviceId, name: d.label }));
  return { microphones: of('audioinput'), speakers: of('audiooutput') };
}

interface Sink {
  setSinkId?: (id: string) => Promise<void>;
}

export function canChooseSpeaker(): boolean {
  return typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;
}

/** Sends sound to a device, or to the system's if that one is not there (any more). */
export async function soundTo(sink: Sink, id: string | undefined): Promise<void> {
  if (!sink.setSinkId) return;
  try {
    await sink.setSinkId(id ?? '');
  } catch {
    if (id) await sink.setSinkId('').catch(() => {});
  }
}
