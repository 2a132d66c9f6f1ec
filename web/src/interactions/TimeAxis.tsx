// The marks of time above the rows of a chart.
import { clock } from '../ui/format';
import { tickStep } from './words';

/** `length` in ms. */
export function TimeAxis({ length }: { length: number }) {
  const step = tickStep(length);
  const ticks = Array.from({ length: Math.floor(length / step) + 1 }, (_, i) => i * step);
  return (
    <div className="chart-axis">
      {ticks.map((x) => (
        <span key={x} style={{ left: `${(100 * x) / length}%` }}>
          {clock(x)}
        </span>
      ))}
    </div>
  );
}
