// Users: members of this company with their grants, and their sign-in (a password is set, never read).
import { Button, PasswordInput, Select, Switch, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { useMay } from '../api/session';
import { toast } from '../ui/toast';
import { ChoiceField, LangField, ListField, ZoneField } from './fields';
import { ResourcePage } from './ResourcePage';

type Grant = Schemas['Grant'];
interface Form {
  email: string;
  name: string;
  lang: Schemas['Lang'];
  time_zone: string | null;
  grants: Grant[];
  active: boolean;
}

export function Users() {
  const { t } = useTranslation('admin');
  const roles = (r: Schemas['User']) => [...new Set(r.grants.map((g) => t(`role.${g.role}`)))].join(', ');
  return (
    <ResourcePage<'users', Form>
      kind="users"
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(140px, 1fr)', cell: (r) => <strong>{r.name}</strong>, title: (r) => r.name },
        { key: 'email', head: t('email'), width: 'minmax(180px, 1.5fr)', cell: (r) => r.email, title: (r) => r.email },
        { key: 'roles', head: t('roles'), width: 'minmax(140px, 1fr)', cell: (r) => roles(r) || '–', title: roles },
        { key: 'lang', head: t('language'), width: '88px', cell: (r) => t(`language.${r.lang}`, { ns: 'common' }) },
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
      text={(r) => `${r.name} ${r.email}`}
      blank={() => ({ email: '', name: '', lang: 'zh-CN', time_zone: null, grants: [{ role: 'agent', scope: { scope: 'own' } }], active: true })}
      toForm={(r) => ({ email: r.email, name: r.name, lang: r.lang, time_zone: r.time_zone, grants: r.grants, active: r.active })}
      editor={({ value, set, error, row }) => (
        <>
          <TextInput label={t('name')} required maxLength={100} value={value.name} error={error('name')} onChange={(e) => set({ name: e.currentTarget.value })} />
          <TextInput label={t('email')} required type="email" maxLength={200} value={value.email} error={error('email')} onChange={(e) => set({ email: e.currentTarget.value })} />
          <div className="pair">
            <LangField label={t('language')} value={value.lang} onChange={(lang) => set({ lang })} />
            <ZoneField label={t('time_zone')} clearable value={value.time_zone} onChange={(v) => set({ time_zone: v })} error={error('time_zone')} />
          </div>
          <ListField label={t('grants')} value={value.grants} onChange={(grants) => set({ grants })} blank={(): Grant => ({ role: 'agent', scope: { scope: 'own' } })} addLabel={t('add_grant')}>
            {(g, change, i) => <GrantFields grant={g} onChange={change} index={i} />}
          </ListField>
          <Switch label={t('active')} checked={value.active} onChange={(e) => set({ active: e.currentTarget.checked })} />
          {row?.login ? <Password login={row.login} /> : <p className="dim small">{t('password_later')}</p>}
        </>
      )}
      create={(body) => ok(api.POST('/api/v1/users', { body }))}
      update={(r, body) => ok(api.PATCH('/api/v1/users/{id}', { params: { path: { id: r.id } }, body }))}
      remove={(r) => ok(api.DELETE('/api/v1/users/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}

function GrantFields({ grant, onChange, index }: { grant: Grant; onChange: (g: Grant) => void; index: number }) {
  const { t } = useTranslation('admin');
  const scope = (s: string | null): Grant['scope'] => {
    switch (s) {
      case 'team':
        return { scope: 'team', team: '' };
      case 'queue':
        return { scope: 'queue', queue: '' };
      case 'tenant':
        return { scope: 'tenant' };
      default:
        return { scope: 'own' };
    }
  };
  const s = grant.scope;
  return (
    <>
      <Select w={128} aria-label={`${t('roles')} ${index + 1}`} data={(['agent', 'supervisor', 'admin'] as const).map((r) => ({ value: r, label: t(`role.${r}`) }))} value={grant.role} onChange={(v) => v && onChange({ ...grant, role: v as Grant['role'] })} />
      <Select w={128} aria-label={`${t('scope_label')} ${index + 1}`} data={(['own', 'team', 'queue', 'tenant'] as const).map((x) => ({ value: x, label: t(`scope.${x}`) }))} value={s.scope} onChange={(v) => onChange({ ...grant, scope: scope(v) })} />
      {s.scope === 'team' ? <ChoiceField label="" kind="teams" required value={s.team} onChange={(v) => onChange({ ...grant, scope: { scope: 'team', team: v ?? '' } })} /> : null}
      {s.scope === 'queue' ? <ChoiceField label="" kind="queues" required value={s.queue} onChange={(v) => onChange({ ...grant, scope: { scope: 'queue', queue: v ?? '' } })} /> : null}
    </>
  );
}

function Password({ login }: { login: string }) {
  const { t, i18n } = useTranslation('admin');
  const may = useMay();
  const [password, setPassword] = useState('');
  const save = useMutation({
    mutationFn: () => ok(api.PATCH('/api/v1/logins/{id}', { params: { path: { id: login } }, body: { password } })),
    onSuccess: () => {
      setPassword('');
      toast(t('saved'));
    },
  });
  if (!may('user.manage')) return null;
  return (
    <>
      <h3>{t('sign_in')}</h3>
      <div className="pair">
        <PasswordInput
          aria-label={t('new_password')}
          placeholder={t('new_password')}
          autoComplete="new-password"
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
          error={save.error ? problemText(save.error, i18n.language, (k) => t(k, { ns: 'common' })) : undefined}
          visibilityToggleButtonProps={{ 'aria-label': t('signin.show', { ns: 'common' }) }}
        />
        <Button variant="default" disabled={password.length < 10} loading={save.isPending} onClick={() => save.mutate()}>
          {t('set_password')}
        </Button>
      </div>
    </>
  );
}
