// How each leg sounded, slice by slice, on the time axis of the segments; lines mark where it changed who hears whom.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { Bars } from '../talk/Bars';
import { percent } from '../talk/quality';
import { clock } from '../ui/format';
import { useLegName } from './names';
import { TimeAxis } from './TimeAxis';
import { edits, place, qualitySlices } from './words';

type Judged = Schemas['Leg'] & { stats: Schemas['LegStats'] & { quality: Schemas['LegQuality'] } };

export function QualityChart({ detail }: { detail: Schemas['InteractionDetail'] }) {
  const { t } = useTranslation('interactions');
  const name = useLegName(detail);
  const legs = detail.legs.filter((l): l is Judged => Boolean(l.stats?.quality));
  if (legs.length === 0) return null;
  const start = detail.summary.started_at;
  const end = Math.max(start + 1000, detail.summary.ended_at ?? 0, ...detail.legs.map((l) => l.ended_at ?? 0));
  const changes = edits(detail.segments, start, end);
  const figures = (q: Schemas['Quality']) =>
    t('quality.figures', { mos: q.mos.toFixed(1), in: percent(q.lost_in), out: percent(q.lost_out), jitter: q.jitter_ms, trip: q.round_trip_ms ?? '–' });
  return (
    <section className="card" aria-label={t('quality.title')} data-testid="quality-chart">
      <div className="card-head">
        <h2>{t('quality.title')}</h2>
        <span className="grow" />
        <ul className="legend" aria-hidden>
          {(['good', 'fair', 'poor'] as const).map((g) => (
            <li key={g} data-grade={g}>
              {t(`quality.grade.${g}`, { ns: 'talk' })}
            </li>
          ))}
        </ul>
      </div>
      <div className="chart" aria-hidden>
        <TimeAxis length={end - start} />
        {legs.map((l) => (
          <div key={l.id} className="chart-row quality-row">
            <span className="cut" title={name(l.id)}>
              {name(l.id)}
            </span>
            <svg className="quality-track" viewBox="0 0 100 40" preserveAspectRatio="none">
              {qualitySlices(l.stats.quality, l.answered_at ?? l.started_at, l.ended_at ?? end).map((s) => {
                const p = place(s.from, s.to, start, end);
                const height = ((s.quality.mos - 1) / 3.41) * 38 + 2;
                return (
                  <rect key={s.from} x={p.left} y={40 - height} width={p.width} height={height} data-grade={s.quality.grade}>
                    <title>{`${clock(s.from - start)} ${figures(s.quality)}`}</title>
                  </rect>
                );
              })}
              {changes.map((at) => (
                <line key={at} x1={(100 * (at - start)) / (end - start)} x2={(100 * (at - start)) / (end - start)} y1={0} y2={40} />
              ))}
            </svg>
          </div>
        ))}
      </div>
      <div className="scroll-x" tabIndex={0}>
        <table className="grid">
          <thead>
            <tr>
              <th>{t('legs.role')}</th>
              <th>{t('quality.grade_head')}</th>
              <th className="num">{t('quality.mean')}</th>
              <th className="num">{t('quality.worst')}</th>
              <th className="num">{t('quality.lost_in')}</th>
              <th className="num">{t('quality.lost_out')}</th>
              <th className="num">{t('quality.jitter')}</th>
              <th className="num">{t('quality.round_trip')}</th>
            </tr>
          </thead>
          <tbody>
            {legs.map(({ id, stats: { quality: q } }) => (
              <tr key={id}>
                <td>{name(id)}</td>
                <td>
                  <span className="quality-grade" data-grade={q.whole.grade}>
                    <Bars grade={q.whole.grade} /> {t(`quality.grade.${q.whole.grade}`, { ns: 'talk' })}
                  </span>
                </td>
                <td className="num">{q.whole.mos.toFixed(2)}</td>
                <td className="num">{q.mos_min.toFixed(2)}</td>
                <td className="num">{percent(q.whole.lost_in)}</td>
                <td className="num">{percent(q.whole.lost_out)}</td>
                <td className="num">{`${q.whole.jitter_ms} ms`}</td>
                <td className="num">{q.whole.round_trip_ms === null || q.whole.round_trip_ms === undefined ? '–' : `${q.whole.round_trip_ms} ms`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
