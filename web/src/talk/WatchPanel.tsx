// The desk's panel for a supervisor's own listening: whose conversation, how he takes part; nothing to note or to wrap up.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useMay } from '../api/session';
import { useCaller } from '../desk/caller';
import { type DeskWork, stateTone } from '../desk/words';
import { WorkTimeline } from '../desk/WorkTimeline';
import { useLocal } from '../i18n/localized';
import { WatchControls } from './WatchControls';

export function WatchPanel({ work, watching }: { work: DeskWork; watching: Schemas['Watching'] }) {
  const { t } = useTranslation('talk');
  const local = useLocal();
  const caller = useCaller();
  const may = useMay();
  const name = watching.agent?.name ?? t('watch.colleague');
  const title = t('watch.of', { name });
  return (
    <>
      <header className="work-head">
        <h1 className="cut" title={title}>
          {title}
        </h1>
        <span className="state" data-tone={stateTone(work.state)} data-testid="work-state" data-state={work.state}>
          {t(`segment.${work.state}`, { ns: 'common' })}
        </span>
      </header>
      <p className="dim">
        {[caller(work), work.queue ? local(work.queue.name) : null, work.number ? `${local(work.number.name)} ${work.number.number}` : null, t(`language.${work.lang}`, { ns: 'common' })]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <section className="card" aria-label={t('watch.label')} data-testid="watch-panel">
        <div className="card-head">
          <h2>{t('watch.label')}</h2>
        </div>
        <div className="card-body col">
          <WatchControls work={work} watching={watching} />
          <p>{t(`watch.means.${watching.mode}`)}</p>
          {may('call.intervene') ? <p className="dim">{t('watch.take_over_means', { name })}</p> : null}
        </div>
      </section>
      <WorkTimeline id={work.interaction} version={`${work.state}${work.state_since_at}`} />
    </>
  );
}
