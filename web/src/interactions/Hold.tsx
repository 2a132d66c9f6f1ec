// Kept for a court: since when, by whom and why, and the form that holds or releases.
import { Button, Textarea } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { useMay, useMe } from '../api/session';
import { dateTime } from '../ui/format';

export function Hold({ interaction, hold }: { interaction: string; hold: Schemas['Hold'] | null }) {
  const { t, i18n } = useTranslation('interactions');
  const me = useMe();
  const may = useMay();
  const client = useQueryClient();
  const [asked, setAsked] = useState(false);
  const [reason, setReason] = useState('');
  const change = useMutation({
    mutationFn: () => ok(api.PUT('/api/v1/interactions/{id}/hold', { params: { path: { id: interaction } }, body: { held: !hold, reason } })),
    onSuccess: async () => {
      setAsked(false);
      setReason('');
      await client.invalidateQueries({ queryKey: ['interaction', interaction] });
      await client.invalidateQueries({ queryKey: ['interactions'] });
    },
  });
  const allowed = may('recording.hold');
  if (!hold && !allowed) return null;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (reason.trim()) change.mutate();
  };
  return (
    <section className="card" aria-label={t('hold.title')} data-testid="hold" data-held={hold ? '' : undefined}>
      <div className="card-head">
        <h2>{t('hold.title')}</h2>
        <span className="grow">
          {hold ? (
            <span className="state" data-tone="wrapup">
              {t('hold.held', { at: dateTime(hold.at, i18n.language, me.time_zone) })}
            </span>
          ) : (
            <span className="dim">{t('hold.free')}</span>
          )}
        </span>
        {allowed && !asked ? (
          <Button variant="default" size="xs" onClick={() => setAsked(true)}>
            {t(hold ? 'hold.release' : 'hold.hold')}
          </Button>
        ) : null}
      </div>
      {hold?.reason ? (
        <dl className="card-body row wrap">
          <div>
            <dt className="dim small">{t('hold.by')}</dt>
            <dd>{hold.by}</dd>
          </div>
          <div>
            <dt className="dim small">{t('hold.reason')}</dt>
            <dd>{hold.reason}</dd>
          </div>
        </dl>
      ) : null}
      {asked ? (
        <form className="card-body col" onSubmit={submit}>
          <Textarea autoFocus required maxLength={500} autosize minRows={2} label={t('hold.reason')} description={t(hold ? 'hold.release_hint' : 'hold.hint')} value={reason} onChange={(e) => setReason(e.currentTarget.value)} />
          {change.error ? (
            <div className="alert" data-tone="bad" role="alert">
              {problemText(change.error, i18n.language, t)}
            </div>
          ) : null}
          <div className="row">
            <Button type="submit" loading={change.isPending} disabled={!reason.trim()}>
              {t(hold ? 'hold.release_now' : 'hold.hold_now')}
            </Button>
            <Button variant="default" onClick={() => setAsked(false)}>
              {t('hold.cancel')}
            </Button>
          </div>
        </form>
      ) : null}
    </section>
  );
}
