// `/sign-in/link#token=…`: the token stands behind the #, so it reaches no server log; it works once.
import { Loader } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ApiError, ok, problemText } from '../api/client';
import { useSignedIn } from '../api/session';

export function SignInLink() {
  const { t, i18n } = useTranslation('common');
  const navigate = useNavigate();
  const signedIn = useSignedIn();
  const [error, setError] = useState<unknown>(null);
  const used = useRef(false);

  useEffect(() => {
    // Once, also under React's double effects in development: a second use would be refused.
    if (used.current) return;
    used.current = true;
    const token = new URLSearchParams(location.hash.slice(1)).get('token');
    history.replaceState(null, '', location.pathname);
    if (!token) {
      setError(new ApiError(0, 'link.empty'));
      return;
    }
    ok(api.POST('/api/v1/sign-in/link', { body: { token } })).then((me) => {
      signedIn(me);
      void navigate({ to: '/welcome', replace: true });
    }, setError);
  }, [navigate, signedIn]);

  return (
    <main className="signin">
      <div className="card signin-card">
        <header>
          <img src="/icon.svg" alt="" />
          <h1>{t('signin.link_title')}</h1>
        </header>
        {error ? (
          <>
            <div className="alert" data-tone="bad" role="alert">
              {error instanceof ApiError && error.code === 'link.empty' ? t('signin.link_empty') : problemText(error, i18n.language, t)}
            </div>
            <Link to="/sign-in">{t('signin.with_password')}</Link>
          </>
        ) : (
          <div className="row" role="status">
            <Loader size="xs" aria-hidden />
            {t('signin.link_working')}
          </div>
        )}
      </div>
    </main>
  );
}
