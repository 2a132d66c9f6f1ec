// The fields of each kind of step.
import { Select, Switch, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { ChoiceField, ChoicesField, LangField, ListField, NumberField, SecondsField } from '../fields';
import type { Step } from './draft';

interface Props<S extends Step = Step> {
  step: S;
  names: string[];
  onChange: (s: Step) => void;
}

type Of<K extends Step['step']> = Extract<Step, { step: K }>;

export function StepFields({ step, names, onChange }: Props) {
  const { t } = useTranslation('admin');
  switch (step.step) {
    case 'play':
      return (
        <div className="pair">
          <ChoicesField label={t('prompts')} kind="prompts" value={step.prompts} onChange={(prompts) => onChange({ ...step, prompts })} />
          <GoTo label={t('exit.next')} names={names} value={step.next} onChange={(next) => onChange({ ...step, next })} />
        </div>
      );
    case 'menu':
      return <MenuFields step={step} names={names} onChange={onChange} />;
    case 'collect':
      return <CollectFields step={step} names={names} onChange={onChange} />;
    case 'hours':
      return (
        <div className="pair">
          <ChoiceField label={t('calendar')} kind="calendars" required value={step.calendar} onChange={(v) => onChange({ ...step, calendar: v ?? '' })} />
          <GoTo label={t('exit.open')} names={names} value={step.open} onChange={(open) => onChange({ ...step, open })} />
          <GoTo label={t('exit.closed')} names={names} value={step.closed} onChange={(closed) => onChange({ ...step, closed })} />
          <Select label={t('exit.holiday')} data={names} clearable placeholder={t('exit.as_closed')} value={step.holiday ?? null} onChange={(holiday) => onChange({ ...step, holiday })} />
        </div>
      );
    case 'set':
      return (
        <div className="pair">
          <AssignFields value={step.assign} onChange={(assign) => onChange({ ...step, assign })} />
          <GoTo label={t('exit.next')} names={names} value={step.next} onChange={(next) => onChange({ ...step, next })} />
        </div>
      );
    case 'queue':
      return (
        <div className="pair">
          <ChoiceField label={t('entry.queue')} kind="queues" required value={step.queue} onChange={(v) => onChange({ ...step, queue: v ?? '' })} />
          <NumberField label={t('priority')} value={step.priority ?? 0} max={100} onChange={(priority) => onChange({ ...step, priority })} />
        </div>
      );
    case 'transfer':
      return <ChoiceField label={t('entry.flow')} kind="flows" required value={step.flow} onChange={(v) => onChange({ ...step, flow: v ?? '' })} />;
    case 'voicemail':
      return (
        <div className="pair">
          <ChoiceField label={t('greeting')} kind="prompts" value={step.greeting} onChange={(greeting) => onChange({ ...step, greeting })} />
          <ChoiceField label={t('voicemail.mailbox')} kind="queues" placeholder={t('voicemail.mailbox_last')} value={step.queue} onChange={(queue) => onChange({ ...step, queue })} />
          <SecondsField label={t('longest_message')} min={5} value={step.max_length_ms} onChange={(v) => onChange({ ...step, max_length_ms: v })} />
        </div>
      );
    case 'hang_up':
      return <ChoiceField label={t('farewell')} kind="prompts" value={step.prompt} onChange={(prompt) => onChange({ ...step, prompt })} />;
  }
}

function GoTo({ label, names, value, onChange }: { label: string; names: string[]; value: string; onChange: (v: string) => void }) {
  const { t } = useTranslation('admin');
  const known = names.includes(value);
  return (
    <Select label={label} data={known ? names : [...names, value].filter(Boolean)} value={value || null} onChange={(v) => v && onChange(v)} error={known ? undefined : t('flow.no_such_step')} searchable />
  );
}

function MenuFields({ step, names, onChange }: Props<Of<'menu'>>) {
  const { t } = useTranslation('admin');
  const digits = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '*', '#'];
  const rows = Object.entries(step.choices).map(([digit, to]) => ({ digit, to }));
  const free = digits.find((d) => !(d in step.choices)) ?? '#';
  return (
    <>
      <ChoicesField label={t('prompts')} kind="prompts" value={step.prompts} onChange={(prompts) => onChange({ ...step, prompts })} />
      <ListField
        label={t('choices')}
        value={rows}
        onChange={(list) => onChange({ ...step, choices: Object.fromEntries(list.map((r) => [r.digit, r.to])) })}
        blank={() => ({ digit: free, to: step.otherwise })}
        addLabel={t('add_choice')}
      >
        {(row, set, i) => (
          <>
            <Select w={88} aria-label={t('key_n', { n: i + 1 })} data={digits.filter((d) => d === row.digit || !(d in step.choices))} value={row.digit} onChange={(v) => v && set({ ...row, digit: v })} />
            <Select className="grow" aria-label={t('key_leads', { key: row.digit })} data={names.includes(row.to) ? names : [...names, row.to].filter(Boolean)} value={row.to || null} onChange={(v) => v && set({ ...row, to: v })} error={names.includes(row.to) ? undefined : t('flow.no_such_step')} />
          </>
        )}
      </ListField>
      <div className="pair">
        <SecondsField label={t('answer_within')} min={1} value={step.timeout_ms} onChange={(v) => onChange({ ...step, timeout_ms: v })} />
        <NumberField label={t('attempts')} min={1} max={9} value={step.attempts} onChange={(attempts) => onChange({ ...step, attempts })} />
        <ChoiceField label={t('invalid_prompt')} kind="prompts" value={step.invalid} onChange={(invalid) => onChange({ ...step, invalid })} />
        <GoTo label={t('exit.otherwise')} names={names} value={step.otherwise} onChange={(otherwise) => onChange({ ...step, otherwise })} />
      </div>
    </>
  );
}

function CollectFields({ step, names, onChange }: Props<Of<'collect'>>) {
  const { t } = useTranslation('admin');
  return (
    <>
      <ChoicesField label={t('prompts')} kind="prompts" value={step.prompts} onChange={(prompts) => onChange({ ...step, prompts })} />
      <div className="pair">
        <TextInput label={t('variable')} value={step.variable} onChange={(e) => onChange({ ...step, variable: e.currentTarget.value })} />
        <SecondsField label={t('answer_within')} min={1} value={step.timeout_ms} onChange={(v) => onChange({ ...step, timeout_ms: v })} />
        <NumberField label={t('min_digits')} min={1} max={32} value={step.min_digits} onChange={(v) => onChange({ ...step, min_digits: v })} />
        <NumberField label={t('max_digits')} min={1} max={32} value={step.max_digits} onChange={(v) => onChange({ ...step, max_digits: v })} />
        <NumberField label={t('attempts')} min={1} max={9} value={step.attempts} onChange={(attempts) => onChange({ ...step, attempts })} />
        <Switch mt={24} label={t('sensitive')} checked={step.sensitive ?? false} onChange={(e) => onChange({ ...step, sensitive: e.currentTarget.checked })} />
        <GoTo label={t('exit.next')} names={names} value={step.next} onChange={(next) => onChange({ ...step, next })} />
        <GoTo label={t('exit.otherwise')} names={names} value={step.otherwise} onChange={(otherwise) => onChange({ ...step, otherwise })} />
      </div>
    </>
  );
}

type Assign = Schemas['Assign'];

function AssignFields({ value, onChange }: { value: Assign; onChange: (a: Assign) => void }) {
  const { t } = useTranslation('admin');
  const start = (kind: string | null): Assign => {
    switch (kind) {
      case 'language':
        return { set: 'language', lang: 'en' };
      case 'variable':
        return { set: 'variable', name: '', value: '' };
      default:
        return { set: 'priority', priority: 10 };
    }
  };
  return (
    <div className="col">
      <Select label={t('what_to_set')} data={(['language', 'priority', 'variable'] as const).map((k) => ({ value: k, label: t(`assign.${k}`) }))} value={value.set} onChange={(v) => onChange(start(v))} />
      {value.set === 'language' ? <LangField label={t('language')} value={value.lang} onChange={(lang) => onChange({ ...value, lang })} /> : null}
      {value.set === 'priority' ? <NumberField label={t('priority')} max={100} value={value.priority} onChange={(priority) => onChange({ ...value, priority })} /> : null}
      {value.set === 'variable' ? (
        <>
          <TextInput label={t('variable')} value={value.name} onChange={(e) => onChange({ ...value, name: e.currentTarget.value })} />
          <TextInput label={t('value')} value={value.value} onChange={(e) => onChange({ ...value, value: e.currentTarget.value })} />
        </>
      ) : null}
    </div>
  );
}
