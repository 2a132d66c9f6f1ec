// Rules of recording: of the company, a number, a queue or an agent, and how people are told.
import { NumberInput, Select } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { ChoiceField, NumberField } from './fields';

type Rule = Schemas['RecordRule'];
type Notice = Schemas['Notice'];

const modes = ['always', 'sample', 'on_demand', 'never', 'forbidden'] as const;
const notices = ['none', 'announcement', 'beep'] as const;

function ruleOf(mode: string | null, notice: Rule['notice']): Rule | null {
  switch (mode) {
    case 'sample':
      return { mode, percent: 20, notice };
    case 'always':
    case 'on_demand':
    case 'never':
    case 'forbidden':
      return { mode, notice };
    default:
      return null;
  }
}

export function noticeOf(kind: string | null): Notice | null {
  switch (kind) {
    case 'announcement':
      return { kind, prompt: '' };
    case 'beep':
      return { kind, every_s: 15 };
    case 'none':
      return { kind };
    default:
      return null;
  }
}

interface Props {
  value: Rule | null | undefined;
  onChange: (rule: Rule | null) => void;
  /** What no rule means: a key below `recording.`. */
  otherwise: 'as_company' | 'as_number' | 'as_queue' | 'as_custom';
  error: (path: string) => string | undefined;
  path?: string;
}

export function RecordRuleField({ value, onChange, otherwise, error, path = 'record' }: Props) {
  const { t } = useTranslation('admin');
  const records = value && value.mode !== 'never' && value.mode !== 'forbidden';
  return (
    <>
      <div className="pair">
        <Select label={t('recording.rule')} description={t('recording.rule_hint')} clearable placeholder={t(`recording.${otherwise}`)} data={modes.map((m) => ({ value: m, label: t(`recording.mode.${m}`) }))} value={value?.mode ?? null} onChange={(m) => onChange(ruleOf(m, value?.notice))} error={error(path)} />
        {value?.mode === 'sample' ? <NumberInput label={t('recording.percent')} description={t('recording.percent_hint')} suffix=" %" min={0} max={100} allowDecimal={false} value={value.percent} onChange={(v) => onChange({ ...value, percent: Number(v) || 0 })} error={error(`${path}.percent`)} /> : null}
      </div>
      {records && otherwise !== 'as_custom' ? <NoticeField value={value.notice ?? null} onChange={(notice) => onChange({ ...value, notice: notice ?? undefined })} optional error={error} path={`${path}.notice`} /> : null}
    </>
  );
}

export function NoticeField({ value, onChange, optional, error, path }: { value: Notice | null; onChange: (n: Notice | null) => void; optional?: boolean; error: (path: string) => string | undefined; path: string }) {
  const { t } = useTranslation('admin');
  return (
    <div className="pair">
      <Select label={t('recording.notice')} clearable={optional} allowDeselect={false} placeholder={t('recording.as_company')} data={notices.map((n) => ({ value: n, label: t(`recording.notices.${n}`) }))} value={value?.kind ?? null} onChange={(k) => onChange(noticeOf(k))} />
      {value?.kind === 'announcement' ? <ChoiceField label={t('recording.announcement')} kind="prompts" required value={value.prompt} onChange={(prompt) => onChange({ kind: 'announcement', prompt: prompt ?? '' })} error={error(path)} /> : null}
      {value?.kind === 'beep' ? <NumberInput label={t('recording.every')} suffix={` ${t('seconds')}`} min={5} max={120} allowDecimal={false} value={value.every_s} onChange={(v) => onChange({ kind: 'beep', every_s: Number(v) || 15 })} error={error(`${path}.every_s`)} /> : null}
    </div>
  );
}

export function RecordingRules({ value, set, error, longest }: { value: Schemas['RecordingFields']; set: (change: Partial<Schemas['RecordingFields']>) => void; error: (path: string) => string | undefined; longest: number }) {
  const { t } = useTranslation('admin');
  return (
    <>
      <RecordRuleField value={value.rule} onChange={(rule) => set({ rule })} otherwise="as_custom" error={error} path="recording.rule" />
      <NoticeField value={value.notice ?? { kind: 'none' }} onChange={(notice) => set({ notice: notice ?? { kind: 'none' } })} error={error} path="recording.notice" />
      <div className="pair">
        <NumberField label={t('recording.mask_s')} min={5} max={900} value={value.mask_s ?? 120} onChange={(mask_s) => set({ mask_s })} error={error('recording.mask_s')} />
        <NumberInput label={t('recording.keep_days')} placeholder={t('recording.keep_longest', { days: longest })} min={1} max={36_500} allowDecimal={false} value={value.keep_days ?? ''} onChange={(v) => set({ keep_days: v === '' ? null : Number(v) })} error={error('recording.keep_days')} />
      </div>
    </>
  );
}
