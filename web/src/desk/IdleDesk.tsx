// Nothing at hand: what to do next, in words.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { spelled, useShortcuts } from '../shell/keyboard';
import { useCommand, useReadOnly } from '../socket/session';
import { Icon } from '../ui/icons';
import { Empty } from '../ui/States';
import { dialNot, openDialler } from './dial';
import { RingMe } from './RingMe';
import type { DeskView } from './words';

export function IdleDesk({ desk }: { desk: DeskView }) {
  const { t } = useTranslation('common');
  const command = useCommand();
  const keys = useShortcuts();
  const not = dialNot(desk, useReadOnly());
  const available = desk.presence.state === 'available';
  return (
    <Empty
      title={t(available ? 'desk.idle' : 'desk.away')}
      hint={t(available ? 'desk.idle_hint' : 'desk.away_hint')}
      action={
        <div className="row">
          {available ? null : (
            <Button onClick={() => void command({ command: 'set_presence', presence: { state: 'available' } })}>{t('desk.go_available')}</Button>
          )}
          <RingMe variant={available ? 'filled' : 'default'} />
          {not ? null : (
            <Button variant="default" data-testid="call-out" leftSection={<Icon name="callout" size={16} />} title={spelled(keys.dial)} onClick={() => openDialler()}>
              {t('dial.button')}
            </Button>
          )}
        </div>
      }
    />
  );
}
