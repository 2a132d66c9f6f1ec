// How messages are taken: the company's rules, and those of a queue that has its own.
import { NumberInput, Select, Switch } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { ChoiceField, SecondsField } from './fields';

type Rules = Schemas['MailboxFields'];

const usual: Rules = { on: true, greeting: null, max_ms: 120_000, least_ms: 1000, notify: 'everybody', keep_days: null };

interface Props {
  value: Rules;
  set: (change: Partial<Rules>) => void;
  error: (path: string) => string | undefined;
}

/** `voicemail` in the path of an error. */
export function MailboxRules({ value, set, error }: Props) {
  const { t } = useTranslation('admin');
  const whom = (['everybody', 'supervisors', 'nobody'] as const).map((w) => ({ value: w, label: t(`voicemail.notify.${w}`) }));
  return (
    <>
      <Switch label={t('voicemail.on')} description={t('voicemail.on_hint')} checked={value.on ?? true} onChange={(e) => set({ on: e.currentTarget.checked })} />
      {value.on === false ? null : (
        <div className="pair">
          <ChoiceField label={t('greeting')} kind="prompts" value={value.greeting} onChange={(greeting) => set({ greeting })} error={error('voicemail.greeting')} />
          <Select label={t('voicemail.notify.label')} allowDeselect={false} data={whom} value={value.notify ?? 'everybody'} onChange={(v) => v && set({ notify: v as Schemas['Notify'] })} />
          <SecondsField label={t('longest_message')} min={5} value={value.max_ms ?? 120_000} onChange={(max_ms) => set({ max_ms })} error={error('voicemail.max_ms')} />
          <SecondsField label={t('voicemail.least')} value={value.least_ms ?? 1000} onChange={(least_ms) => set({ least_ms })} error={error('voicemail.least_ms')} />
          <NumberInput label={t('voicemail.keep_days')} placeholder={t('voicemail.as_recordings')} min={1} max={36_500} allowDecimal={false} value={value.keep_days ?? ''} onChange={(v) => set({ keep_days: v === '' ? null : Number(v) })} error={error('voicemail.keep_days')} />
        </div>
      )}
    </>
  );
}

export function MailboxField({ value, onChange, error }: { value: Rules | null | undefined; onChange: (rules: Rules | null) => void; error: Props['error'] }) {
  const { t } = useTranslation('admin');
  return (
    <>
      <Switch label={t('voicemail.own')} description={t('voicemail.own_hint')} checked={value != null} onChange={(e) => onChange(e.currentTarget.checked ? usual : null)} />
      {value ? <MailboxRules value={value} set={(change) => onChange({ ...value, ...change })} error={error} /> : null}
    </>
  );
}
