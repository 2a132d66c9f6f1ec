// Which days, which intervals, by which time an interaction counts. All of it lives in the URL.
import { Select, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useChoices } from '../api/names';
import { useMe } from '../api/session';
import { fromLocal, toLocal } from '../ui/format';
import { useUrl } from '../ui/search';
import { presets } from './columns';

export function SpanPicker({ kind, from, to }: { kind: 'queues' | 'agents' | 'recordings'; from: number; to: number }) {
  const { t } = useTranslation('reports');
  const me = useMe();
  const [search, set] = useUrl();
  const queues = useChoices('queues');
  const agents = useChoices('agents');
  const whose = kind === 'recordings' ? (['queue', 'agent'] as const) : kind === 'queues' ? (['queue'] as const) : (['agent'] as const);
  const custom = search.from !== undefined;
  const day = (at: number) => toLocal(at, me.time_zone).slice(0, 10);
  const range = (first: string, last: string) => {
    if (!first || !last) return;
    // To the end of the last day: the midnight after its noon.
    const next = toLocal(fromLocal(`${last}T12:00`, me.time_zone) + 86_400_000, me.time_zone).slice(0, 10);
    set({ from: String(fromLocal(first, me.time_zone)), to: String(fromLocal(next, me.time_zone)), span: undefined });
  };
  return (
    <div className="row wrap">
      <Select
        w={140}
        aria-label={t('span')}
        data={[...presets.map((p) => ({ value: p as string, label: t(`preset.${p}`) })), { value: 'custom', label: t('preset.custom') }]}
        value={custom ? 'custom' : (search.span ?? 'last7')}
        onChange={(v) => (v === 'custom' ? range(day(from), day(to - 1)) : set({ span: v ?? undefined, from: undefined, to: undefined }))}
      />
      {custom ? (
        <>
          <TextInput type="date" w={136} aria-label={t('from')} value={day(from)} onChange={(e) => range(e.currentTarget.value, day(to - 1))} />
          <TextInput type="date" w={136} aria-label={t('to')} value={day(to - 1)} onChange={(e) => range(day(from), e.currentTarget.value)} />
        </>
      ) : null}
      {kind === 'recordings' ? null : (
        <>
          <Select
            w={136}
            aria-label={t('interval')}
            data={['15m', '1h', '1d', 'all'].map((v) => ({ value: v, label: t(`every.${v}`) }))}
            value={search.interval ?? '1d'}
            onChange={(v) => set({ interval: v ?? undefined })}
          />
          <Select
            w={160}
            aria-label={t('time')}
            data={['event', 'arrival'].map((v) => ({ value: v, label: t(`by.${v}`) }))}
            value={search.time ?? 'event'}
            onChange={(v) => set({ time: v ?? undefined })}
          />
        </>
      )}
      {whose.map((one) => (
        <Select
          key={one}
          w={150}
          clearable
          searchable
          aria-label={t(`who.${one}`)}
          placeholder={t(`everyone.${one}`)}
          data={one === 'queue' ? queues : agents}
          value={search[one] ?? null}
          onChange={(v) => set({ [one]: v ?? undefined })}
        />
      ))}
      <span className="dim small">{me.time_zone}</span>
    </div>
  );
}
