// Queues: who serves, by which rule, for how long one waits, rings and wraps up, and where work goes otherwise.
import { Button, MultiSelect, NumberInput, Select, Switch } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useChoices } from '../api/names';
import { useLocal } from '../i18n/localized';
import { clock } from '../ui/format';
import { ChoiceField, ChoicesField, DestinationField, ListField, LocalizedField, NumberField, SecondsField, SkillsField } from './fields';
import { MailboxField } from './Mailbox';
import { RecordRuleField } from './RecordRule';
import { type EditorProps, ResourcePage } from './ResourcePage';

type Form = Omit<Schemas['Queue'], 'id'>;

const blank = (): Form => ({
  name: {},
  media: ['voice'],
  members: [],
  required_skills: [],
  strategy: 'longest_idle',
  priority: 0,
  priority_boost_ms: 10_000,
  ring_timeout_ms: 20_000,
  away_after_missed: true,
  wrap_up: { mode: 'optional', limit_ms: 30_000 },
  dispositions: [],
  service_level_ms: 20_000,
  short_abandon_ms: 5000,
  calendar: null,
  max_waiting: 100,
  overflow: null,
  closed: { to: 'hang_up', prompt: null },
  welcome: null,
  music: null,
  comfort: null,
  comfort_every_ms: 30_000,
  record: null,
  transferred: 'kept',
  voicemail: null,
});

export function Queues() {
  const { t } = useTranslation('admin');
  const local = useLocal();
  return (
    <ResourcePage<'queues', Form>
      kind="queues"
      wide
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(160px, 1.5fr)', cell: (r) => <strong>{local(r.name)}</strong>, title: (r) => local(r.name) },
        { key: 'members', head: t('members'), width: '88px', numeric: true, cell: (r) => r.members.length },
        { key: 'strategy', head: t('strategy'), width: 'minmax(120px, 1fr)', cell: (r) => t(`strategies.${r.strategy}`) },
        { key: 'ring', head: t('ring_timeout'), width: '112px', numeric: true, cell: (r) => clock(r.ring_timeout_ms) },
        { key: 'level', head: t('service_level'), width: '120px', numeric: true, cell: (r) => clock(r.service_level_ms) },
        { key: 'wrap', head: t('wrap_up'), width: 'minmax(120px, 1fr)', cell: (r) => t(`wrap_modes.${r.wrap_up.mode}`) },
        { key: 'record', head: t('record'), width: '88px', cell: (r) => t(`recording.short.${r.record?.mode ?? 'as_rule'}`) },
      ]}
      text={(r) => local(r.name)}
      blank={blank}
      toForm={({ id: _, ...form }) => form}
      editor={(p) => <QueueEditor {...p} />}
      create={(body) => ok(api.POST('/api/v1/queues', { body }))}
      update={(r, body) => ok(api.PATCH('/api/v1/queues/{id}', { params: { path: { id: r.id } }, body }))}
      remove={(r) => ok(api.DELETE('/api/v1/queues/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}

function QueueEditor({ value, set, error }: EditorProps<Form, Schemas['Queue']>) {
  const { t } = useTranslation('admin');
  const agents = useChoices('agents');
  const media = (['voice', 'chat', 'email', 'task'] as const).map((m) => ({ value: m, label: t(`medium.${m}`, { ns: 'common' }) }));
  return (
    <>
      <LocalizedField label={t('name')} value={value.name} onChange={(name) => set({ name })} error={error('name')} />
      <MultiSelect label={t('media')} data={media} value={value.media} onChange={(v) => set({ media: v as Form['media'] })} error={error('media')} />

      <h3>{t('who_serves')}</h3>
      <div className="pair">
        <Select label={t('strategy')} data={(['longest_idle', 'skill_level'] as const).map((s) => ({ value: s, label: t(`strategies.${s}`) }))} value={value.strategy} onChange={(v) => v && set({ strategy: v as Form['strategy'] })} />
        <NumberField label={t('priority')} max={100} value={value.priority} onChange={(priority) => set({ priority })} error={error('priority')} />
      </div>
      <SecondsField label={t('priority_boost')} value={value.priority_boost_ms} onChange={(v) => set({ priority_boost_ms: v })} error={error('priority_boost_ms')} />
      <SkillsField label={t('required_skills')} value={value.required_skills} onChange={(v) => set({ required_skills: v })} />
      <ListField
        label={t('members')}
        value={value.members}
        onChange={(members) => set({ members })}
        blank={() => ({ agent: agents.find((a) => !value.members.some((m) => m.agent === a.value))?.value ?? '', priority: 1 })}
        addLabel={t('add_member')}
      >
        {(m, change, i) => (
          <>
            <Select className="grow" aria-label={`${t('agent')} ${i + 1}`} data={agents} searchable value={m.agent} onChange={(v) => v && change({ ...m, agent: v })} />
            <NumberInput w={128} aria-label={`${t('priority')} ${i + 1}`} prefix={`${t('priority')} `} min={1} max={99} value={m.priority ?? 1} onChange={(v) => change({ ...m, priority: Number(v) })} />
          </>
        )}
      </ListField>
      {agents.length > value.members.length ? (
        <div>
          <Button size="compact-sm" variant="subtle" onClick={() => set({ members: agents.map((a) => value.members.find((m) => m.agent === a.value) ?? { agent: a.value, priority: 1 }) })}>
            {t('add_everybody')}
          </Button>
        </div>
      ) : null}

      <h3>{t('times')}</h3>
      <div className="pair">
        <SecondsField label={t('ring_timeout')} min={1} value={value.ring_timeout_ms} onChange={(v) => set({ ring_timeout_ms: v })} error={error('ring_timeout_ms')} />
        <SecondsField label={t('service_level')} value={value.service_level_ms} onChange={(v) => set({ service_level_ms: v })} error={error('service_level_ms')} />
        <SecondsField label={t('short_abandon')} value={value.short_abandon_ms} onChange={(v) => set({ short_abandon_ms: v })} error={error('short_abandon_ms')} />
        <NumberField label={t('max_waiting')} min={1} value={value.max_waiting} onChange={(v) => set({ max_waiting: v })} error={error('max_waiting')} />
      </div>
      <Select label={t('transferred')} description={t('transferred_hint')} data={(['kept', 'back'] as const).map((p) => ({ value: p, label: t(`places.${p}`) }))} value={value.transferred} onChange={(v) => v && set({ transferred: v as Form['transferred'] })} />
      <Switch label={t('away_after_missed')} checked={value.away_after_missed} onChange={(e) => set({ away_after_missed: e.currentTarget.checked })} />

      <h3>{t('afterwards')}</h3>
      <div className="pair">
        <Select label={t('wrap_up')} data={(['none', 'optional', 'required', 'timed'] as const).map((m) => ({ value: m, label: t(`wrap_modes.${m}`) }))} value={value.wrap_up.mode} onChange={(v) => v && set({ wrap_up: { ...value.wrap_up, mode: v as Schemas['WrapUpMode'] } })} />
        <SecondsField label={t('wrap_limit')} value={value.wrap_up.limit_ms ?? 0} onChange={(v) => set({ wrap_up: { ...value.wrap_up, limit_ms: v } })} error={error('wrap_up.limit_ms')} />
      </div>
      <ChoicesField label={t('section.dispositions')} kind="dispositions" value={value.dispositions} onChange={(v) => set({ dispositions: v })} error={error('dispositions')} />
      <h3>{t('recording.title')}</h3>
      <RecordRuleField value={value.record} onChange={(record) => set({ record })} otherwise="as_number" error={error} />

      <h3>{t('hours_overflow')}</h3>
      <ChoiceField label={t('calendar')} kind="calendars" value={value.calendar} onChange={(v) => set({ calendar: v })} error={error('calendar')} />
      <DestinationField label={t('when_closed')} value={value.closed} onChange={(closed) => set({ closed })} />
      <Switch label={t('overflow')} checked={value.overflow !== null} onChange={(e) => set({ overflow: e.currentTarget.checked ? { after_ms: 120_000, to: { to: 'voicemail', greeting: null } } : null })} />
      {value.overflow ? (
        <>
          <SecondsField label={t('overflow_after')} min={1} value={value.overflow.after_ms} onChange={(v) => value.overflow && set({ overflow: { ...value.overflow, after_ms: v } })} error={error('overflow.after_ms')} />
          <DestinationField label={t('overflow_to')} value={value.overflow.to} onChange={(to) => value.overflow && set({ overflow: { ...value.overflow, to } })} />
        </>
      ) : null}

      <h3>{t('voicemail.title')}</h3>
      <MailboxField value={value.voicemail} onChange={(voicemail) => set({ voicemail })} error={error} />

      <h3>{t('sounds')}</h3>
      <div className="pair">
        <ChoiceField label={t('welcome')} kind="prompts" value={value.welcome} onChange={(v) => set({ welcome: v })} />
        <ChoiceField label={t('music')} kind="prompts" value={value.music} onChange={(v) => set({ music: v })} />
        <ChoiceField label={t('comfort')} kind="prompts" value={value.comfort} onChange={(v) => set({ comfort: v })} />
        <SecondsField label={t('comfort_every')} min={5} value={value.comfort_every_ms} onChange={(v) => set({ comfort_every_ms: v })} error={error('comfort_every_ms')} />
      </div>
    </>
  );
}
