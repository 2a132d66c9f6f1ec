// The small telephone beside a number outside: opens the dialler with it, or calls back where the number is hidden. Only
// for an agent at a desk.
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useCommand, useDesk, useReadOnly } from '../socket/session';
import { Icon } from '../ui/icons';
import { toast } from '../ui/toast';
import { dialNot, openDialler } from './dial';

export function CallNumber({ of, interaction }: { of: Schemas['AddressView'] | null | undefined; interaction: string }) {
  const { t } = useTranslation('common');
  const desk = useDesk();
  const readOnly = useReadOnly();
  const command = useCommand();
  const navigate = useNavigate();
  if (!desk?.signed_in || of?.kind !== 'phone') return null;
  const not = dialNot(desk, readOnly);
  const why = not ? t(`dial.not.${not}`) : undefined;
  const name = t('dial.number', { number: of.text });
  const callBack = async () => {
    if (await command({ command: 'call_back', interaction })) void navigate({ to: '/desk/{-$interactionId}' });
  };
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
        else if (of.masked) void callBack();
        else openDialler(of.text);
      }}
    >
      <Icon name="phone" size={16} />
    </button>
  );
}
