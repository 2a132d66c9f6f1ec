// The company's rules for calls to the outside: which kinds of number, how many, what the callee sees, recorded or not.
import { Checkbox, Switch } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { ChoiceField, NumberField } from './fields';
import { SpendRules } from './SpendRules';

type Rules = Schemas['OutboundFields'];

const classes = ['national', 'international', 'premium'] as const;

export function OutboundRules({ value, set, error }: { value: Rules; set: (change: Partial<Rules>) => void; error: (path: string) => string | undefined }) {
  const { t } = useTranslation('admin');
  return (
    <>
      <fieldset className="plain checks-field">
        <legend>{t('outbound.allowed')}</legend>
        <div className="checks">
          <Checkbox label={t('call_class.emergency')} checked disabled readOnly />
          {classes.map((c) => (
            <Checkbox
              key={c}
              label={t(`call_class.${c}`)}
              checked={value.allowed.includes(c)}
              onChange={(e) => set({ allowed: e.currentTarget.checked ? [...value.allowed, c] : value.allowed.filter((x) => x !== c) })}
            />
          ))}
        </div>
        <p className="dim small list-after">{t('outbound.allowed_hint')}</p>
      </fieldset>
      <div className="pair">
        <NumberField label={t('outbound.concurrent')} max={10_000} value={value.concurrent} onChange={(concurrent) => set({ concurrent })} error={error('outbound.concurrent')} />
        <NumberField label={t('outbound.per_minute')} max={10_000} value={value.per_minute} onChange={(per_minute) => set({ per_minute })} error={error('outbound.per_minute')} />
      </div>
      <ChoiceField label={t('outbound.caller')} kind="numbers" value={value.caller} onChange={(caller) => set({ caller })} error={error('outbound.caller')} />
      <Switch label={t('outbound.record')} checked={value.record} onChange={(e) => set({ record: e.currentTarget.checked })} />
      {value.spend ? <SpendRules value={value.spend} set={(c) => set({ spend: { ...value.spend!, ...c } })} error={error} /> : null}
    </>
  );
}
