// What segments and legs are called, and who hears whom, in words.
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useLocal } from '../i18n/localized';
import { bridged, type Segment } from './words';

type Detail = Schemas['InteractionDetail'];

export function useSegmentName(): (s: Segment) => string {
  const { t } = useTranslation('interactions');
  const local = useLocal();
  return (s) => {
    const kind = t(`segment_of.${s.of}`);
    const who = s.agent?.name ?? s.outside?.text ?? s.place ?? (s.queue ? local(s.queue.name) : '');
    return who ? `${kind} · ${who}` : kind;
  };
}

/** The party's role with the agent's name; the id of a leg the page does not know yet. */
export function useLegName(detail: Detail): (leg: string) => string {
  const { t } = useTranslation('interactions');
  return (id) => {
    const leg = detail.legs.find((l) => l.id === id);
    if (!leg) return id;
    const of = detail.segments.find((s) => s.id === leg.segment);
    const who = of?.agent?.name ?? of?.outside?.text;
    return who && leg.role !== 'customer' ? `${t(`leg_role.${leg.role}`)} · ${who}` : t(`leg_role.${leg.role}`);
  };
}

/** The data of an event `bridged`. */
export function useHearing(detail: Detail): (data: unknown) => string {
  const { t } = useTranslation('interactions');
  const name = useLegName(detail);
  const names = (legs: string[]) => legs.map(name).join(t('hearing.and'));
  return (data) => {
    const b = bridged(data);
    if (!b || b.legs.length === 0) return t('hearing.none');
    if (b.hears.length === 0) return t('hearing.all', { legs: names(b.legs) });
    return b.hears.map((h) => t(h.hears.length > 0 ? 'hearing.one' : 'hearing.nobody', { leg: name(h.leg), heard: names(h.hears) })).join(t('hearing.then'));
  };
}
