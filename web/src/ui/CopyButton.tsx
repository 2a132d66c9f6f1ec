// Copies a text and says so.
import { ActionIcon } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon } from './icons';
import { toast } from './toast';

export function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation('common');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      toast(t('action.copied'));
    } catch {
      // Plain-http pages have no clipboard; the text stands beside the button and can be selected.
    }
  };
  return (
    <ActionIcon size={24} aria-label={t('action.copy')} onClick={() => void copy()}>
      <Icon name="copy" size={16} />
    </ActionIcon>
  );
}
