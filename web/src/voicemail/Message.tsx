// One message: its sound, who left it and for whom, and what can be done about it.
import { Button } from '@mantine/core';
import { type InfiniteData, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { useMay, useMe } from '../api/session';
import { useCaller } from '../desk/caller';
import { dialNot } from '../desk/dial';
import { useLocal } from '../i18n/localized';
import { Player } from '../interactions/Player';
import { useCommand, useDesk, useReadOnly } from '../socket/session';
import { dateTime } from '../ui/format';
import { Icon } from '../ui/icons';
import { toast } from '../ui/toast';
import type { Voicemail } from './VoicemailPage';

type Pages = InfiniteData<Schemas['VoicemailPage']>;

export function Message({ message: m }: { message: Voicemail }) {
  const { t, i18n } = useTranslation('voicemail');
  const local = useLocal();
  const caller = useCaller();
  const me = useMe();
  const may = useMay();
  const client = useQueryClient();
  const [sure, setSure] = useState(false);
  const failed = (e: unknown) => toast(problemText(e, i18n.language, (k) => t(k, { ns: 'common' })), 'bad');
  // The lists learn of it within a second; the screen says so at once.
  const show = (change: (rows: Voicemail[]) => Voicemail[]) =>
    client.setQueriesData<Pages>({ queryKey: ['voicemails'] }, (old) => (old && 'pages' in old ? { ...old, pages: old.pages.map((p) => ({ ...p, items: change(p.items) })) } : old));
  const mark = useMutation({
    mutationFn: (state: Voicemail['state']) => ok(api.PATCH('/api/v1/voicemails/{id}', { params: { path: { id: m.id } }, body: { state } })),
    onSuccess: (now) => show((rows) => rows.map((r) => (r.id === now.id ? now : r))),
    onError: failed,
  });
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE('/api/v1/voicemails/{id}', { params: { path: { id: m.id } } })),
    onSuccess: () => {
      toast(t('deleted'));
      show((rows) => rows.filter((r) => r.id !== m.id));
    },
    onError: failed,
  });
  const recording: Schemas['Recording'] = { id: m.id, interaction: m.interaction, segment: null, started_at: m.left_at, length_ms: m.length_ms, stored: true, deleted: false, gaps: [] };
  return (
    <div className="col">
      <div className="row wrap">
        <h2 className="grow num">{caller(m)}</h2>
        <CallBack message={m} />
        {m.state === 'handled' ? (
          <Button variant="default" loading={mark.isPending} onClick={() => mark.mutate('new')}>
            {t('mark_new')}
          </Button>
        ) : (
          <Button variant="default" leftSection={<Icon name="check" size={16} />} loading={mark.isPending} data-testid="mark-handled" onClick={() => mark.mutate('handled')}>
            {t('mark_handled')}
          </Button>
        )}
        {may('voicemail.delete') ? (
          <Button color="#b3261e" variant={sure ? 'filled' : 'default'} leftSection={<Icon name="trash" size={16} />} loading={remove.isPending} onClick={() => (sure ? remove.mutate() : setSure(true))} onBlur={() => setSure(false)}>
            {t(sure ? 'delete_sure' : 'delete')}
          </Button>
        ) : null}
      </div>
      <dl className="card card-body row wrap message-facts">
        <Fact name={t('left')} value={dateTime(m.left_at, i18n.language, me.time_zone, true)} />
        <Fact name={t('mailbox')} value={m.queue ? local(m.queue.name) : t('company')} />
        <Fact name={t('number')} value={m.number ? `${m.number.number} ${local(m.number.name)}` : '–'} />
        <Fact name={t('state')} value={[t(`states.${m.state}`), m.by_name, m.state === 'new' ? null : dateTime(m.state_at, i18n.language, me.time_zone)].filter(Boolean).join(' · ')} />
        <div>
          <dt className="dim small">{t('calls')}</dt>
          <dd className="row">
            <Link to="/interactions/$id" params={{ id: m.interaction }}>
              {t('its_call')}
            </Link>
            {m.call ? (
              <Link to="/interactions/$id" params={{ id: m.call }}>
                {t('its_call_back')}
              </Link>
            ) : null}
          </dd>
        </div>
      </dl>
      <Player recording={recording} mono onPlay={() => m.state === 'new' && mark.mutate('heard')} />
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="dim small">{name}</dt>
      <dd className="num">{value}</dd>
    </div>
  );
}

/** By the agent's own device, without anybody typing the number. */
function CallBack({ message: m }: { message: Voicemail }) {
  const { t } = useTranslation('voicemail');
  const desk = useDesk();
  const readOnly = useReadOnly();
  const command = useCommand();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  if (!desk?.signed_in || !m.from || m.from.kind === 'withheld') return null;
  const not = dialNot(desk, readOnly);
  const why = not ? t(`dial.not.${not}`, { ns: 'common' }) : undefined;
  const call = async () => {
    if (why) return toast(why, 'bad');
    setBusy(true);
    if (await command({ command: 'call_back', interaction: m.interaction, message: m.id })) void navigate({ to: '/desk/{-$interactionId}' });
    else setBusy(false);
  };
  return (
    <Button leftSection={<Icon name="callout" size={16} />} aria-disabled={not ? true : undefined} data-disabled={not ? true : undefined} title={why} loading={busy} data-testid="call-back" onClick={() => void call()}>
      {t('call_back')}
    </Button>
  );
}
