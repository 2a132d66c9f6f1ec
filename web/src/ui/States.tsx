// The one empty, the one loading and the one error state.
import { Button, Loader } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { problemText } from '../api/client';

export function Empty({ title, hint, action }: { title: string; hint?: string; action?: ReactNode }) {
  return (
    <div className="placeholder">
      <strong>{title}</strong>
      {hint ? <p>{hint}</p> : null}
      {action}
    </div>
  );
}

export function Loading() {
  const { t } = useTranslation('common');
  return (
    <div className="placeholder" role="status">
      <Loader size="sm" aria-hidden />
      <span>{t('state.loading')}</span>
    </div>
  );
}

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t, i18n } = useTranslation('common');
  return (
    <div className="placeholder" role="alert">
      <strong>{t('state.failed')}</strong>
      <p>{problemText(error, i18n.language, t)}</p>
      {retry ? (
        <Button variant="default" onClick={retry}>
          {t('action.retry')}
        </Button>
      ) : null}
    </div>
  );
}

/** What a query shows while it has no data; its data once it has some. */
export function Ready<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Failed error={query.error} retry={() => void query.refetch()} />;
  return <Loading />;
}

/** In the place of a dialog that is being fetched. */
export function DialogComing() {
  return (
    <div className="dialog-coming card">
      <Loading />
    </div>
  );
}
