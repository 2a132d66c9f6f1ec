// What a route shows while it loads, when it fails, and when there is none.
import type { ErrorComponentProps } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Empty, Failed, Loading } from '../ui/States';

export function PageLoading() {
  return <Loading />;
}

export function PageError({ error, reset }: ErrorComponentProps) {
  return <Failed error={error} retry={reset} />;
}

export function NotFound() {
  const { t } = useTranslation('common');
  return (
    <Empty
      title={t('state.no_page')}
      action={<a href="/">{t('action.home')}</a>}
    />
  );
}
