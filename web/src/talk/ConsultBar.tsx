// The consultation this agent holds: with whom, how far it is, and every way on from here.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import type { DeskWork } from '../desk/words';
import { spelled, type ShortcutId, useShortcut, useShortcuts } from '../shell/keyboard';
import { useCommand, useReadOnly } from '../socket/session';
import { consultCan, consultStage } from './words';

export function ConsultBar({ work, consult }: { work: DeskWork; consult: Schemas['DeskParty'] }) {
  const { t } = useTranslation('talk');
  const can = consultCan(work);
  const name = consult.name;
  const stage = consultStage(work);
  // Within the company there is no customer whom one could go back to.
  if (work.direction === 'internal') {
    return (
      <div className="row wrap">
        <p data-testid="consult" data-stage={stage}>
          <strong>{t('bar.inside', { name })}</strong> {stage === 'ringing' ? <span className="dim">{t('bar.inside_ringing')}</span> : null}
        </p>
        <Act id="end_consult" work={work} enabled>
          {t('bar.inside_end')}
        </Act>
      </div>
    );
  }
  return (
    <>
      <p data-testid="consult" data-stage={stage}>
        <strong>{t('bar.consult', { name })}</strong> <span className="dim">{t(`bar.stage.${stage}`, { name })}</span>
      </p>
      <div className="row wrap">
        <Act id="switch_party" work={work} enabled={can.switch}>
          {work.state === 'consulting' ? t('bar.to_customer') : t('bar.to_party', { name })}
        </Act>
        <Act id="conference" work={work} enabled={can.conference}>
          {t('bar.conference')}
        </Act>
        <Act id="complete_transfer" work={work} enabled main>
          {t('bar.complete')}
        </Act>
        <Act id="end_consult" work={work} enabled>
          {t('bar.end')}
        </Act>
      </div>
    </>
  );
}

interface ActProps {
  id: Extract<ShortcutId, 'switch_party' | 'conference' | 'complete_transfer' | 'end_consult'>;
  work: DeskWork;
  enabled: boolean;
  main?: boolean;
  children: string;
}

function Act({ id, work, enabled, main, children }: ActProps) {
  const keys = useShortcuts();
  const command = useCommand();
  const readOnly = useReadOnly();
  const act = () => void command({ command: id, segment: work.segment });
  useShortcut(id, act, enabled && !readOnly);
  return (
    <Button size="compact-sm" variant={main ? 'filled' : 'default'} data-testid={id} title={spelled(keys[id])} disabled={!enabled || readOnly} onClick={act}>
      {children}
    </Button>
  );
}
