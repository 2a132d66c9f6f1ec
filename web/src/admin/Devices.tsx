// Devices: phones and addresses where agents can be reached; many at once; secrets are shown once, with what a phone
// is to be told.
import { Button, Drawer, Select, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { listKey, useAll, useNameOf } from '../api/names';
import { useMay } from '../api/session';
import { pick } from '../i18n/localized';
import { CopyButton } from '../ui/CopyButton';
import { ChoiceField, CodecsField, SrtpField } from './fields';
import { PhoneSetup, type SetupDevice } from './PhoneSetup';
import { ResourcePage } from './ResourcePage';
import { manage } from './sections';

interface Form {
  name: string;
  agent: string | null;
  kind: Schemas['DeviceKind'];
  srtp: Schemas['Srtp'];
  codecs: Schemas['Codec'][];
  secret: string;
}

function kindOf(kind: string | null): Schemas['DeviceKind'] {
  return kind === 'uri' ? { kind: 'uri', uri: '' } : kind === 'browser' ? { kind: 'browser' } : { kind: 'sip', user: '' };
}

/** `name;sip-user;agent extension;secret` a line; the last two may be missing. */
export function parseBulk(text: string, agents: readonly { id: string; extension: string }[]): Schemas['DeviceNew'][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, 1000)
    .map((line) => {
      const [name = '', user = '', extension = '', secret = ''] = line.split(/[;,\t]/).map((x) => x.trim());
      return {
        name,
        agent: agents.find((a) => a.extension === extension)?.id ?? null,
        kind: { kind: 'sip' as const, user },
        ...(secret ? { secret } : {}),
      };
    });
}

export function Devices() {
  const { t } = useTranslation('admin');
  const agent = useNameOf('agents');
  const client = useQueryClient();
  const may = useMay();
  const [created, setCreated] = useState<Schemas['DevicesBulkRow'][] | null>(null);
  const [bulk, setBulk] = useState(false);
  const make = async (devices: Schemas['DeviceNew'][]) => {
    const result = await ok(api.POST('/api/v1/devices/bulk', { body: { devices } }));
    await client.invalidateQueries({ queryKey: listKey('devices') });
    return result.rows;
  };
  const account = (r: Schemas['Device']) => (r.kind.kind === 'sip' ? `${r.kind.user}@${r.realm ?? ''}` : r.kind.kind === 'uri' ? r.kind.uri : '–');
  return (
    <>
      <ResourcePage<'devices', Form>
        kind="devices"
        columns={[
          { key: 'name', head: t('name'), width: 'minmax(160px, 1fr)', cell: (r) => <strong>{r.name}</strong>, title: (r) => r.name },
          { key: 'kind', head: t('kind'), width: 'minmax(110px, 140px)', cell: (r) => t(`device.kind.${r.kind.kind}`, { ns: 'common' }) },
          { key: 'account', head: t('account'), width: 'minmax(180px, 1.5fr)', cell: (r) => <span className="mono">{account(r)}</span>, title: account },
          { key: 'agent', head: t('agent'), width: 'minmax(140px, 1fr)', cell: (r) => agent(r.agent) || '–', title: (r) => agent(r.agent) },
        ]}
        text={(r) => `${r.name}\n${account(r)} ${agent(r.agent)}`}
        blank={() => ({ name: '', agent: null, kind: kindOf('sip'), srtp: 'offered', codecs: [], secret: '' })}
        toForm={(r) => ({ name: r.name, agent: r.agent, kind: r.kind, srtp: r.srtp, codecs: r.codecs, secret: '' })}
        actions={
          <Button variant="default" onClick={() => setBulk(true)}>
            {t('bulk')}
          </Button>
        }
        editor={({ value, set, error, row }) => (
          <>
            <TextInput label={t('name')} required maxLength={100} value={value.name} error={error('name')} onChange={(e) => set({ name: e.currentTarget.value })} />
            <Select label={t('kind')} disabled={row !== null} data={(['sip', 'uri'] as const).map((k) => ({ value: k as string, label: t(`device.kind.${k}`, { ns: 'common' }) })).concat(value.kind.kind === 'browser' ? [{ value: 'browser', label: t('device.kind.browser', { ns: 'common' }) }] : [])} value={value.kind.kind} onChange={(v) => set({ kind: kindOf(v) })} />
            {value.kind.kind === 'sip' ? <TextInput label={t('sip_user')} required value={value.kind.user} error={error('kind.user')} onChange={(e) => set({ kind: { kind: 'sip', user: e.currentTarget.value } })} /> : null}
            {value.kind.kind === 'uri' ? <TextInput label={t('sip_address')} required placeholder="sip:user@host" value={value.kind.uri} error={error('kind.uri')} onChange={(e) => set({ kind: { kind: 'uri', uri: e.currentTarget.value } })} /> : null}
            <ChoiceField label={t('agent')} kind="agents" value={value.agent} onChange={(v) => set({ agent: v })} error={error('agent')} />
            {value.kind.kind === 'sip' ? <TextInput label={t('secret')} description={t(row ? 'secret_keep' : 'secret_generate')} autoComplete="off" value={value.secret} error={error('secret')} onChange={(e) => set({ secret: e.currentTarget.value })} /> : null}
            {value.kind.kind === 'browser' ? null : (
              <>
                <SrtpField value={value.srtp} set={(srtp) => set({ srtp })} />
                <CodecsField value={value.codecs} set={(codecs) => set({ codecs })} error={error('codecs')} />
              </>
            )}
            {row?.kind.kind === 'sip' && may(manage.devices) ? <Phone device={{ id: row.id, user: row.kind.user, realm: row.realm ?? '', srtp: row.srtp, codecs: row.codecs, secret: null }} opened={false} /> : null}
          </>
        )}
        // Through the bulk call: its answer is the one that shows a generated secret.
        create={async ({ secret, ...body }) => {
          const rows = await make([{ ...body, ...(secret ? { secret } : {}) }]);
          const problem = rows[0]?.error;
          if (problem) {
            const { ApiError } = await import('../api/client');
            throw new ApiError(400, problem.code, problem);
          }
          setCreated(rows);
        }}
        update={(r, { secret, ...body }) => ok(api.PATCH('/api/v1/devices/{id}', { params: { path: { id: r.id } }, body: { ...body, ...(secret ? { secret } : {}) } }))}
        remove={(r) => ok(api.DELETE('/api/v1/devices/{id}', { params: { path: { id: r.id } } }))}
      />
      <Drawer opened={bulk} onClose={() => setBulk(false)} size={720} title={t('bulk')} closeButtonProps={{ 'aria-label': t('action.close', { ns: 'common' }) }}>
        <Bulk
          make={make}
          done={(rows) => {
            setBulk(false);
            setCreated(rows);
          }}
        />
      </Drawer>
      <Drawer opened={created !== null} onClose={() => setCreated(null)} size={720} title={t('created_devices')} closeButtonProps={{ 'aria-label': t('action.close', { ns: 'common' }) }}>
        {created ? <Created rows={created} /> : null}
      </Drawer>
    </>
  );
}

function Bulk({ make, done }: { make: (d: Schemas['DeviceNew'][]) => Promise<Schemas['DevicesBulkRow'][]>; done: (rows: Schemas['DevicesBulkRow'][]) => void }) {
  const { t, i18n } = useTranslation('admin');
  const agents = useAll('agents');
  const [text, setText] = useState('');
  const rows = parseBulk(text, agents.data ?? []);
  const run = useMutation({ mutationFn: () => make(rows), onSuccess: done });
  return (
    <div className="col editor">
      <p className="dim">{t('bulk_hint')}</p>
      {run.error ? (
        <div className="alert" data-tone="bad" role="alert">
          {problemText(run.error, i18n.language, (k) => t(k, { ns: 'common' }))}
        </div>
      ) : null}
      <Textarea aria-label={t('bulk')} autosize minRows={10} maxRows={24} classNames={{ input: 'mono' }} placeholder={'Desk 1;phone-801;801\nDesk 2;phone-802;802'} value={text} onChange={(e) => setText(e.currentTarget.value)} />
      <div className="row">
        <Button disabled={rows.length === 0} loading={run.isPending} onClick={() => run.mutate()}>
          {t('bulk_create', { n: rows.length })}
        </Button>
      </div>
    </div>
  );
}

function Created({ rows }: { rows: Schemas['DevicesBulkRow'][] }) {
  const { t, i18n } = useTranslation('admin');
  return (
    <div className="col editor">
      <div className="alert" data-tone="warn">
        {t('secret_once')}
      </div>
      {rows.map((r) =>
        r.device ? (
          <section key={r.row} className="card card-body col">
            <h2>{r.device.name}</h2>
            {r.device.kind.kind === 'sip' ? <Phone device={{ id: r.device.id, user: r.device.kind.user, realm: r.device.realm ?? '', srtp: r.device.srtp, codecs: r.device.codecs, secret: r.device.secret }} opened={rows.length === 1} /> : null}
          </section>
        ) : (
          <div key={r.row} className="alert" data-tone="bad">
            {t('row', { n: r.row + 1 })}: {pick(r.error?.message, i18n.language)} {(r.error?.fields ?? []).map((f) => `${f.path} ${t([`field_error.${f.code}`, 'field_error.invalid'])}`).join(', ')}
          </div>
        ),
      )}
    </div>
  );
}

/** The account, and on demand all that a phone is to be told. */
function Phone({ device, opened }: { device: SetupDevice; opened: boolean }) {
  const { t } = useTranslation('admin');
  const [open, setOpen] = useState(opened);
  if (open)
    return (
      <>
        {opened ? null : <h3>{t('setup.title')}</h3>}
        <PhoneSetup device={device} />
      </>
    );
  return (
    <>
      {device.secret ? (
        <dl className="facts">
          <dt>{t('sip_user')}</dt>
          <dd className="mono">{device.user}</dd>
          <dt>{t('secret')}</dt>
          <dd className="row">
            <span className="mono secret">{device.secret}</span>
            <CopyButton text={device.secret} />
          </dd>
        </dl>
      ) : null}
      <div className="row">
        <Button variant="default" onClick={() => setOpen(true)} data-testid="phone-open">
          {t('setup.title')}
        </Button>
      </div>
    </>
  );
}
