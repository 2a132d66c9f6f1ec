// The microphone, or a silent track in its place: without one the agent can still listen, and the desk says so.

export type MicrophoneState = 'asking' | 'ok' | 'denied' | 'missing' | 'insecure' | 'listen_only';

export interface Microphone {
  state: MicrophoneState;
  track: MediaStreamTrack;
}

let silence: { context: AudioContext; track: MediaStreamTrack } | undefined;

/** A track that carries silence, so that the connection is the same with and without a microphone. */
export function silentTrack(): MediaStreamTrack {
  if (!silence || silence.track.readyState === 'ended') {
    const context = new AudioContext();
    const out = context.createMediaStreamDestination();
    const source = context.createConstantSource();
    const gain = context.createGain();
    gain.gain.value = 0;
    source.connect(gain).connect(out);
    source.start();
    const track = out.stream.getAudioTracks()[0];
    if (!track) throw new Error('no silent track');
    silence = { context, track };
    // A context made before any gesture sleeps; the first gesture wakes it.
    const wake = () => void context.resume();
    addEventListener('pointerdown', wake, { once: true });
    addEventListener('keydown', wake, { once: true });
  }
  return silence.track;
}

/** Asks for the microphone, for this one if it is there. Never throws: what is wrong is in `state`. */
export async function openMicrophone(wanted?: string): Promise<Microphone> {
  if (!navigator.mediaDevices?.getUserMedia) return { state: 'insecure', track: silentTrack() };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1, ...(wanted ? { deviceId: { ideal: wanted } } : {}) },
    });
    const track = stream.getAudioTracks()[0];
    return track ? { state: 'ok', track } : { state: 'missing', track: silentTrack() };
  } catch (e) {
    const name = e instanceof DOMException ? e.name : '';
    return { state: name === 'NotAllowedError' || name === 'SecurityError' ? 'denied' : 'missing', track: silentTrack() };
  }
}
