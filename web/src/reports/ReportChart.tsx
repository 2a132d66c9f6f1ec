// Volume over time, summed over the rows of one interval: offered and answered by queue, handled by agent.
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useMe } from '../api/session';
import { toLocal } from '../ui/format';
import type { TableRow } from './ReportTable';

const queueMetrics = ['offered', 'answered', 'abandoned'];
const agentMetrics = ['offers', 'handled', 'offers_missed'];

/** The day at midnight, the time of day otherwise. */
function axisLabel(local: string): string {
  return local.endsWith('T00:00') ? local.slice(5, 10) : local.slice(11);
}

export function ReportChart({ kind, rows }: { kind: 'queue' | 'agent'; rows: TableRow[] }) {
  const { t } = useTranslation('reports');
  const me = useMe();
  const scheme = useComputedColorScheme();
  const box = useRef<HTMLDivElement>(null);
  const metrics = kind === 'queue' ? queueMetrics : agentMetrics;
  const names = metrics.map((m) => t(`metric.${m}`));
  const key = JSON.stringify([names, scheme]);

  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const times = [...new Set(rows.map((r) => r.from))].sort((a, b) => a - b);
    const series = metrics.map((m) => times.map((at) => rows.filter((r) => r.from === at).reduce((sum, r) => sum + (r.figures[m] ?? 0), 0)));
    const axis = { stroke: colour('--mantine-color-dimmed'), grid: { stroke: colour('--cb-line'), width: 1 }, ticks: { stroke: colour('--cb-line') } };
    const colours = ['--cb-away', '--cb-accent', '--cb-danger'];
    const plot = new uPlot(
      {
        width: el.clientWidth,
        height: 180,
        tzDate: (s) => uPlot.tzDate(new Date(s * 1000), me.time_zone),
        legend: { live: true },
        axes: [{ ...axis, values: (_u, splits) => splits.map((s) => axisLabel(toLocal(s * 1000, me.time_zone))) }, { ...axis, size: 44 }],
        scales: { y: { range: (_u, _min, max) => [0, Math.max(4, max * 1.1)] } },
        series: [{ label: t('interval'), value: '{YYYY}-{MM}-{DD} {HH}:{mm}' }, ...metrics.map((_, i) => ({ label: JSON.parse(key)[0][i] as string, stroke: colour(colours[i] ?? '--cb-accent'), width: 2, points: { show: times.length < 40 } }))],
      },
      [times.map((x) => x / 1000), ...series],
      el,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: 180 }));
    watch.observe(el);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [rows, metrics, key, me.time_zone]);

  return (
    <figure className="card card-body" aria-label={t('chart', { what: names.join(', ') })}>
      <div ref={box} />
    </figure>
  );
}
