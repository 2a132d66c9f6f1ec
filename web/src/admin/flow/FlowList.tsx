// The flows; each opens its own page.
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText } from '../../api/client';
import { listKey, useAll } from '../../api/names';
import { useMay } from '../../api/session';
import { useLocal } from '../../i18n/localized';
import { Icon } from '../../ui/icons';
import { Empty, Ready } from '../../ui/States';
import { toast } from '../../ui/toast';
import { VirtualGrid } from '../../ui/VirtualGrid';

export function FlowList() {
  const { t, i18n } = useTranslation('admin');
  const local = useLocal();
  const may = useMay();
  const navigate = useNavigate();
  const client = useQueryClient();
  const query = useAll('flows');
  const open = (id: string) => void navigate({ to: '/admin/flows/$id', params: { id } });
  const make = useMutation({
    mutationFn: () =>
      ok(
        api.POST('/api/v1/flows', {
          body: { name: { [i18n.language === 'zh-CN' ? 'zh-CN' : 'en']: t('flow.new_name') }, start: 'bye', steps: { bye: { step: 'hang_up', prompt: null } } },
        }),
      ),
    onSuccess: async (flow) => {
      await client.invalidateQueries({ queryKey: listKey('flows') });
      open(flow.id);
    },
    onError: (e) => toast(problemText(e, i18n.language, (k) => t(k, { ns: 'common' })), 'bad'),
  });
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t('section.flows')}</h1>
        <span className="grow" />
        {may('flow.manage') ? (
          <Button leftSection={<Icon name="plus" size={16} />} loading={make.isPending} onClick={() => make.mutate()}>
            {t('new')}
          </Button>
        ) : null}
      </header>
      <div className="page-body flush">
        <Ready query={query}>
          {(flows) =>
            flows.length === 0 ? (
              <Empty title={t('nothing_yet')} />
            ) : (
              <VirtualGrid
                label={t('section.flows')}
                rows={flows}
                id={(f) => f.id}
                onOpen={(f) => open(f.id)}
                columns={[
                  { key: 'name', head: t('name'), width: 'minmax(200px, 2fr)', cell: (f) => <strong>{local(f.draft.name)}</strong>, title: (f) => local(f.draft.name) },
                  { key: 'steps', head: t('flow.steps'), width: '96px', numeric: true, cell: (f) => Object.keys(f.draft.steps).length },
                  { key: 'version', head: t('flow.version'), width: '120px', numeric: true, cell: (f) => f.published_version ?? '–' },
                  {
                    key: 'state',
                    head: t('state'),
                    width: 'minmax(160px, 1fr)',
                    cell: (f) => (
                      <span className="state" data-tone={f.published_version === null ? 'away' : f.changed ? 'wrapup' : 'ready'}>
                        {t(f.published_version === null ? 'flow.never_published' : f.changed ? 'flow.changed' : 'flow.published')}
                      </span>
                    ),
                  },
                ]}
              />
            )
          }
        </Ready>
      </div>
    </div>
  );
}
