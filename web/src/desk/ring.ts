// The ring tone, made here: two soft notes every three seconds. Silent where the browser allows no sound yet.
import { soundChoice, soundTo } from '../device/sound';

let context: AudioContext | undefined;

export function ring(): () => void {
  let timer: ReturnType<typeof setInterval> | undefined;
  try {
    context ??= new AudioContext();
    const c = context;
    void soundTo(c as { setSinkId?: (id: string) => Promise<void> }, soundChoice().bell);
    void c.resume();
    const once = () => {
      if (c.state !== 'running') return;
      for (const [at, hz] of [
        [0, 660],
        [0.4, 880],
      ] as const) {
        const tone = c.createOscillator();
        const gain = c.createGain();
        tone.frequency.value = hz;
        const start = c.currentTime + at;
        gain.gain.setValueAtTime(0, start);
        gain.gain.linearRampToValueAtTime(0.08, start + 0.03);
        gain.gain.exponentialRampToValueAtTime(0.001, start + 0.35);
        tone.connect(gain).connect(c.destination);
        tone.start(start);
        tone.stop(start + 0.36);
      }
    };
    once();
    timer = setInterval(once, 3000);
  } catch {
    // No sound device: the banner and the title still ring.
  }
  return () => clearInterval(timer);
}
