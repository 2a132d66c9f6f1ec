// Skills, dispositions and break reasons: things that are only a name in two languages.
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import type { Kind, Row } from '../api/names';
import { useLocal } from '../i18n/localized';
import { LocalizedField } from './fields';
import { ResourcePage } from './ResourcePage';

interface Named {
  name: Schemas['Localized'];
}
type NamedKind = Extract<Kind, 'skills' | 'dispositions' | 'break-reasons'>;

interface Calls {
  kind: NamedKind;
  create(body: Named): Promise<unknown>;
  update(id: string, body: Named): Promise<unknown>;
  remove(id: string): Promise<unknown>;
}

function NamedThings({ kind, create, update, remove }: Calls) {
  const { t } = useTranslation('admin');
  const local = useLocal();
  const both = (r: Row<NamedKind>) => [r.name['zh-CN'], r.name.en].filter(Boolean).join(' / ');
  return (
    <ResourcePage<NamedKind, Named>
      kind={kind}
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(200px, 1fr)', cell: (r) => <strong>{local(r.name)}</strong>, title: both },
        { key: 'zh', head: t('in_chinese'), width: 'minmax(160px, 1fr)', cell: (r) => r.name['zh-CN'] ?? '–' },
        { key: 'en', head: t('in_english'), width: 'minmax(160px, 1fr)', cell: (r) => r.name.en ?? '–' },
      ]}
      text={both}
      blank={() => ({ name: {} })}
      toForm={(r) => ({ name: r.name })}
      editor={({ value, set, error }) => <LocalizedField label={t('name')} value={value.name} onChange={(name) => set({ name })} error={error('name')} />}
      create={create}
      update={(r, body) => update(r.id, body)}
      remove={(r) => remove(r.id)}
    />
  );
}

const at = (id: string) => ({ params: { path: { id } } });

export function Skills() {
  return (
    <NamedThings
      kind="skills"
      create={(body) => ok(api.POST('/api/v1/skills', { body }))}
      update={(id, body) => ok(api.PATCH('/api/v1/skills/{id}', { ...at(id), body }))}
      remove={(id) => ok(api.DELETE('/api/v1/skills/{id}', at(id)))}
    />
  );
}

export function Dispositions() {
  return (
    <NamedThings
      kind="dispositions"
      create={(body) => ok(api.POST('/api/v1/dispositions', { body }))}
      update={(id, body) => ok(api.PATCH('/api/v1/dispositions/{id}', { ...at(id), body }))}
      remove={(id) => ok(api.DELETE('/api/v1/dispositions/{id}', at(id)))}
    />
  );
}

export function BreakReasons() {
  return (
    <NamedThings
      kind="break-reasons"
      create={(body) => ok(api.POST('/api/v1/break-reasons', { body }))}
      update={(id, body) => ok(api.PATCH('/api/v1/break-reasons/{id}', { ...at(id), body }))}
      remove={(id) => ok(api.DELETE('/api/v1/break-reasons/{id}', at(id)))}
    />
  );
}
