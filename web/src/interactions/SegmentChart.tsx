// The segments as bars on one time axis, each tiled by its states; the table below says the same in words.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useMe } from '../api/session';
import { useLocal } from '../i18n/localized';
import { useNow } from '../ui/clock';
import { span, timeOfDay } from '../ui/format';
import { useSegmentName } from './names';
import { TimeAxis } from './TimeAxis';
import { dialEnd, legend, place, type Segment } from './words';

export function SegmentChart({ detail }: { detail: Schemas['InteractionDetail'] }) {
  const { t, i18n } = useTranslation('interactions');
  const me = useMe();
  const name = useSegmentName();
  const local = useLocal();
  const now = useNow();
  const start = detail.summary.started_at;
  const end = Math.max(start + 1000, detail.summary.ended_at ?? now, ...detail.segments.map((s) => s.ended_at ?? now));
  // What an unanswered call of our own ends by sounds wrong in the words of an offer.
  const ended = ({ start, end }: Pick<Segment, 'start' | 'end'>) => {
    const calledOut = start === 'dial' ? dialEnd(end) : null;
    return calledOut ? t(`dial_end.${calledOut}`) : t(`segment_end.${end?.replace('.', '_')}`);
  };
  return (
    <section className="card" aria-label={t('segments.title')}>
      <div className="card-head">
        <h2>{t('segments.title')}</h2>
        <span className="grow" />
        <ul className="legend" aria-hidden>
          {legend(detail.segments).map((s) => (
            <li key={s} data-span={s}>
              {t(`segment.${s}`, { ns: 'common' })}
            </li>
          ))}
        </ul>
      </div>
      <div className="chart" aria-hidden>
        <TimeAxis length={end - start} />
        {detail.segments.map((s) => (
          <div key={s.id} className="chart-row">
            <span className="cut" title={name(s)}>
              {name(s)}
            </span>
            <div className="chart-track">
              {s.spans.map((x) => {
                const p = place(x.from_at, x.to_at ?? now, start, end);
                const length = (x.to_at ?? now) - x.from_at;
                return (
                  <i
                    key={`${x.from_at}${x.state}`}
                    data-span={x.state}
                    style={{ left: `${p.left}%`, width: `${p.width}%` }}
                    title={`${t(`segment.${x.state}`, { ns: 'common' })} ${span(length)}`}
                  />
                );
              })}
            </div>
          </div>
        ))}
      </div>
      <div className="scroll-x" tabIndex={0}>
        <table className="grid">
          <thead>
            <tr>
              <th>{t('segments.segment')}</th>
              <th>{t('segments.from')}</th>
              <th>{t('segments.began')}</th>
              <th>{t('segments.states')}</th>
              <th>{t('segments.ended')}</th>
              <th className="num">{t('segments.length')}</th>
              <th>{t('segments.outcome')}</th>
            </tr>
          </thead>
          <tbody>
            {detail.segments.map((s) => (
              <tr key={s.id}>
                <td>{name(s)}</td>
                <td>{timeOfDay(s.started_at, i18n.language, me.time_zone)}</td>
                <td>{t(`segment_start.${s.start}`)}</td>
                <td className="text">
                  {s.spans.map((x) => `${t(`segment.${x.state}`, { ns: 'common' })} ${span((x.to_at ?? now) - x.from_at)}`).join(' → ')}
                </td>
                <td>{s.end ? ended(s) : t('list.live')}</td>
                <td className="num">{span((s.ended_at ?? now) - s.started_at)}</td>
                <td className="text">
                  {s.disposition_name ? <strong>{local(s.disposition_name)}</strong> : null} {s.note}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
