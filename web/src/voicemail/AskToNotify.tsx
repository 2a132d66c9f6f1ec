// Whether the browser may tell of new messages while another window is in front: asked for by a click, once.
import { Button } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons';

export function AskToNotify() {
  const { t } = useTranslation('voicemail');
  const [permission, setPermission] = useState(() => ('Notification' in window ? Notification.permission : 'denied'));
  if (permission !== 'default') return null;
  return (
    <Button variant="subtle" leftSection={<Icon name="bell" size={16} />} onClick={() => void Notification.requestPermission().then(setPermission)}>
      {t('notify_me')}
    </Button>
  );
}
