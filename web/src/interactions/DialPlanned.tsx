// The event `dial_planned` in words: what kind of number, by which trunks in turn. Names are asked for only when there is one.
import { useTranslation } from 'react-i18next';
import { useNameOf } from '../api/names';
import { dialPlan } from './words';

export function DialPlanned({ data }: { data: unknown }) {
  const { t } = useTranslation('interactions');
  const trunk = useNameOf('trunks');
  const plan = dialPlan(data);
  if (!plan) return null;
  return <>{t('dial_plan', { class: t(`call_class.${plan.class}`), trunks: plan.trunks.map(trunk).join(' → ') })}</>;
}
