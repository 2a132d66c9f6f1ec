// Every number is a link to the interactions behind it; every head explains its number.
import { Tooltip } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useMe } from '../api/session';
import { dateTime } from '../ui/format';
import { behind, show, spelled, unitOf } from './columns';

export interface TableRow {
  key: string;
  from: number;
  to: number;
  id: string;
  name: string;
  figures: Record<string, number | null>;
}

interface Props {
  kind: 'queue' | 'agent';
  columns: readonly string[];
  rows: TableRow[];
  total: Record<string, number | null>;
  formulas: Schemas['Formula'][];
  span: { from: number; to: number; interval: string };
}

export function ReportTable({ kind, columns, rows, total, formulas, span }: Props) {
  const { t, i18n } = useTranslation('reports');
  const me = useMe();
  const unit = (metric: string) => unitOf(metric, formulas);
  const name = (metric: string) => t(`metric.${metric}`);
  const explain = (metric: string) => {
    const f = formulas.find((x) => x.metric === metric);
    return f ? spelled(f.formula, name) : t(`meaning.${metric}`);
  };
  const link = (metric: string, from: number, to: number, id: string | undefined) => ({
    from: String(from),
    to: String(to),
    [kind]: id,
    ...behind(metric),
  });
  return (
    <>
      <div className="card scroll-x" tabIndex={0}>
        <table className="grid" data-testid="report">
          <thead>
            <tr>
              <th>{t('interval')}</th>
              <th>{t(`who.${kind}`)}</th>
              {columns.map((c) => (
                <th key={c} className="num">
                  <Tooltip label={explain(c)} multiline maw={320}>
                    <span tabIndex={0} className="explained">
                      {name(c)}
                    </span>
                  </Tooltip>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.key}>
                <td>{dateTime(r.from, i18n.language, me.time_zone)}</td>
                <td>{r.name}</td>
                {columns.map((c) => (
                  <td key={c} className="num">
                    <Number_ value={r.figures[c] ?? null} unit={unit(c)} search={link(c, r.from, r.to, r.id)} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <td>{t('total')}</td>
              <td />
              {columns.map((c) => (
                <td key={c} className="num">
                  <strong>
                    <Number_ value={total[c] ?? null} unit={unit(c)} search={link(c, span.from, span.to, undefined)} />
                  </strong>
                </td>
              ))}
            </tr>
          </tfoot>
        </table>
      </div>
      <details className="card">
        <summary className="card-head">
          <h2>{t('formulas')}</h2>
        </summary>
        <dl className="facts card-body">
          {columns.map((c) => (
            <div key={c} style={{ display: 'contents' }}>
              <dt>{name(c)}</dt>
              <dd>{explain(c)}</dd>
            </div>
          ))}
        </dl>
      </details>
    </>
  );
}

function Number_({ value, unit, search }: { value: number | null; unit: string; search: Record<string, string | undefined> }) {
  const text = show(value, unit);
  if (value === null || value === 0) return <>{text}</>;
  return (
    <Link to="/interactions" search={search}>
      {text}
    </Link>
  );
}
