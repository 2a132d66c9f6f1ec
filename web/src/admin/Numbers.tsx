// Numbers: what can be dialled and where it leads.
import { Select, Switch, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useNameOf } from '../api/names';
import { useLocal } from '../i18n/localized';
import { ChoiceField, LangField, LocalizedField } from './fields';
import { RecordRuleField } from './RecordRule';
import { ResourcePage } from './ResourcePage';

type Form = Omit<Schemas['Number'], 'id'>;
type Entry = Schemas['EntryPoint'];

function entry(kind: string | null): Entry {
  switch (kind) {
    case 'flow':
      return { entry: 'flow', flow: '' };
    case 'device':
      return { entry: 'device', device: '' };
    case 'echo':
      return { entry: 'echo' };
    default:
      return { entry: 'queue', queue: '' };
  }
}

export function Numbers() {
  const { t } = useTranslation('admin');
  const local = useLocal();
  const queue = useNameOf('queues');
  const flow = useNameOf('flows');
  const device = useNameOf('devices');
  const leads = (e: Entry) => {
    switch (e.entry) {
      case 'queue':
        return `${t('entry.queue')} · ${queue(e.queue)}`;
      case 'flow':
        return `${t('entry.flow')} · ${flow(e.flow)}`;
      case 'device':
        return `${t('entry.device')} · ${device(e.device)}`;
      case 'echo':
        return t('entry.echo');
    }
  };
  return (
    <ResourcePage<'numbers', Form>
      kind="numbers"
      columns={[
        { key: 'number', head: t('number'), width: '140px', cell: (r) => <strong className="num">{r.number}</strong> },
        { key: 'name', head: t('name'), width: 'minmax(140px, 1fr)', cell: (r) => local(r.name), title: (r) => local(r.name) },
        { key: 'entry', head: t('leads_to'), width: 'minmax(160px, 1.5fr)', cell: (r) => leads(r.entry), title: (r) => leads(r.entry) },
        { key: 'lang', head: t('language'), width: '96px', cell: (r) => t(`language.${r.lang}`, { ns: 'common' }) },
        {
          key: 'marks',
          head: t('marks'),
          width: '168px',
          cell: (r) => (
            <span className="row">
              {r.web ? <span className="tag">{t('web')}</span> : null}
              {r.sample ? <span className="tag">{t('sample')}</span> : null}
            </span>
          ),
        },
      ]}
      text={(r) => `${r.number} ${local(r.name)}`}
      blank={() => ({ number: '', name: {}, entry: entry('queue'), lang: 'zh-CN', sample: false, web: false, record: null })}
      toForm={({ id: _, ...form }) => form}
      editor={({ value, set, error }) => (
        <>
          <TextInput label={t('number')} required value={value.number} error={error('number')} onChange={(e) => set({ number: e.currentTarget.value })} />
          <LocalizedField label={t('name')} value={value.name} onChange={(name) => set({ name })} error={error('name')} />
          <div className="pair">
            <Select label={t('leads_to')} data={(['queue', 'flow', 'device', 'echo'] as const).map((k) => ({ value: k, label: t(`entry.${k}`) }))} value={value.entry.entry} onChange={(v) => set({ entry: entry(v) })} />
            {value.entry.entry === 'queue' ? <ChoiceField label={t('entry.queue')} kind="queues" required value={value.entry.queue} onChange={(v) => set({ entry: { entry: 'queue', queue: v ?? '' } })} error={error('entry.queue')} /> : null}
            {value.entry.entry === 'flow' ? <ChoiceField label={t('entry.flow')} kind="flows" required value={value.entry.flow} onChange={(v) => set({ entry: { entry: 'flow', flow: v ?? '' } })} error={error('entry.flow')} /> : null}
            {value.entry.entry === 'device' ? <ChoiceField label={t('entry.device')} kind="devices" required value={value.entry.device} onChange={(v) => set({ entry: { entry: 'device', device: v ?? '' } })} error={error('entry.device')} /> : null}
          </div>
          <LangField label={t('language')} value={value.lang} onChange={(lang) => set({ lang })} />
          <RecordRuleField value={value.record} onChange={(record) => set({ record })} otherwise="as_company" error={error} />
          <Switch label={t('web_long')} checked={value.web ?? false} onChange={(e) => set({ web: e.currentTarget.checked })} />
          <Switch label={t('sample_long')} checked={value.sample ?? false} onChange={(e) => set({ sample: e.currentTarget.checked })} />
        </>
      )}
      create={(body) => ok(api.POST('/api/v1/numbers', { body }))}
      update={(r, body) => ok(api.PATCH('/api/v1/numbers/{id}', { params: { path: { id: r.id } }, body }))}
      remove={(r) => ok(api.DELETE('/api/v1/numbers/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}
