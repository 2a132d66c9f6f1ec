// Each offer and its decision trace, in words: who was considered, who was left out and why.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useMe } from '../api/session';
import { clock, span, timeOfDay } from '../ui/format';

export function Decisions({ offers }: { offers: Schemas['Offer'][] }) {
  const { t, i18n } = useTranslation('interactions');
  const me = useMe();
  return (
    <section className="card" aria-label={t('decision.title')}>
      <div className="card-head">
        <h2>{t('decision.title')}</h2>
      </div>
      {offers.length === 0 ? (
        <p className="placeholder">{t('decision.none')}</p>
      ) : (
        <ol className="card-body col">
          {offers.map((o) => (
            <li key={o.id} className="decision">
              <h3>
                <span className="num">{timeOfDay(o.made_at, i18n.language, me.time_zone)}</span> {t('decision.offered', { agent: o.agent.name })}
                {' · '}
                {o.accepted
                  ? t('decision.accepted', { after: span((o.ended_at ?? o.made_at) - o.made_at) })
                  : o.end
                    ? t(`decision.end.${o.end}`)
                    : t('decision.open')}
              </h3>
              <p>
                {t('decision.context', { place: o.trace.place, waited: clock(o.trace.waited_ms), priority: o.trace.priority })}{' '}
                {t(`decision.strategy.${o.trace.strategy}`)}
              </p>
              <ul>
                {o.trace.candidates.map((c, n) => (
                  <li key={c.agent.id}>
                    {n === 0 ? <strong>{c.agent.name}</strong> : c.agent.name}{' '}
                    <span className="dim">
                      {t(o.trace.strategy === 'skill_level' ? 'decision.candidate_skill' : 'decision.candidate', {
                        idle: clock(c.idle_ms),
                        level: c.level,
                        priority: c.priority,
                      })}
                    </span>
                  </li>
                ))}
                {o.trace.excluded.map((x) => (
                  <li key={x.agent.id} className="dim">
                    {x.agent.name}: {t(`exclusion.${x.why}`)}
                  </li>
                ))}
                {o.trace.left_out > 0 ? <li className="dim">{t('decision.left_out', { n: o.trace.left_out })}</li> : null}
              </ul>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
