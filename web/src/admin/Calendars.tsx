// Calendars: weekly opening hours and holidays in a time zone.
import { Select, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { useLocal } from '../i18n/localized';
import { ListField, LocalizedField, ZoneField } from './fields';
import { ResourcePage } from './ResourcePage';

type Form = Omit<Schemas['Calendar'], 'id'>;

/** Minutes of a day as `09:00`; the end of a day is `24:00`, which browsers write as `00:00`. */
export function minuteText(minute: number): string {
  return `${String(Math.floor(minute / 60) % 24).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

export function minuteOf(text: string, end: boolean): number {
  const [h, m] = text.split(':').map(Number);
  const minute = (h ?? 0) * 60 + (m ?? 0);
  return end && minute === 0 ? 1440 : minute;
}

function TimeRange({ from, to, onChange, label }: { from: number; to: number; onChange: (from: number, to: number) => void; label: string }) {
  const { t } = useTranslation('admin');
  return (
    <>
      <TextInput className="time-input" type="time" aria-label={`${label} ${t('opens')}`} value={minuteText(from)} onChange={(e) => onChange(minuteOf(e.currentTarget.value, false), to)} />
      <span aria-hidden>–</span>
      <TextInput className="time-input" type="time" aria-label={`${label} ${t('closes')}`} value={minuteText(to)} onChange={(e) => onChange(from, minuteOf(e.currentTarget.value, true))} />
    </>
  );
}

export function Calendars() {
  const { t } = useTranslation('admin');
  const local = useLocal();
  const me = useMe();
  const days = [1, 2, 3, 4, 5, 6, 7].map((d) => ({ value: String(d), label: t(`weekday.${d}`) }));
  return (
    <ResourcePage<'calendars', Form>
      kind="calendars"
      wide
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(160px, 1fr)', cell: (r) => <strong>{local(r.name)}</strong>, title: (r) => local(r.name) },
        { key: 'zone', head: t('time_zone'), width: 'minmax(140px, 1fr)', cell: (r) => r.time_zone },
        { key: 'days', head: t('open_days'), width: 'minmax(160px, 1.5fr)', cell: (r) => [...new Set(r.weekly.map((w) => w.weekday))].sort().map((d) => t(`weekday.${d}`)).join(' ') || '–' },
        { key: 'holidays', head: t('holidays'), width: '96px', numeric: true, cell: (r) => r.holidays.length },
      ]}
      text={(r) => local(r.name)}
      blank={() => ({ name: {}, time_zone: me.time_zone, weekly: [1, 2, 3, 4, 5].map((weekday) => ({ weekday, from_minute: 540, to_minute: 1080 })), holidays: [] })}
      toForm={({ id: _, ...form }) => form}
      editor={({ value, set, error }) => (
        <>
          <LocalizedField label={t('name')} value={value.name} onChange={(name) => set({ name })} error={error('name')} />
          <ZoneField label={t('time_zone')} value={value.time_zone} onChange={(v) => set({ time_zone: v ?? 'UTC' })} error={error('time_zone')} />
          <ListField label={t('weekly')} value={value.weekly} onChange={(weekly) => set({ weekly })} blank={() => ({ weekday: 1, from_minute: 540, to_minute: 1080 })} addLabel={t('add_hours')}>
            {(w, change, i) => (
              <>
                <Select w={112} aria-label={`${t('day')} ${i + 1}`} data={days} value={String(w.weekday)} onChange={(v) => change({ ...w, weekday: Number(v) })} />
                <TimeRange label={`${i + 1}`} from={w.from_minute} to={w.to_minute} onChange={(from_minute, to_minute) => change({ ...w, from_minute, to_minute })} />
              </>
            )}
          </ListField>
          <ListField label={t('holidays')} value={value.holidays} onChange={(holidays) => set({ holidays })} blank={() => ({ date: new Date().toISOString().slice(0, 10), name: {}, hours: [] })} addLabel={t('add_holiday')}>
            {(h, change, i) => (
              <>
                <TextInput w={136} type="date" aria-label={`${t('date')} ${i + 1}`} value={h.date} onChange={(e) => change({ ...h, date: e.currentTarget.value })} />
                <TextInput w={120} aria-label={`${t('in_chinese')} ${i + 1}`} placeholder={t('in_chinese')} value={h.name['zh-CN'] ?? ''} onChange={(e) => change({ ...h, name: { ...h.name, 'zh-CN': e.currentTarget.value || undefined } })} />
                <TextInput w={120} aria-label={`${t('in_english')} ${i + 1}`} placeholder={t('in_english')} value={h.name.en ?? ''} onChange={(e) => change({ ...h, name: { ...h.name, en: e.currentTarget.value || undefined } })} />
                <Select
                  w={128}
                  aria-label={`${t('hours')} ${i + 1}`}
                  data={[
                    { value: 'closed', label: t('closed_all_day') },
                    { value: 'hours', label: t('special_hours') },
                  ]}
                  value={(h.hours ?? []).length > 0 ? 'hours' : 'closed'}
                  onChange={(v) => change({ ...h, hours: v === 'hours' ? [{ from_minute: 540, to_minute: 720 }] : [] })}
                />
                {(h.hours ?? []).map((x, n) => (
                  <TimeRange key={n} label={`${t('holidays')} ${i + 1}.${n + 1}`} from={x.from_minute} to={x.to_minute} onChange={(from_minute, to_minute) => change({ ...h, hours: (h.hours ?? []).map((y, m) => (m === n ? { from_minute, to_minute } : y)) })} />
                ))}
              </>
            )}
          </ListField>
        </>
      )}
      create={(body) => ok(api.POST('/api/v1/calendars', { body }))}
      update={(r, body) => ok(api.PATCH('/api/v1/calendars/{id}', { params: { path: { id: r.id } }, body }))}
      remove={(r) => ok(api.DELETE('/api/v1/calendars/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}
