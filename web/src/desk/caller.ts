// Who is calling, in words.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';

type Address = Schemas['AddressView'];

/** The other party; of a call within the company, for whoever called, the colleague. */
export function useCaller(): (of: { from?: Address | null; direction?: Schemas['Direction']; consult?: Schemas['DeskParty'] | null }) => string {
  const { t } = useTranslation('common');
  return ({ from, direction, consult }) => {
    if (direction === 'internal' && consult) return consult.name;
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
