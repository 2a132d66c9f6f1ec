// Teams: users and queues a supervisor answers for.
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useNameOf } from '../api/names';
import { useLocal } from '../i18n/localized';
import { ChoicesField, LocalizedField } from './fields';
import { ResourcePage } from './ResourcePage';

export function Teams() {
  const { t } = useTranslation('admin');
  const local = useLocal();
  const queue = useNameOf('queues');
  const queues = (r: Schemas['Team']) => r.queues.map((q) => queue(q)).join(', ');
  return (
    <ResourcePage<'teams', { name: Schemas['Localized']; queues: string[] }>
      kind="teams"
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(160px, 1fr)', cell: (r) => <strong>{local(r.name)}</strong>, title: (r) => local(r.name) },
        { key: 'queues', head: t('section.queues'), width: 'minmax(200px, 2fr)', cell: (r) => queues(r) || '–', title: queues },
      ]}
      text={(r) => local(r.name)}
      blank={() => ({ name: {}, queues: [] })}
      toForm={(r) => ({ name: r.name, queues: r.queues })}
      editor={({ value, set, error }) => (
        <>
          <LocalizedField label={t('name')} value={value.name} onChange={(name) => set({ name })} error={error('name')} />
          <ChoicesField label={t('section.queues')} kind="queues" value={value.queues} onChange={(v) => set({ queues: v })} error={error('queues')} />
        </>
      )}
      create={(body) => ok(api.POST('/api/v1/teams', { body }))}
      update={(r, body) => ok(api.PATCH('/api/v1/teams/{id}', { params: { path: { id: r.id } }, body }))}
      remove={(r) => ok(api.DELETE('/api/v1/teams/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}
