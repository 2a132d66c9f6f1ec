// Who is calling, in words.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';

type Address = Schemas['AddressView'];

export function useCaller(): (of: { from?: Address | null }) => string {
  const { t } = useTranslation('common');
  return ({ from }) => {
    if (!from || from.kind === 'withheld') return t('address.withheld');
    // Some networks say the number again as the name.
    return from.name && from.name.replace(/[^\p{L}\p{N}]/gu, '') !== from.text.replace(/\D/g, '') ? `${from.name} ${from.text}` : from.text;
  };
}

/** What the network said of the call: who was called first, and whether the number is the caller's. */
export function useOrigin(): (of: { diverted: Address | null; verified: Schemas['CallerVerified'] | null }) => string[] {
  const { t } = useTranslation('common');
  const caller = useCaller();
  return ({ diverted, verified }) => [
    ...(diverted ? [t('address.diverted', { number: caller({ from: diverted }) })] : []),
    ...(verified ? [t(`address.verified.${verified.passed === null ? 'unknown' : verified.passed ? 'passed' : 'failed'}`)] : []),
    ...(verified?.attested ? [t(`address.attested.${verified.attested}`)] : []),
  ];
}
