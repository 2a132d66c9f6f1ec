// Signing in with a password. Errors come in the server's words.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText } from '../api/client';
import { useSignedIn } from '../api/session';
import { LanguageMenu } from './TopBar';

export function SignIn() {
  const { t, i18n } = useTranslation('common');
  const navigate = useNavigate();
  const { then } = useSearch({ from: '/sign-in' });
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const signedIn = useSignedIn();
  const signIn = useMutation({
    mutationFn: () => ok(api.POST('/api/v1/sign-in', { body: { email, password } })),
    onSuccess: (me) => {
      signedIn(me);
      // Only a path of ours: an address from elsewhere must not decide where a signed-in person lands.
      const safe = then?.startsWith('/') && !then.startsWith('//') && !then.includes('\\') ? then : '/';
      void navigate({ href: safe, replace: true });
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    signIn.mutate();
  };
  return (
    <main className="signin">
      <form className="card signin-card" onSubmit={submit}>
        <header>
          <img src="/icon.svg" alt="" />
          <h1>{t('signin.title')}</h1>
        </header>
        {signIn.error ? (
          <div className="alert" data-tone="bad" role="alert">
            {problemText(signIn.error, i18n.language, t)}
          </div>
        ) : null}
        <TextInput
          label={t('signin.email')}
          type="email"
          autoComplete="username"
          required
          autoFocus
          value={email}
          onChange={(e) => setEmail(e.currentTarget.value)}
        />
        <PasswordInput
          label={t('signin.password')}
          autoComplete="current-password"
          required
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': t('signin.show') }}
        />
        <Button type="submit" loading={signIn.isPending}>
          {t('signin.submit')}
        </Button>
        <p className="dim small">{t('signin.hint')}</p>
        <LanguageMenu dark={false} />
      </form>
    </main>
  );
}
