// A supervisor in a colleague's conversation: who hears him, how he takes part, and the ways out.
import { Button, SegmentedControl } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useMay } from '../api/session';
import type { DeskWork } from '../desk/words';
import { spelled, useShortcut, useShortcuts } from '../shell/keyboard';
import { useCommand, useReadOnly } from '../socket/session';
import { Icon } from '../ui/icons';
import { mayWatch, nextMode, type WatchMode, watchModes } from './words';

interface Props {
  work: DeskWork;
  watching: Schemas['Watching'];
}

/** On every page as long as it lasts, with the shortcuts. */
export function HeardLine({ work, watching }: Props) {
  const { t } = useTranslation('talk');
  const may = useMay();
  const { watch, takeOver, canTakeOver, readOnly } = useWatch(work, watching);
  useShortcut('watch_mode', () => watch(nextMode(watching.mode, may)), !readOnly);
  useShortcut('take_over', takeOver, canTakeOver);
  const name = watching.agent?.name ?? t('watch.colleague');
  if (work.state === 'connecting') return <p data-testid="heard">{t('watch.connecting', { name })}</p>;
  return (
    <p className="row" data-testid="heard" data-mode={watching.mode}>
      <Icon name={watching.mode === 'monitor' ? 'ear' : 'mic'} size={16} />
      <strong>{t('watch.of', { name })}</strong>
      <span>{t(`watch.heard.${watching.mode}`, { name })}</span>
    </p>
  );
}

export function WatchControls({ work, watching }: Props) {
  const { t } = useTranslation('talk');
  const keys = useShortcuts();
  const may = useMay();
  const { watch, takeOver, stop, canTakeOver, readOnly } = useWatch(work, watching);
  return (
    <div className="row wrap">
      <SegmentedControl
        aria-label={t('watch.label')}
        title={spelled(keys.watch_mode)}
        data={watchModes.map((m) => ({ value: m, label: t(`watch.mode.${m}`), disabled: !mayWatch(m, may) }))}
        value={watching.mode}
        disabled={readOnly}
        onChange={(m) => watch(m as WatchMode)}
      />
      <Button size="compact-sm" variant="default" data-testid="take-over" title={spelled(keys.take_over)} disabled={!canTakeOver} onClick={takeOver}>
        {t('watch.take_over')}
      </Button>
      <Button size="compact-sm" variant="default" data-testid="stop-watching" title={spelled(keys.hang_up)} disabled={readOnly} onClick={stop}>
        {t('watch.stop')}
      </Button>
    </div>
  );
}

function useWatch(work: DeskWork, watching: Schemas['Watching']) {
  const command = useCommand();
  const may = useMay();
  const readOnly = useReadOnly();
  const { interaction } = work;
  return {
    readOnly,
    watch: (mode: WatchMode) => void command({ command: 'watch', interaction, segment: watching.target, mode }),
    takeOver: () => void command({ command: 'take_over', interaction, segment: watching.target }),
    stop: () => void command({ command: 'stop_watching', interaction }),
    canTakeOver: !readOnly && work.state === 'watching' && may('call.intervene'),
  };
}
