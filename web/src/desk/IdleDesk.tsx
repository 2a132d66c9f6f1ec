// Nothing at hand: what to do next, in words.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useCommand } from '../socket/session';
import { Empty } from '../ui/States';
import { RingMe } from './RingMe';
import type { DeskView } from './words';

export function IdleDesk({ desk }: { desk: DeskView }) {
  const { t } = useTranslation('common');
  const command = useCommand();
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
        </div>
      }
    />
  );
}
