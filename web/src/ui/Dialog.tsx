// A dialog with its title and its button to close; what had the focus before gets it back. Loaded with its content:
// whoever opens one shows `DialogComing` meanwhile.
import { Modal } from '@mantine/core';
import { type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

export function Dialog({ title, size, close, children }: { title: string; size?: number; close: () => void; children: ReactNode }) {
  const { t } = useTranslation('common');
  const [before] = useState(() => document.activeElement);
  useEffect(() => () => (before instanceof HTMLElement && before.isConnected ? before.focus({ preventScroll: true }) : undefined), [before]);
  return (
    <Modal opened onClose={close} size={size} title={title} closeButtonProps={{ 'aria-label': t('action.close') }}>
      {children}
    </Modal>
  );
}
