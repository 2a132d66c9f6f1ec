// The small telephone beside a number outside: opens the dialler with it. Only for an agent at a desk.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useDesk, useReadOnly } from '../socket/session';
import { Icon } from '../ui/icons';
import { toast } from '../ui/toast';
import { dialNot, openDialler } from './dial';

export function CallNumber({ of }: { of: Schemas['AddressView'] | null | undefined }) {
  const { t } = useTranslation('common');
  const desk = useDesk();
  const readOnly = useReadOnly();
  if (!desk?.signed_in || of?.kind !== 'phone') return null;
  const not = dialNot(desk, readOnly);
  const why = not ? t(`dial.not.${not}`) : undefined;
  const name = t('dial.number', { number: of.text });
  return (
    <button
      type="button"
      className="call-number"
      data-testid="call-number"
      aria-label={name}
      aria-disabled={not ? true : undefined}
      aria-description={why}
      title={why ?? name}
      onClick={(e) => {
        // The row below it opens the interaction.
        e.stopPropagation();
        if (why) toast(why, 'bad');
        else openDialler(of.text);
      }}
    >
      <Icon name="phone" size={16} />
    </button>
  );
}
