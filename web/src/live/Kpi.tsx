import type { ReactNode } from 'react';

/** One key figure with its name. */
export function Kpi({ name, tone, children }: { name: string; tone?: 'danger'; children: ReactNode }) {
  return (
    <div className="card kpi" data-tone={tone}>
      <span className="dim small">{name}</span>
      <strong className="num">{children}</strong>
    </div>
  );
}
