// What keeps calls away, in words, with the remedy; nothing when all is well.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useConnection, useDevice } from '../socket/session';
import { type DeskView, deviceTrouble } from './words';

export function DeviceBanner({ desk }: { desk: DeskView | null }) {
  const { t } = useTranslation('common');
  const connection = useConnection();
  const device = useDevice();
  const trouble = deviceTrouble(desk, device?.view ?? null, connection);
  return (
    <div role="status">
      {trouble ? (
        <div className="banner" data-severe={trouble.severe} data-testid="device-trouble" data-trouble={trouble.key}>
          <strong>{t(`device.${trouble.key}.title`)}</strong>
          <span className="grow">{t(`device.${trouble.key}.remedy`)}</span>
          {trouble.remedy === 'lead' ? (
            <Button data-testid="lead-here" onClick={() => device?.device.leadHere()}>
              {t('device.lead_here')}
            </Button>
          ) : null}
          {trouble.remedy === 'microphone' ? (
            <Button variant="default" onClick={() => void device?.device.askMicrophone()}>
              {t('device.ask_again')}
            </Button>
          ) : null}
          {trouble.key === 'denied' ? (
            <Button variant="default" onClick={() => void device?.device.useListenOnly()}>
              {t('device.listen_only_button')}
            </Button>
          ) : null}
          {trouble.remedy === 'unlock' ? <Button onClick={() => void device?.device.unlockSound()}>{t('device.unlock')}</Button> : null}
        </div>
      ) : null}
    </div>
  );
}
