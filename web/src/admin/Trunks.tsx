// Trunks: lines to a carrier or another exchange, for calls in and out.
import { NumberInput, Select, Switch, Textarea, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { ChoiceField, CodecsField, RegionField, SrtpField } from './fields';
import { isIp, lines } from './lines';
import { type EditorProps, ResourcePage } from './ResourcePage';
import { TrunkState, TrunkTest, useTrunkStatus } from './TrunkState';

type Trunk = Schemas['Trunk'];
/** Addresses as they are written; the password only when it is to be another. */
type Form = Omit<Trunk, 'id' | 'addresses'> & { addresses: string; password: string };

/** How the carrier knows us. */
type Knows = 'address' | 'account' | 'registration';
const knows = (account: Form['account']): Knows => (account === null ? 'address' : account.register ? 'registration' : 'account');

const body = ({ addresses, host, account, password, ...form }: Form) => ({
  ...form,
  host: host?.trim() || null,
  addresses: lines(addresses),
  account: account && { ...account, user: account.user.trim(), auth_user: account.auth_user?.trim() || null, domain: account.domain?.trim() || null },
  ...(account && password ? { password } : {}),
});

export function Trunks() {
  const { t } = useTranslation('admin');
  const status = useTrunkStatus();
  const goes = (r: Trunk) => (r.host ? `${r.host} · ${r.transport.toUpperCase()}` : t('trunk.in_only'));
  return (
    <ResourcePage<'trunks', Form>
      kind="trunks"
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(140px, 1fr)', cell: (r) => <strong>{r.name}</strong>, title: (r) => r.name },
        { key: 'host', head: t('trunk.host'), width: 'minmax(180px, 1.5fr)', cell: goes, title: goes },
        { key: 'addresses', head: t('trunk.addresses'), width: 'minmax(140px, 1fr)', cell: (r) => r.addresses.join(', ') || '–', title: (r) => r.addresses.join(', ') },
        { key: 'max', head: t('trunk.calls_max'), width: '128px', numeric: true, cell: (r) => r.calls_max ?? t('trunk.unlimited') },
        { key: 'state', head: t('state'), width: 'minmax(200px, 1.5fr)', cell: (r) => <TrunkState trunk={r} status={status(r.id)} /> },
      ]}
      text={(r) => `${r.name}\n${r.host ?? ''} ${r.addresses.join(' ')}`}
      blank={() => ({ name: '', addresses: '', region: null, host: null, transport: 'udp', check_certificate: true, srtp: 'offered', codecs: [], calls_max: null, calls_per_second: null, account: null, password: '', check_s: 60, caller: null, identity: { trusted: false, verifies: false, told: false, signed: false }, active: true })}
      toForm={({ id: _, addresses, ...form }) => ({ ...form, addresses: addresses.join('\n'), password: '' })}
      editor={(p) => <TrunkEditor {...p} />}
      create={(form) => ok(api.POST('/api/v1/trunks', { body: body(form) }))}
      update={(r, form) => ok(api.PATCH('/api/v1/trunks/{id}', { params: { path: { id: r.id } }, body: body(form) }))}
      remove={(r) => ok(api.DELETE('/api/v1/trunks/{id}', { params: { path: { id: r.id } } }))}
      affects={['routes']}
    />
  );
}

function TrunkEditor({ value, set, error, row }: EditorProps<Form, Trunk>) {
  const { t } = useTranslation('admin');
  const wrong = lines(value.addresses).filter((a) => !isIp(a));
  const identity = (c: Partial<Form['identity']>) => set({ identity: { ...value.identity, ...c } });
  return (
    <>
      <TextInput label={t('name')} required maxLength={100} value={value.name} error={error('name')} onChange={(e) => set({ name: e.currentTarget.value })} />

      <h3>{t('trunk.out')}</h3>
      <TextInput label={t('trunk.host')} description={t('trunk.host_hint')} placeholder="sip.carrier.example:5060" maxLength={200} value={value.host ?? ''} error={error('host')} onChange={(e) => set({ host: e.currentTarget.value || null })} />
      <div className="pair">
        <Select
          label={t('phone_transport')}
          data={[
            { value: 'udp', label: 'UDP' },
            { value: 'tcp', label: 'TCP' },
            { value: 'tls', label: 'TLS' },
          ]}
          value={value.transport}
          onChange={(v) => v && set({ transport: v as Form['transport'] })}
        />
        <NumberInput label={t('trunk.calls_max')} placeholder={t('trunk.unlimited')} min={1} allowDecimal={false} value={value.calls_max ?? ''} error={error('calls_max')} onChange={(v) => set({ calls_max: v === '' ? null : Number(v) })} />
      </div>
      <SrtpField value={value.srtp} set={(srtp) => set({ srtp })} />
      <CodecsField value={value.codecs} set={(codecs) => set({ codecs })} error={error('codecs')} />
      {value.transport === 'tls' ? <Switch label={t('trunk.check_certificate')} description={t('trunk.check_certificate_hint')} checked={value.check_certificate} onChange={(e) => set({ check_certificate: e.currentTarget.checked })} /> : null}
      <div className="pair">
        <NumberInput label={t('trunk.check')} description={t('trunk.check_hint')} suffix={` ${t('seconds')}`} min={0} max={3600} allowDecimal={false} value={value.check_s} error={error('check_s')} onChange={(v) => set({ check_s: Number(v) || 0 })} />
        <NumberInput label={t('trunk.calls_per_second')} description={t('trunk.calls_per_second_hint')} placeholder={t('trunk.unlimited')} min={1} max={1000} allowDecimal={false} value={value.calls_per_second ?? ''} error={error('calls_per_second')} onChange={(v) => set({ calls_per_second: v === '' ? null : Number(v) })} />
      </div>
      <ChoiceField label={t('trunk.caller')} kind="numbers" placeholder={t('trunk.caller_chosen')} value={value.caller} onChange={(caller) => set({ caller })} error={error('caller')} />
      <Switch label={t('trunk.told')} description={t('trunk.told_hint')} checked={value.identity.told} onChange={(e) => identity({ told: e.currentTarget.checked })} />
      <Switch label={t('trunk.signed')} description={t('trunk.signed_hint')} checked={value.identity.signed} error={error('identity.signed')} onChange={(e) => identity({ signed: e.currentTarget.checked })} />
      <Switch label={t('trunk.active')} description={t('trunk.active_hint')} checked={value.active} onChange={(e) => set({ active: e.currentTarget.checked })} />

      <Account value={value} set={set} error={error} row={row} />
      {row?.host ? <TrunkTest id={row.id} /> : null}

      <h3>{t('trunk.in')}</h3>
      <Textarea
        label={t('trunk.addresses')}
        description={t('trunk.addresses_hint')}
        placeholder={'203.0.113.10\n2001:db8::10'}
        autosize
        minRows={2}
        maxRows={8}
        value={value.addresses}
        error={wrong.length > 0 ? t('trunk.no_address', { list: wrong.join(', ') }) : error('addresses')}
        onChange={(e) => set({ addresses: e.currentTarget.value })}
      />
      <RegionField label={t('region')} description={t('trunk.region_hint')} value={value.region} error={error('region')} onChange={(region) => set({ region })} />
      <Switch label={t('trunk.trusted')} description={t('trunk.trusted_hint')} checked={value.identity.trusted} onChange={(e) => identity({ trusted: e.currentTarget.checked })} />
      <Switch label={t('trunk.verifies')} description={t('trunk.verifies_hint')} checked={value.identity.verifies} onChange={(e) => identity({ verifies: e.currentTarget.checked })} />
    </>
  );
}

function Account({ value: { account, password }, set, error, row }: EditorProps<Form, Trunk>) {
  const { t } = useTranslation('admin');
  const change = (c: Partial<NonNullable<Form['account']>>) => account && set({ account: { ...account, ...c } });
  const choose = (how: Knows) => set({ account: how === 'address' ? null : { user: '', auth_user: null, domain: null, ...account, register: how === 'registration' } });
  const kept = row !== null && row.account !== null;
  return (
    <>
      <h3>{t('trunk.account')}</h3>
      <Select label={t('trunk.known_by')} data={(['address', 'account', 'registration'] as const).map((k) => ({ value: k, label: t(`trunk.knows.${k}`) }))} value={knows(account)} onChange={(v) => v && choose(v as Knows)} error={error('account')} />
      {account ? (
        <>
          <div className="pair">
            <TextInput label={t('trunk.user')} required maxLength={100} autoComplete="off" value={account.user} error={error('account.user')} onChange={(e) => change({ user: e.currentTarget.value })} />
            <TextInput label={t('secret')} type="password" required={!kept} description={kept ? t('secret_keep') : undefined} inputWrapperOrder={['label', 'input', 'description', 'error']} maxLength={128} autoComplete="new-password" value={password} error={error('password')} onChange={(e) => set({ password: e.currentTarget.value })} />
          </div>
          <div className="pair">
            <TextInput label={t('trunk.auth_user')} description={t('trunk.auth_user_hint')} maxLength={100} autoComplete="off" value={account.auth_user ?? ''} error={error('account.auth_user')} onChange={(e) => change({ auth_user: e.currentTarget.value || null })} />
            <TextInput label={t('trunk.domain')} description={t('trunk.domain_hint')} maxLength={200} value={account.domain ?? ''} error={error('account.domain')} onChange={(e) => change({ domain: e.currentTarget.value || null })} />
          </div>
        </>
      ) : null}
    </>
  );
}
