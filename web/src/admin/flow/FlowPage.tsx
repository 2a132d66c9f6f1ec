// One flow as a validated form: every step with its editor and its problems beside it; save, publish, versions.
import { Button, Drawer, Menu, Select } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, fieldErrors, ok, problemText, type Schemas } from '../../api/client';
import { listKey } from '../../api/names';
import { useMay } from '../../api/session';
import { pick, useLocal } from '../../i18n/localized';
import { Icon } from '../../ui/icons';
import { Ready } from '../../ui/States';
import { toast } from '../../ui/toast';
import { LocalizedField } from '../fields';
import { blankStep, type Draft, freeName, ordered, rename, type Step, stepKinds } from './draft';
import { StepCard } from './StepCard';
import { Versions } from './Versions';
import './flow.css';

export function FlowPage() {
  const { id = '' } = useParams({ strict: false });
  const query = useQuery({ queryKey: ['flow', id], queryFn: () => ok(api.GET('/api/v1/flows/{id}', { params: { path: { id } } })) });
  return <Ready query={query}>{(flow) => <FlowForm key={flow.id} flow={flow} />}</Ready>;
}

function useValidation(draft: Draft) {
  const [settled, setSettled] = useState(draft);
  useEffect(() => {
    // Typing must not send a request a letter.
    const timer = setTimeout(() => setSettled(draft), 400);
    return () => clearTimeout(timer);
  }, [draft]);
  return useQuery({
    queryKey: ['validate', settled],
    placeholderData: (old) => old,
    retry: false,
    queryFn: () => ok(api.POST('/api/v1/flows/validate', { body: settled })),
  });
}

function FlowForm({ flow }: { flow: Schemas['Flow'] }) {
  const { t, i18n } = useTranslation('admin');
  const local = useLocal();
  const may = useMay();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [draft, setDraft] = useState<Draft>(flow.draft);
  const [versions, setVersions] = useState(false);
  const validation = useValidation(draft);
  // A step still without its queue, calendar or flow cannot even be read by the server: its field error is a problem too.
  const unread = Object.keys(fieldErrors(validation.error)).map((path) => ({ step: path.split('.')[1] ?? null, text: t('flow.incomplete') }));
  const problems = validation.error ? unread : (validation.data?.problems ?? []).map((p) => ({ step: p.step, text: pick(p.message, i18n.language) }));
  const dirty = JSON.stringify(draft) !== JSON.stringify(flow.draft);
  const change = may('flow.manage');
  const path = { params: { path: { id: flow.id } } };
  const words = (e: unknown) => problemText(e, i18n.language, (k) => t(k, { ns: 'common' }));
  const fresh = () => Promise.all([client.invalidateQueries({ queryKey: ['flow', flow.id] }), client.invalidateQueries({ queryKey: listKey('flows') }), client.invalidateQueries({ queryKey: ['versions', flow.id] })]);

  const save = useMutation({
    mutationFn: () => ok(api.PATCH('/api/v1/flows/{id}', { ...path, body: draft })),
    onSuccess: async () => {
      toast(t('saved'));
      await fresh();
    },
    onError: (e) => toast(words(e), 'bad'),
  });
  const publish = useMutation({
    mutationFn: async () => {
      if (dirty) await ok(api.PATCH('/api/v1/flows/{id}', { ...path, body: draft }));
      return ok(api.POST('/api/v1/flows/{id}/publish', { ...path, body: {} }));
    },
    onSuccess: async (v) => {
      toast(t('flow.published_as', { version: v.version }));
      await fresh();
    },
    onError: (e) => toast(words(e), 'bad'),
  });
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE('/api/v1/flows/{id}', path)),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: listKey('flows') });
      void navigate({ to: '/admin/$section', params: { section: 'flows' } });
    },
    onError: (e) => toast(words(e), 'bad'),
  });

  const setStep = (id: string, step: Step) => setDraft((d) => ({ ...d, steps: { ...d.steps, [id]: step } }));
  const drop = (id: string) => setDraft((d) => ({ ...d, steps: Object.fromEntries(Object.entries(d.steps).filter(([k]) => k !== id)) }));
  const add = (kind: (typeof stepKinds)[number]) =>
    setDraft((d) => {
      const id = freeName(d, kind);
      return { ...d, steps: { ...d.steps, [id]: blankStep(kind, d.start) } };
    });
  const names = Object.keys(draft.steps);
  const general = problems.filter((p) => !p.step || !(p.step in draft.steps));

  return (
    <div className="page">
      <header className="page-head">
        <Link to="/admin/$section" params={{ section: 'flows' }} className="row" aria-label={t('section.flows')}>
          <Icon name="back" />
        </Link>
        <h1>{local(draft.name)}</h1>
        <span className="state" data-tone={problems.length > 0 ? 'danger' : 'ready'} data-testid="flow-state">
          {problems.length > 0 ? t('flow.problems', { n: problems.length }) : t('flow.valid')}
        </span>
        <span className="dim">{flow.published_version === null ? t('flow.never_published') : t('flow.live_version', { version: flow.published_version })}</span>
        {dirty ? <span className="tag">{t('flow.unsaved')}</span> : null}
        <span className="grow" />
        <Button variant="subtle" onClick={() => setVersions(true)}>
          {t('flow.versions')}
        </Button>
        {change ? (
          <>
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="subtle" color="gray">
                  {t('more')}
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item color="red" onClick={() => remove.mutate()}>
                  {t('flow.delete')}
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
            <Button variant="default" disabled={!dirty} loading={save.isPending} onClick={() => save.mutate()}>
              {t('flow.save_draft')}
            </Button>
            <Button disabled={problems.length > 0 || (!dirty && !flow.changed && flow.published_version !== null)} loading={publish.isPending} onClick={() => publish.mutate()}>
              {t('flow.publish')}
            </Button>
          </>
        ) : null}
      </header>
      <div className="page-body">
        <fieldset className="plain col flow" disabled={!change}>
          <section className="card card-body col">
            <LocalizedField label={t('name')} value={draft.name} onChange={(name) => setDraft((d) => ({ ...d, name }))} />
            <Select label={t('flow.start')} data={names} value={draft.start} onChange={(v) => v && setDraft((d) => ({ ...d, start: v }))} w={280} />
            {general.map((p) => (
              <p key={`${p.step ?? ''}${p.text}`} className="alert" data-tone="bad">
                {p.text}
              </p>
            ))}
          </section>
          <ol className="col flow">
            {ordered(draft).map(({ id, reachable }, n) => {
              const step = draft.steps[id];
              return step ? (
                // By place, so that typing a new name does not lose the field.
                <li key={n}>
                  <StepCard
                    id={id}
                    step={step}
                    names={names}
                    isStart={id === draft.start}
                    reachable={reachable}
                    problems={problems.filter((p) => p.step === id).map((p) => p.text)}
                    onChange={(s) => setStep(id, s)}
                    onRename={(to) => setDraft((d) => rename(d, id, to))}
                    onRemove={() => drop(id)}
                  />
                </li>
              ) : null;
            })}
          </ol>
          {change ? (
            <Menu>
              <Menu.Target>
                <Button variant="default" leftSection={<Icon name="plus" size={16} />} className="flow-add">
                  {t('flow.add_step')}
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                {stepKinds.map((k) => (
                  <Menu.Item key={k} onClick={() => add(k)}>
                    {t(`step.${k}`)}
                  </Menu.Item>
                ))}
              </Menu.Dropdown>
            </Menu>
          ) : null}
        </fieldset>
      </div>
      <Drawer opened={versions} onClose={() => setVersions(false)} title={t('flow.versions')} closeButtonProps={{ 'aria-label': t('action.close', { ns: 'common' }) }}>
        <Versions
          id={flow.id}
          onTake={(d) => {
            setDraft(d);
            setVersions(false);
          }}
        />
      </Drawer>
    </div>
  );
}
