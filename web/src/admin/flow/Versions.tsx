// Published versions, newest first; any of them can become the draft again.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../../api/client';
import { useMe } from '../../api/session';
import { dateTime } from '../../ui/format';
import { Empty, Ready } from '../../ui/States';
import type { Draft } from './draft';

export function Versions({ id, onTake }: { id: string; onTake: (draft: Draft) => void }) {
  const { t, i18n } = useTranslation('admin');
  const me = useMe();
  const query = useQuery({ queryKey: ['versions', id], queryFn: () => ok(api.GET('/api/v1/flows/{id}/versions', { params: { path: { id }, query: { limit: 100 } } })) });
  return (
    <Ready query={query}>
      {(page) =>
        page.items.length === 0 ? (
          <Empty title={t('flow.never_published')} />
        ) : (
          <ul className="col">
            {page.items.map((v) => (
              <li key={v.version} className="card card-body row">
                <div className="grow">
                  <strong>{t('flow.version_n', { version: v.version })}</strong>
                  <p className="dim small">
                    {dateTime(v.published_at, i18n.language, me.time_zone)} {v.author}
                  </p>
                </div>
                <Button size="compact-sm" variant="default" onClick={() => onTake(v.fields)}>
                  {t('flow.take')}
                </Button>
              </li>
            ))}
          </ul>
        )
      }
    </Ready>
  );
}
