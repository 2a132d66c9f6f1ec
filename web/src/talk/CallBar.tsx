// Who else is in the call, and what to do about it: the consultation, the others of a conference, who asks, who listens.
import { useRouterState } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useCaller } from '../desk/caller';
import type { DeskWork } from '../desk/words';
import { Icon } from '../ui/icons';
import { ConsultBar } from './ConsultBar';
import { HeardLine, WatchControls } from './WatchControls';
import './talk.css';

export function CallBar({ work }: { work: DeskWork }) {
  const { t } = useTranslation('talk');
  const caller = useCaller();
  const atDesk = useRouterState({ select: (s) => s.location.pathname.startsWith('/desk') });
  const name = (p: DeskWork['others'][number]) => (p.state === 'talking' ? p.name : `${p.name} (${t(`segment.${p.state}`, { ns: 'common' })})`);
  return (
    <section className="call-bar" aria-label={t('bar.label')} data-testid="call-bar">
      {work.consult ? <ConsultBar work={work} consult={work.consult} /> : null}
      {work.asked_by ? (
        <p data-testid="asked-by">
          {work.direction === 'internal' ? t('bar.inside', { name: work.asked_by.name }) : t('bar.asked', { name: work.asked_by.name, caller: caller(work) })}
        </p>
      ) : null}
      {work.others.length > 0 && !work.watching && !work.asked_by ? <p data-testid="others">{t('bar.others', { names: work.others.map(name).join(t('bar.and')) })}</p> : null}
      {work.watchers.map((w) => (
        <p key={w.agent.id} className="row" data-testid="watcher" data-mode={w.mode}>
          <Icon name="ear" size={16} />
          {t(`bar.watcher.${w.mode}`, { name: w.agent.name })}
        </p>
      ))}
      {work.watching ? (
        <>
          <HeardLine work={work} watching={work.watching} />
          {/* At the desk they are in the work panel. */}
          {atDesk ? null : <WatchControls work={work} watching={work.watching} />}
        </>
      ) : null}
    </section>
  );
}
