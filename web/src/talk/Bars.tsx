// One to three bars, as telephones show their signal; the word beside them says the same.
import type { Quality } from './quality';
import './quality.css';

const BARS = { poor: 1, fair: 2, good: 3 } as const;

export function Bars({ grade }: { grade: Quality['grade'] }) {
  return (
    <svg className="quality-bars" viewBox="0 0 16 14" width={16} height={14} aria-hidden focusable="false">
      {[1, 2, 3].map((n) => (
        <rect key={n} x={(n - 1) * 6} y={14 - n * 4 - 2} width={4} height={n * 4 + 2} rx={1} opacity={n <= BARS[grade] ? 1 : 0.3} />
      ))}
    </svg>
  );
}
