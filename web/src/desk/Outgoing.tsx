// Marks what we called ourselves, outside or within the company; callers have no mark. Small: the icon alone, its word for screen readers and as a hint.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { Icon } from '../ui/icons';

export function Outgoing({ direction, small }: { direction: Schemas['Direction'] | undefined; small?: boolean }) {
  const { t } = useTranslation('common');
  if (direction === undefined || direction === 'inbound') return null;
  const word = t(`direction.${direction}`);
  return (
    <span className={small ? 'outgoing' : 'outgoing tag'} title={small ? word : undefined} data-testid="outgoing">
      <Icon name={direction === 'internal' ? 'phone' : 'callout'} size={small ? 14 : 12} />
      <span className={small ? 'visually-hidden' : undefined}>{word}</span>
    </span>
  );
}
