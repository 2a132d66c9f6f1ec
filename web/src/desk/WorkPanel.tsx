// One piece of work: who, where from, how long; notes and outcome at any time, the wrap-up with its countdown; what happened.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useLocal } from '../i18n/localized';
import { spelled, useShortcuts } from '../shell/keyboard';
import { useCommand, useReadOnly } from '../socket/session';
import { useNow } from '../ui/clock';
import { Elapsed, Remaining } from '../ui/Elapsed';
import { clock } from '../ui/format';
import { Icon } from '../ui/icons';
import { useCaller, useOrigin } from './caller';
import { dialling } from './dial';
import { Outcome } from './Outcome';
import { Outgoing } from './Outgoing';
import { WorkTimeline } from './WorkTimeline';
import { type DeskWork, holdMs, onHold, shownState, stateTone, talkMs } from './words';

export function WorkPanel({ work }: { work: DeskWork }) {
  const { t } = useTranslation('common');
  const local = useLocal();
  const caller = useCaller();
  const origin = useOrigin();
  const command = useCommand();
  const now = useNow();
  const readOnly = useReadOnly();
  const wrapping = work.state === 'wrap_up';
  const calling = dialling(work);
  const keys = useShortcuts();
  return (
    <>
      <header className="work-head">
        <h1 className="cut" title={caller(work)}>
          {caller(work)}
        </h1>
        <span className="state" data-tone={stateTone(shownState(work))} data-testid="work-state" data-state={work.state}>
          {calling ? t('dial.state') : t(`segment.${shownState(work)}`)}
        </span>
        <Outgoing direction={work.direction} />
        {work.muted ? <span className="tag">{t('phone.muted')}</span> : null}
        {work.peer_held ? <span className="tag">{t('phone.peer_held')}</span> : null}
        {work.recording && !wrapping ? <span className="tag">{t('phone.recorded')}</span> : null}
        <span className="grow" />
        <span className="dim">
          {t('desk.talk')} <span className="num">{clock(talkMs(work, now))}</span>
        </span>
        {work.hold_ms > 0 || onHold(work) ? (
          <span className="dim">
            {t('desk.hold')} <span className="num">{clock(holdMs(work, now))}</span>
          </span>
        ) : null}
      </header>
      <p className="dim">
        {[work.queue ? local(work.queue.name) : null, work.number ? `${local(work.number.name)} ${work.number.number}` : null, t(`language.${work.lang}`), ...origin(work)]
          .filter(Boolean)
          .join(' · ')}
      </p>

      {calling ? (
        <section className="card card-body row calling" role="status" data-testid="dialling">
          <Icon name="callout" />
          <strong className="grow">{t('dial.calling', { number: caller(work) })}</strong>
          <span className="dim" aria-hidden>
            <Elapsed since={work.state_since_at} />
          </span>
          <Button color="#b3261e" data-testid="dial-hang-up" leftSection={<Icon name="hangup" size={16} />} title={spelled(keys.hang_up)} disabled={readOnly} onClick={() => void command({ command: 'hang_up', segment: work.segment })}>
            {t('phone.hang_up')}
          </Button>
        </section>
      ) : null}

      {/* Whoever is only asked has nothing to note down yet. */}
      {work.asked_by ? null : (
        <section className={`card ${wrapping ? 'wrapup' : ''}`} aria-label={t(wrapping ? 'wrap.title' : 'wrap.notes_title')} data-testid={wrapping ? 'wrap-up' : 'notes'}>
          <div className="card-head">
            <strong className="grow">{t(wrapping ? 'wrap.title' : 'wrap.notes_title')}</strong>
            {wrapping && work.wrap_up_until_at ? (
              <>
                <span>{t('wrap.left')}</span>
                <Remaining until={work.wrap_up_until_at} />
                <Button
                  size="compact-xs"
                  variant="default"
                  disabled={readOnly}
                  onClick={() => void command({ command: 'extend_wrap_up', segment: work.segment, by_ms: 60_000 })}
                >
                  {t('wrap.extend')}
                </Button>
              </>
            ) : null}
          </div>
          <Outcome work={work} />
        </section>
      )}

      <WorkTimeline id={work.interaction} version={`${work.state}${work.state_since_at}`} />
    </>
  );
}
