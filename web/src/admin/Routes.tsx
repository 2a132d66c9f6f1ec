// Outbound routes: which numbers go out by which trunks, in which order and with which shares.
import { NumberInput, Select, Switch, Textarea, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useChoices, useNameOf } from '../api/names';
import { ChoiceField, ListField } from './fields';
import { isPrefix, lines, prefixOf, shares } from './lines';
import { type EditorProps, ResourcePage } from './ResourcePage';

type Route = Schemas['Route'];
/** Prefixes as they are written; the empty one is a switch. */
type Form = Omit<Route, 'id' | 'prefixes'> & { prefixes: string; everything: boolean };

const classes = ['national', 'international', 'premium'] as const;
const formats = ['e164', 'digits', 'national'] as const;

const body = ({ prefixes, everything, trunks, ...form }: Form) => ({
  ...form,
  prefixes: [...lines(prefixes).map(prefixOf), ...(everything ? [''] : [])],
  trunks: trunks.filter((x) => x.trunk !== ''),
});

export function Routes() {
  const { t } = useTranslation('admin');
  const trunk = useNameOf('trunks');
  const beginnings = (r: Route) => r.prefixes.map((p) => p || t('route.everything')).join(', ');
  // Equals beside each other, those who wait behind them.
  const by = (r: Route) =>
    [...new Set(r.trunks.map((x) => x.priority))]
      .sort((a, b) => a - b)
      .map((p) => shares(r.trunks.filter((x) => x.priority === p)).map((x) => (x.share ? `${trunk(x.trunk)} ${x.share}` : trunk(x.trunk))).join(' + '))
      .join(' → ');
  return (
    <ResourcePage<'routes', Form>
      kind="routes"
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(140px, 1fr)', cell: (r) => <strong>{r.name}</strong>, title: (r) => r.name },
        { key: 'prefixes', head: t('route.prefixes'), width: 'minmax(160px, 1.5fr)', cell: beginnings, title: beginnings },
        { key: 'trunks', head: t('section.trunks'), width: 'minmax(160px, 1.5fr)', cell: by, title: by },
        { key: 'format', head: t('route.format'), width: '168px', cell: (r) => t(`route.formats_short.${r.format}`) },
        { key: 'class', head: t('route.class'), width: '156px', cell: (r) => (r.class ? t(`call_class.${r.class}`) : t('route.by_number')) },
      ]}
      text={(r) => `${r.name}\n${r.prefixes.join(' ')}`}
      blank={() => ({ name: '', prefixes: '', everything: false, trunks: [{ trunk: '', priority: 1, weight: 1 }], format: 'e164', class: null, caller: null })}
      toForm={({ id: _, prefixes, ...form }) => ({ ...form, prefixes: prefixes.filter(Boolean).join('\n'), everything: prefixes.includes('') })}
      editor={(p) => <RouteEditor {...p} />}
      create={(form) => ok(api.POST('/api/v1/routes', { body: body(form) }))}
      update={(r, form) => ok(api.PATCH('/api/v1/routes/{id}', { params: { path: { id: r.id } }, body: body(form) }))}
      remove={(r) => ok(api.DELETE('/api/v1/routes/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}

function RouteEditor({ value, set, error }: EditorProps<Form, Route>) {
  const { t } = useTranslation('admin');
  const trunks = useChoices('trunks');
  const free = (own: string | null) => trunks.filter((x) => x.value === own || !value.trunks.some((y) => y.trunk === x.value));
  const written = lines(value.prefixes).map(prefixOf);
  const wrong = written.filter((p) => !isPrefix(p));
  // The server says which one by its place in the list.
  const refused = error('prefixes') ?? written.map((_, i) => error(`prefixes[${i}]`)).find(Boolean);
  return (
    <>
      <TextInput label={t('name')} required maxLength={100} value={value.name} error={error('name')} onChange={(e) => set({ name: e.currentTarget.value })} />
      <Textarea
        label={t('route.prefixes')}
        description={t('route.prefixes_hint')}
        placeholder={'+86\n95'}
        autosize
        minRows={2}
        maxRows={8}
        value={value.prefixes}
        error={wrong.length > 0 ? t('route.no_prefix', { list: wrong.join(', ') }) : refused}
        onChange={(e) => set({ prefixes: e.currentTarget.value })}
      />
      <Switch label={t('route.everything_long')} checked={value.everything} onChange={(e) => set({ everything: e.currentTarget.checked })} />
      <ListField
        label={t('section.trunks')}
        description={t('route.trunks_hint')}
        value={value.trunks}
        onChange={(list) => set({ trunks: list })}
        blank={() => ({ trunk: free(null)[0]?.value ?? '', priority: Math.min(99, Math.max(0, ...value.trunks.map((x) => x.priority)) + 1), weight: 1 })}
        addLabel={t('route.add_trunk')}
        error={error('trunks') ?? value.trunks.map((_, i) => error(`trunks[${i}].trunk`)).find(Boolean)}
      >
        {(x, change, i) => (
          <>
            <Select
              className="grow"
              aria-label={t('route.trunk_n', { n: i + 1 })}
              data={free(x.trunk)}
              value={x.trunk || null}
              placeholder={t('route.choose_trunk')}
              nothingFoundMessage={t('nothing_found')}
              onChange={(v) => v && change({ ...x, trunk: v })}
            />
            <NumberInput w={112} aria-label={`${t('route.priority')} ${i + 1}`} prefix={`${t('route.priority')} `} min={1} max={99} allowDecimal={false} value={x.priority} error={error(`trunks[${i}].priority`)} onChange={(v) => change({ ...x, priority: Number(v) || 1 })} />
            <NumberInput w={112} aria-label={`${t('route.weight')} ${i + 1}`} prefix={`${t('route.weight')} `} min={1} max={1000} allowDecimal={false} value={x.weight} error={error(`trunks[${i}].weight`)} onChange={(v) => change({ ...x, weight: Number(v) || 1 })} />
          </>
        )}
      </ListField>
      {trunks.length === 0 ? (
        <p className="alert" data-tone="warn">
          {t('route.no_trunks')}{' '}
          <Link to="/admin/$section" params={{ section: 'trunks' }} search={{ open: 'new' }}>
            {t('new_of', { what: t('section.trunks') })}
          </Link>
        </p>
      ) : null}
      <ChoiceField label={t('route.caller')} kind="numbers" placeholder={t('route.caller_company')} value={value.caller} onChange={(caller) => set({ caller })} error={error('caller')} />
      <Select label={t('route.format')} data={formats.map((f) => ({ value: f, label: t(`route.formats.${f}`) }))} value={value.format} onChange={(v) => v && set({ format: v as Form['format'] })} />
      <Select
        label={t('route.class')}
        description={t('route.class_hint')}
        data={[{ value: '', label: t('route.by_number') }, ...classes.map((c) => ({ value: c, label: t(`call_class.${c}`) }))]}
        value={value.class ?? ''}
        onChange={(v) => set({ class: v ? (v as Form['class']) : null })}
      />
    </>
  );
}
