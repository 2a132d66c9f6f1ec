// Draws two channels of peaks, the gaps as hatched bands, and the place of the needle.
import type { Schemas } from '../api/client';

export function drawWave(canvas: HTMLCanvasElement, peaks: Schemas['Peaks'], gaps: readonly Schemas['Gap'][], at: number): void {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (width === 0 || height === 0) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const g = canvas.getContext('2d');
  if (!g) return;
  g.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const length = Math.max(1, peaks.length_ms);
  const x = (ms: number) => (ms / length) * width;

  g.fillStyle = colour('--cb-hover');
  g.fillRect(0, 0, width, height);
  g.strokeStyle = colour('--cb-wrapup');
  g.globalAlpha = 0.35;
  for (const gap of gaps) {
    g.save();
    g.beginPath();
    g.rect(x(gap.from_ms), 0, Math.max(1, x(gap.to_ms) - x(gap.from_ms)), height);
    g.clip();
    for (let i = x(gap.from_ms) - height; i < x(gap.to_ms); i += 6) {
      g.beginPath();
      g.moveTo(i, height);
      g.lineTo(i + height, 0);
      g.stroke();
    }
    g.restore();
  }
  g.globalAlpha = 1;
  channel(peaks.left, height / 4, colour('--cb-accent'));
  channel(peaks.right, (3 * height) / 4, colour('--cb-talking'));
  g.fillStyle = colour('--cb-line');
  g.fillRect(0, height / 2, width, 1);
  g.fillStyle = colour('--cb-danger');
  g.fillRect(Math.min(width - 1, x(at)), 0, 1.5, height);

  function channel(list: Schemas['Peaks']['left'], middle: number, fill: string): void {
    if (!g) return;
    g.fillStyle = fill;
    const scale = height / 4 - 2;
    // One column a pixel: the loudest of the peaks that fall into it.
    for (let px = 0; px < width; px++) {
      const from = Math.floor(((px / width) * length) / peaks.step_ms);
      const to = Math.max(from + 1, Math.floor((((px + 1) / width) * length) / peaks.step_ms));
      let min = 0;
      let max = 0;
      for (let i = from; i < to && i < list.length; i++) {
        min = Math.min(min, list[i]?.min ?? 0);
        max = Math.max(max, list[i]?.max ?? 0);
      }
      g.fillRect(px, middle - max * scale, 1, Math.max(0.75, (max - min) * scale));
    }
  }
}
