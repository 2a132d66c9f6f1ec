// Fields used by several editors.
import { ActionIcon, Button, MultiSelect, NumberInput, Select, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { type Kind, useChoices } from '../api/names';
import { Icon } from '../ui/icons';
import { moved } from './lines';

type Localized = Schemas['Localized'];

/** A name in Chinese and English side by side; one of them is enough. */
export function LocalizedField({ label, value, onChange, error }: { label: string; value: Localized; onChange: (v: Localized) => void; error?: string }) {
  const { t } = useTranslation('admin');
  return (
    <div className="pair">
      <TextInput label={`${label} · ${t('in_chinese')}`} value={value['zh-CN'] ?? ''} error={error} maxLength={200} onChange={(e) => onChange({ ...value, 'zh-CN': e.currentTarget.value || undefined })} />
      <TextInput label={`${label} · ${t('in_english')}`} value={value.en ?? ''} error={error ? true : undefined} maxLength={200} onChange={(e) => onChange({ ...value, en: e.currentTarget.value || undefined })} />
    </div>
  );
}

/** Seconds on the screen, milliseconds in the value. */
export function SecondsField({ label, value, onChange, error, min = 0 }: { label: string; value: number; onChange: (ms: number) => void; error?: string; min?: number }) {
  const { t } = useTranslation('admin');
  return <NumberInput label={label} suffix={` ${t('seconds')}`} min={min} value={value / 1000} error={error} onChange={(v) => onChange(Math.round(Number(v) * 1000))} />;
}

export function NumberField({ label, value, onChange, error, min = 0, max }: { label: string; value: number; onChange: (v: number) => void; error?: string; min?: number; max?: number }) {
  return <NumberInput label={label} min={min} max={max} allowDecimal={false} value={value} error={error} onChange={(v) => onChange(Number(v) || 0)} />;
}

interface ChoiceProps {
  label: string;
  kind: Kind;
  value: string | null | undefined;
  onChange: (id: string | null) => void;
  error?: string;
  required?: boolean;
  /** What none means. */
  placeholder?: string;
}

/** One thing of a kind, or none if not required. */
export function ChoiceField({ label, kind, value, onChange, error, required, placeholder }: ChoiceProps) {
  const { t } = useTranslation('admin');
  const data = useChoices(kind);
  return <Select label={label} data={data} value={value ?? null} onChange={onChange} error={error} searchable clearable={!required} required={required} placeholder={placeholder ?? t('none')} nothingFoundMessage={t('nothing_found')} />;
}

export function ChoicesField({ label, kind, value, onChange, error }: { label: string; kind: Kind; value: string[]; onChange: (ids: string[]) => void; error?: string }) {
  const { t } = useTranslation('admin');
  const data = useChoices(kind);
  return <MultiSelect label={label} data={data} value={value} onChange={onChange} error={error} searchable clearable placeholder={value.length === 0 ? t('none') : undefined} nothingFoundMessage={t('nothing_found')} />;
}

interface ListProps<T> {
  label: string;
  value: T[];
  onChange: (v: T[]) => void;
  blank: () => T;
  children: (row: T, set: (r: T) => void, index: number) => ReactNode;
  addLabel: string;
  /** The order means something: rows can be moved. */
  ordered?: boolean;
  description?: string;
  error?: string;
}

/** A list of rows that can be added to and taken from. */
export function ListField<T>({ label, value, onChange, blank, children, addLabel, ordered, description, error }: ListProps<T>) {
  const { t } = useTranslation('admin');
  return (
    <fieldset className="plain list-field">
      <legend>{label}</legend>
      {description ? <p className="dim small list-hint">{description}</p> : null}
      {value.map((row, i) => (
        // Rows have no identity of their own; they are only appended and removed.
        <div key={i} className="list-row">
          <div className="grow row wrap">{children(row, (r) => onChange(value.map((x, n) => (n === i ? r : x))), i)}</div>
          {ordered ? (
            <>
              <ActionIcon aria-label={t('move_up', { n: i + 1 })} disabled={i === 0} onClick={() => onChange(moved(value, i, -1))}>
                <Icon name="up" size={16} />
              </ActionIcon>
              <ActionIcon aria-label={t('move_down', { n: i + 1 })} disabled={i === value.length - 1} onClick={() => onChange(moved(value, i, 1))}>
                <Icon name="chevron" size={16} />
              </ActionIcon>
            </>
          ) : null}
          <ActionIcon aria-label={t('remove_row', { n: i + 1 })} onClick={() => onChange(value.filter((_, n) => n !== i))}>
            <Icon name="close" size={16} />
          </ActionIcon>
        </div>
      ))}
      <Button size="compact-sm" variant="subtle" leftSection={<Icon name="plus" size={16} />} onClick={() => onChange([...value, blank()])}>
        {addLabel}
      </Button>
      {error ? (
        <p className="small list-error" role="alert">
          {error}
        </p>
      ) : null}
    </fieldset>
  );
}

export function SkillsField({ value, onChange, label }: { value: Schemas['SkillLevel'][]; onChange: (v: Schemas['SkillLevel'][]) => void; label: string }) {
  const { t } = useTranslation('admin');
  const skills = useChoices('skills');
  return (
    <ListField label={label} value={value} onChange={onChange} blank={() => ({ skill: skills.find((s) => !value.some((v) => v.skill === s.value))?.value ?? '', level: 5 })} addLabel={t('add_skill')}>
      {(row, set, i) => (
        <>
          <Select className="grow" aria-label={`${t('skill')} ${i + 1}`} data={skills} value={row.skill} onChange={(v) => v && set({ ...row, skill: v })} />
          <NumberInput w={120} aria-label={`${t('level')} ${i + 1}`} prefix={`${t('level')} `} min={1} max={10} value={row.level} onChange={(v) => set({ ...row, level: Number(v) })} />
        </>
      )}
    </ListField>
  );
}

type Destination = Schemas['Destination'];

/** Where an interaction goes next. */
export function DestinationField({ label, value, onChange }: { label: string; value: Destination; onChange: (d: Destination) => void }) {
  const { t } = useTranslation('admin');
  const kinds = ['queue', 'flow', 'voicemail', 'hang_up'] as const;
  const start = (to: string | null): Destination => {
    switch (to) {
      case 'queue':
        return { to, queue: '' };
      case 'flow':
        return { to, flow: '' };
      case 'voicemail':
        return { to, greeting: null };
      default:
        return { to: 'hang_up', prompt: null };
    }
  };
  return (
    <div className="pair">
      <Select label={label} data={kinds.map((k) => ({ value: k, label: t(`destination.${k}`) }))} value={value.to} onChange={(v) => onChange(start(v))} />
      {value.to === 'queue' ? <ChoiceField label={t('section.queues')} kind="queues" value={value.queue} required onChange={(v) => onChange({ ...value, queue: v ?? '' })} /> : null}
      {value.to === 'flow' ? <ChoiceField label={t('section.flows')} kind="flows" value={value.flow} required onChange={(v) => onChange({ ...value, flow: v ?? '' })} /> : null}
      {value.to === 'voicemail' ? <ChoiceField label={t('greeting')} kind="prompts" value={value.greeting} onChange={(v) => onChange({ ...value, greeting: v })} /> : null}
      {value.to === 'hang_up' ? <ChoiceField label={t('farewell')} kind="prompts" value={value.prompt} onChange={(v) => onChange({ ...value, prompt: v })} /> : null}
    </div>
  );
}

const zones = (): string[] => {
  try {
    return Intl.supportedValuesOf('timeZone');
  } catch {
    return ['Asia/Shanghai', 'UTC'];
  }
};

export function ZoneField({ label, value, onChange, error, clearable }: { label: string; value: string | null; onChange: (v: string | null) => void; error?: string; clearable?: boolean }) {
  const { t } = useTranslation('admin');
  const all = zones();
  const data = value && !all.includes(value) ? [value, ...all] : all;
  return <Select label={label} data={data} searchable limit={80} clearable={clearable} value={value} onChange={onChange} error={error} placeholder={t('none')} nothingFoundMessage={t('nothing_found')} />;
}

export function LangField({ label, value, onChange }: { label: string; value: Schemas['Lang']; onChange: (v: Schemas['Lang']) => void }) {
  const { t } = useTranslation('admin');
  return (
    <Select
      label={label}
      data={[
        { value: 'zh-CN', label: t('in_chinese') },
        { value: 'en', label: t('in_english') },
      ]}
      value={value}
      onChange={(v) => v && onChange(v as Schemas['Lang'])}
    />
  );
}

// The regions whose country code the server knows, for national numbers.
const regions = 'CN HK MO TW SG MY JP KR TH VN ID PH IN AU NZ US CA GB IE DE AT CH FR ES PT IT NL BE SE NO DK FI PL BR MX'.split(' ');

export function RegionField({ label, description, value, onChange, error }: { label: string; description?: string; value: string | null; onChange: (v: string | null) => void; error?: string }) {
  const { t, i18n } = useTranslation('admin');
  const names = new Intl.DisplayNames([i18n.language], { type: 'region' });
  const all = value && !regions.includes(value) ? [value, ...regions] : regions;
  // The hint below, so that the field stands level with its neighbour.
  return <Select label={label} description={description} inputWrapperOrder={['label', 'input', 'description', 'error']} data={all.map((r) => ({ value: r, label: `${names.of(r) ?? r} (${r})` }))} searchable clearable value={value} onChange={onChange} error={error} placeholder={t('none')} nothingFoundMessage={t('nothing_found')} />;
}

const codecs = ['pcma', 'pcmu', 'g722', 'opus'] as const;

/** Codecs in the order in which they are chosen, the best first; none for what the server does by itself. */
export function CodecsField({ label, hint, usual, value, set, error }: { label?: string; hint?: string; usual?: string; value: Schemas['Codec'][]; set: (value: Schemas['Codec'][]) => void; error?: string }) {
  const { t } = useTranslation('admin');
  const data = codecs.map((v) => ({ value: v, label: t(`codecs.${v}`) }));
  return <MultiSelect label={label ?? t('codecs.label')} description={hint ?? t('codecs.hint')} placeholder={value.length === 0 ? (usual ?? t('codecs.usual')) : undefined} data={data} value={value} onChange={(v) => set(v as Schemas['Codec'][])} error={error} clearable hidePickedOptions />;
}

/** Whether sound to and from a phone or trunk is encrypted. */
export function SrtpField({ value, set }: { value: Schemas['Srtp']; set: (value: Schemas['Srtp']) => void }) {
  const { t } = useTranslation('admin');
  const choices = (['off', 'offered', 'required'] as const).map((v) => ({ value: v, label: t(`srtp.${v}`) }));
  return <Select label={t('srtp.label')} description={t('srtp.hint')} allowDeselect={false} data={choices} value={value} onChange={(v) => v && set(v as Schemas['Srtp'])} />;
}
