// Running clocks. Hidden from screen readers' live output: they would talk each second.
import { useNow } from './clock';
import { clock } from './format';

export function Elapsed({ since }: { since: number }) {
  return <span className="num">{clock(useNow() - since)}</span>;
}

export function Remaining({ until }: { until: number }) {
  return <span className="num">{clock(until - useNow() + 999)}</span>;
}
