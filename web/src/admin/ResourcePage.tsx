// A list with a search and a drawer: the shape of every section. Search and the open row live in the URL; each save is
// one revision on the server.
import { Button, Drawer, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { fieldErrors, problemText } from '../api/client';
import { type Kind, listKey, type Row, useAll } from '../api/names';
import { useMay } from '../api/session';
import { useShortcut } from '../shell/keyboard';
import { Icon } from '../ui/icons';
import { useUrl } from '../ui/search';
import { Empty, Ready } from '../ui/States';
import { toast } from '../ui/toast';
import { type Column, VirtualGrid } from '../ui/VirtualGrid';
import { manage } from './sections';

export interface EditorProps<F, R> {
  value: F;
  set(change: Partial<F>): void;
  /** The words for a wrong field, by its path. */
  error(path: string): string | undefined;
  /** The row as it is on the server; null when new. */
  row: R | null;
}

interface Props<K extends Kind, F> {
  kind: K;
  columns: Column<Row<K>>[];
  /** What the search looks at. */
  text(row: Row<K>): string;
  blank(): F;
  toForm(row: Row<K>): F;
  editor(p: EditorProps<F, Row<K>>): ReactNode;
  create(form: F): Promise<unknown>;
  update(row: Row<K>, form: F): Promise<unknown>;
  remove?(row: Row<K>): Promise<unknown>;
  /** Beside "New": bulk actions. */
  actions?: ReactNode;
  /** Also out of date after a change. */
  affects?: Kind[];
  wide?: boolean;
}

export function ResourcePage<K extends Kind, F>(p: Props<K, F>) {
  const { t } = useTranslation('admin');
  const [search, set] = useUrl();
  const query = useAll(p.kind);
  const may = useMay();
  const field = useRef<HTMLInputElement>(null);
  useShortcut('search', () => field.current?.focus());
  const change = may(manage[p.kind]);
  const q = (search.q ?? '').toLowerCase();
  const open = search.open;
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t(`section.${p.kind}`)}</h1>
        <TextInput
          ref={field}
          aria-label={t('search')}
          placeholder={t('search')}
          leftSection={<Icon name="search" size={16} />}
          value={search.q ?? ''}
          onChange={(e) => set({ q: e.currentTarget.value || undefined })}
        />
        <span className="grow" />
        {change ? p.actions : null}
        {change ? (
          <Button leftSection={<Icon name="plus" size={16} />} onClick={() => set({ open: 'new' }, false)} data-testid="new">
            {t('new')}
          </Button>
        ) : null}
      </header>
      <div className="page-body flush">
        <Ready query={query}>
          {(all) => {
            const rows = q ? all.filter((r) => p.text(r).toLowerCase().includes(q)) : all;
            const row = open && open !== 'new' ? all.find((r) => r.id === open) : undefined;
            return (
              <>
                {rows.length === 0 ? (
                  <Empty title={t(q ? 'nothing_found' : 'nothing_yet')} hint={change && !q ? t('nothing_yet_hint') : undefined} />
                ) : (
                  <VirtualGrid label={t(`section.${p.kind}`)} columns={p.columns} rows={rows} id={(r) => r.id} onOpen={(r) => set({ open: r.id }, false)} />
                )}
                <Drawer
                  opened={open === 'new' ? change : row !== undefined}
                  onClose={() => set({ open: undefined })}
                  size={p.wide ? 720 : 480}
                  title={row ? p.text(row).split('\n')[0] : t('new_of', { what: t(`section.${p.kind}`) })}
                  closeButtonProps={{ 'aria-label': t('action.close', { ns: 'common' }) }}
                >
                  {open ? <Editor key={open} page={p} row={row ?? null} canChange={change} close={() => set({ open: undefined })} /> : null}
                </Drawer>
              </>
            );
          }}
        </Ready>
      </div>
    </div>
  );
}

function Editor<K extends Kind, F>({ page, row, canChange, close }: { page: Props<K, F>; row: Row<K> | null; canChange: boolean; close: () => void }) {
  const { t, i18n } = useTranslation('admin');
  const client = useQueryClient();
  const [value, setValue] = useState<F>(() => (row ? page.toForm(row) : page.blank()));
  const [sure, setSure] = useState(false);
  const changed = async () => {
    await Promise.all([page.kind, ...(page.affects ?? [])].map((k) => client.invalidateQueries({ queryKey: listKey(k) })));
    close();
  };
  const save = useMutation({
    mutationFn: () => (row ? page.update(row, value) : page.create(value)),
    onSuccess: async () => {
      toast(t('saved'));
      await changed();
    },
  });
  const remove = useMutation({
    mutationFn: () => (row && page.remove ? page.remove(row) : Promise.resolve()),
    onSuccess: async () => {
      toast(t('removed'));
      await changed();
    },
  });
  const wrong = fieldErrors(save.error);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  const failure = save.error ?? remove.error;
  const words = Object.entries(wrong).map(([path, code]) => `${path}: ${t([`field_error.${code}`, 'field_error.invalid'])}`);
  return (
    <form className="col editor" onSubmit={submit}>
      {failure ? (
        <div className="alert" data-tone="bad" role="alert">
          {problemText(failure, i18n.language, (k) => t(k, { ns: 'common' }))}
          {words.length > 0 ? <div className="small">{words.join(' · ')}</div> : null}
        </div>
      ) : null}
      <fieldset disabled={!canChange} className="plain col">
        {page.editor({
          value,
          set: (c) => setValue((v) => ({ ...v, ...c })),
          error: (path) => (wrong[path] ? t([`field_error.${wrong[path]}`, 'field_error.invalid']) : undefined),
          row,
        })}
      </fieldset>
      {canChange ? (
        <div className="row editor-foot">
          <Button type="submit" loading={save.isPending} data-testid="save">
            {t('save')}
          </Button>
          <Button variant="default" onClick={close}>
            {t('cancel')}
          </Button>
          <span className="grow" />
          {row && page.remove ? (
            sure ? (
              <Button color="#b3261e" loading={remove.isPending} onClick={() => remove.mutate()}>
                {t('remove_sure')}
              </Button>
            ) : (
              <Button variant="subtle" color="red" leftSection={<Icon name="trash" size={16} />} onClick={() => setSure(true)}>
                {t('remove')}
              </Button>
            )
          ) : null}
        </div>
      ) : null}
    </form>
  );
}
