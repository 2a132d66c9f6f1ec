// API tokens for scripts and integrations: shown once when made, revoked with one press.
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText } from '../api/client';
import { everything } from '../api/names';
import { useMe } from '../api/session';
import { CopyButton } from '../ui/CopyButton';
import { dateTime } from '../ui/format';
import { Empty, Ready } from '../ui/States';
import { toast } from '../ui/toast';

export function Tokens() {
  const { t, i18n } = useTranslation('admin');
  const me = useMe();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const query = useQuery({ queryKey: ['tokens'], queryFn: () => everything((cursor) => ok(api.GET('/api/v1/tokens', { params: { query: { limit: 200, cursor } } }))) });
  const fresh = () => client.invalidateQueries({ queryKey: ['tokens'] });
  const make = useMutation({
    mutationFn: () => ok(api.POST('/api/v1/tokens', { body: { name } })),
    onSuccess: () => {
      setName('');
      return fresh();
    },
  });
  const revoke = useMutation({
    mutationFn: (id: string) => ok(api.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } })),
    onSuccess: fresh,
    onError: (e) => toast(problemText(e, i18n.language, (k) => t(k, { ns: 'common' })), 'bad'),
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    make.mutate();
  };
  const when = (at: number | null) => (at === null ? t('never') : dateTime(at, i18n.language, me.time_zone));
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t('section.tokens')}</h1>
        <form className="row" onSubmit={submit}>
          <TextInput aria-label={t('token_name')} placeholder={t('token_name')} required maxLength={100} value={name} onChange={(e) => setName(e.currentTarget.value)} />
          <Button type="submit" loading={make.isPending}>
            {t('token_make')}
          </Button>
        </form>
      </header>
      <div className="page-body col">
        {make.error ? (
          <div className="alert" data-tone="bad" role="alert">
            {problemText(make.error, i18n.language, (k) => t(k, { ns: 'common' }))}
          </div>
        ) : null}
        {make.data ? (
          <div className="alert" data-tone="warn" role="status">
            <p>{t('token_once')}</p>
            <div className="row">
              <span className="mono secret">{make.data.secret}</span>
              <CopyButton text={make.data.secret} />
            </div>
          </div>
        ) : null}
        <Ready query={query}>
          {(tokens) =>
            tokens.length === 0 ? (
              <Empty title={t('nothing_yet')} hint={t('token_hint')} />
            ) : (
              <div className="card scroll-x" tabIndex={0}>
                <table className="grid">
                  <thead>
                    <tr>
                      <th>{t('name')}</th>
                      <th>{t('created')}</th>
                      <th>{t('expires')}</th>
                      <th>{t('user')}</th>
                      <th />
                    </tr>
                  </thead>
                  <tbody>
                    {tokens.map((x) => (
                      <tr key={x.id}>
                        <td>
                          <strong>{x.name}</strong>
                        </td>
                        <td>{when(x.created_at)}</td>
                        <td>{when(x.expires_at)}</td>
                        <td>{x.user_name}</td>
                        <td className="num">
                          <Button size="compact-xs" variant="subtle" color="red" onClick={() => revoke.mutate(x.id)}>
                            {t('revoke')}
                          </Button>
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )
          }
        </Ready>
      </div>
    </div>
  );
}
