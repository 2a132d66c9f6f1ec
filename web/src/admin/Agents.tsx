// Agents: users on the floor, with skills and capacity.
import { Switch, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useNameOf } from '../api/names';
import { ChoiceField, NumberField, SkillsField } from './fields';
import { RecordRuleField } from './RecordRule';
import { ResourcePage } from './ResourcePage';

type Form = Omit<Schemas['Agent'], 'id'>;

export function Agents() {
  const { t } = useTranslation('admin');
  const team = useNameOf('teams');
  const skill = useNameOf('skills');
  const skills = (r: Schemas['Agent']) => r.skills.map((s) => `${skill(s.skill)} ${s.level}`).join(', ');
  return (
    <ResourcePage<'agents', Form>
      kind="agents"
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(140px, 1fr)', cell: (r) => <strong>{r.name}</strong>, title: (r) => r.name },
        { key: 'ext', head: t('extension'), width: '88px', cell: (r) => <span className="num">{r.extension}</span> },
        { key: 'team', head: t('team'), width: 'minmax(120px, 1fr)', cell: (r) => team(r.team) || '–', title: (r) => team(r.team) },
        { key: 'skills', head: t('section.skills'), width: 'minmax(160px, 2fr)', cell: (r) => skills(r) || '–', title: skills },
        {
          key: 'active',
          head: t('state'),
          width: '96px',
          cell: (r) => (
            <span className="state" data-tone={r.active ? 'ready' : 'away'}>
              {t(r.active ? 'active' : 'inactive')}
            </span>
          ),
        },
      ]}
      text={(r) => `${r.name} ${r.extension}`}
      blank={() => ({ user: '', name: '', extension: '', team: null, skills: [], capacity: { voice: 1, chat: 3, email: 5, task: 5 }, active: true, record: null })}
      toForm={({ id: _, ...form }) => form}
      editor={({ value, set, error, row }) => (
        <>
          {row ? null : <ChoiceField label={t('user')} kind="users" required value={value.user} onChange={(v) => set({ user: v ?? '' })} error={error('user')} />}
          <TextInput label={t('name')} required maxLength={100} value={value.name} error={error('name')} onChange={(e) => set({ name: e.currentTarget.value })} />
          <TextInput label={t('extension')} required maxLength={10} value={value.extension} error={error('extension')} onChange={(e) => set({ extension: e.currentTarget.value })} />
          <ChoiceField label={t('team')} kind="teams" value={value.team} onChange={(v) => set({ team: v })} error={error('team')} />
          <SkillsField label={t('section.skills')} value={value.skills} onChange={(v) => set({ skills: v })} />
          <h3>{t('capacity')}</h3>
          <div className="pair">
            {(['voice', 'chat', 'email', 'task'] as const).map((m) => (
              <NumberField key={m} label={t(`medium.${m}`, { ns: 'common' })} max={100} value={value.capacity[m] ?? 0} onChange={(v) => set({ capacity: { ...value.capacity, [m]: v } })} error={error(`capacity.${m}`)} />
            ))}
          </div>
          <RecordRuleField value={value.record} onChange={(record) => set({ record })} otherwise="as_queue" error={error} />
          <Switch label={t('active')} checked={value.active} onChange={(e) => set({ active: e.currentTarget.checked })} />
        </>
      )}
      create={(body) => ok(api.POST('/api/v1/agents', { body }))}
      update={(r, body) => ok(api.PATCH('/api/v1/agents/{id}', { params: { path: { id: r.id } }, body }))}
      remove={(r) => ok(api.DELETE('/api/v1/agents/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}
