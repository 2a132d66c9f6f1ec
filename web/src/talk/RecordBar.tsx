// Whether the conversation is recorded and by which rule; masking it for a while, and starting and stopping it where the
// rules leave that to the agent.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { DeskWork } from '../desk/words';
import { type ShortcutId, spelled, useShortcut, useShortcuts } from '../shell/keyboard';
import { useCommand, useReadOnly } from '../socket/session';
import { Remaining } from '../ui/Elapsed';
import { recordWord } from './words';
import './talk.css';

export function RecordBar({ work }: { work: DeskWork }) {
  const { t } = useTranslation('talk');
  const command = useCommand();
  const readOnly = useReadOnly();
  const { segment, record, masked_until_at: until } = work;
  const masked = until !== null;
  const mask = () => void command({ command: masked ? 'unmask' : 'mask', segment });
  const again = () => void command({ command: 'mask', segment });
  const turn = () => void command({ command: record?.on ? 'stop_recording' : 'start_recording', segment });
  const mine = !readOnly && work.watching === null;
  useShortcut('mask', mask, mine);
  useShortcut('record', turn, mine && (record?.on_demand ?? false));
  return (
    <div className="row wrap record-bar" data-testid="record-bar" data-state={recordWord(work)}>
      <span className="state" data-tone={masked ? 'wrapup' : record?.on ? 'danger' : 'away'} role="status">
        {t(`record.state.${recordWord(work)}`)}
      </span>
      {until !== null ? (
        <span aria-hidden>
          {t('record.goes_on')} <Remaining until={until} />
        </span>
      ) : null}
      {record ? <span className="dim">{t('record.why', { rule: t(`record.mode.${record.mode.mode}`, { percent: record.mode.mode === 'sample' ? record.mode.percent : 0 }), of: t(`record.of.${record.of.of}`) })}</span> : null}
      {mine ? (
        <>
          <Do id="mask" name={t(masked ? 'record.unmask' : 'record.mask')} onClick={mask} />
          {masked ? (
            <Button size="compact-sm" variant="default" onClick={again}>
              {t('record.longer')}
            </Button>
          ) : null}
          {record?.on_demand ? <Do id="record" name={t(record.on ? 'record.stop' : 'record.start')} onClick={turn} /> : null}
        </>
      ) : null}
    </div>
  );
}

function Do({ id, name, onClick }: { id: ShortcutId; name: string; onClick: () => void }) {
  const keys = useShortcuts();
  return (
    <Button size="compact-sm" variant="default" data-testid={`record-${id}`} title={spelled(keys[id])} onClick={onClick}>
      {name}
    </Button>
  );
}
