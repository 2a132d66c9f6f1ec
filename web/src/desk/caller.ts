// Who is calling, in words.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';

export function useCaller(): (of: { from?: Schemas['AddressView'] | null }) => string {
  const { t } = useTranslation('common');
  return ({ from }) => (!from || from.kind === 'withheld' ? t('address.withheld') : from.text);
}
