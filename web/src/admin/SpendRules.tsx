// Prices of calls out and limits of spending, and what is spent today and this month.
import { NumberInput, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { money, useSpend } from '../live/spend';
import '../live/spend.css';
import { NumberField } from './fields';

type Rules = Schemas['SpendFields'];
const classes = ['national', 'international', 'premium'] as const;

export function SpendRules({ value, set, error }: { value: Rules; set: (change: Partial<Rules>) => void; error: (path: string) => string | undefined }) {
  const { t, i18n } = useTranslation('admin');
  const prices = value.prices ?? [];
  const price = (c: (typeof classes)[number]) => prices.find((p) => p.class === c);
  const put = (c: (typeof classes)[number], change: { per_minute?: number | null; connection?: number }) => {
    const others = prices.filter((p) => p.class !== c);
    if (change.per_minute === null) return set({ prices: others });
    const next = { class: c, per_minute: 0, connection: 0, ...price(c), ...change } as (typeof prices)[number];
    set({ prices: [...others, next] });
  };
  const shown = (minor: number | null | undefined) => (minor ? money(minor, value.currency, i18n.language) : undefined);
  const limit = (key: 'day' | 'month' | 'agent_day') => (
    <NumberInput
      label={t(`spend.${key}`)}
      description={shown(value[key]) ?? t('spend.no_limit')}
      min={0}
      max={1_000_000_000_000}
      allowDecimal={false}
      value={value[key] ?? ''}
      onChange={(v) => set({ [key]: v === '' ? null : Number(v) })}
      error={error(`outbound.spend.${key}`)}
    />
  );
  return (
    <fieldset className="plain col" id="spend">
      <legend>
        <strong>{t('spend.title')}</strong>
      </legend>
      <p className="dim small">{t('spend.hint')}</p>
      <Spent />
      <div className="pair">
        <TextInput label={t('spend.currency')} maxLength={3} value={value.currency} onChange={(e) => set({ currency: e.currentTarget.value.toUpperCase() })} error={error('outbound.spend.currency')} />
        <NumberField label={t('spend.alarm_percent')} min={1} max={100} value={value.alarm_percent ?? 80} onChange={(alarm_percent) => set({ alarm_percent })} error={error('outbound.spend.alarm_percent')} />
      </div>
      {classes.map((c) => (
        <div className="pair" key={c}>
          <NumberInput
            label={t('spend.per_minute', { what: t(`call_class.${c}`) })}
            description={shown(price(c)?.per_minute) ?? t('spend.free')}
            min={0}
            max={1_000_000}
            allowDecimal={false}
            value={price(c)?.per_minute ?? ''}
            onChange={(v) => put(c, { per_minute: v === '' ? null : Number(v) })}
          />
          <NumberInput
            label={t('spend.connection', { what: t(`call_class.${c}`) })}
            description={shown(price(c)?.connection) ?? t('spend.free')}
            min={0}
            max={1_000_000}
            allowDecimal={false}
            disabled={!price(c)}
            value={price(c)?.connection ?? ''}
            onChange={(v) => put(c, { connection: Number(v) || 0 })}
          />
        </div>
      ))}
      <div className="pair">
        {limit('day')}
        {limit('month')}
        {limit('agent_day')}
      </div>
    </fieldset>
  );
}

/** Bars of today and this month, as they stand under the rules in force. */
function Spent() {
  const { t, i18n } = useTranslation('admin');
  const report = useSpend();
  if (!report) return null;
  const bar = (name: string, sum: Schemas['SpendSum'], key: string) => {
    const of = sum.most == null ? '' : ` / ${money(sum.most, report.currency, i18n.language)}`;
    const text = `${money(sum.spent, report.currency, i18n.language)}${of}`;
    return (
      <div key={key} className="spend-bar" data-testid={`spent-${key}`}>
        <span className="cut" title={name}>
          {name}
        </span>
        {sum.most == null ? <span /> : <meter aria-label={name} min={0} max={Math.max(1, sum.most)} low={sum.most * 0.8} high={sum.most * 0.99} optimum={0} value={Math.min(sum.spent, sum.most)} />}
        <span className="num">{text}</span>
      </div>
    );
  };
  return (
    <div className="col" data-testid="spent">
      {bar(t('spend.today'), report.day, 'day')}
      {bar(t('spend.this_month'), report.month, 'month')}
      {report.agents.map((a) => bar(a.agent.name, a.sum, a.agent.id))}
    </div>
  );
}
