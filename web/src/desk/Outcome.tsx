// The disposition and the note. The draft of the note survives a reload; it is sent with the disposition.
import { Button, Textarea } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocal } from '../i18n/localized';
import { spelled, useShortcut, useShortcuts } from '../shell/keyboard';
import { useCommand, useReadOnly } from '../socket/session';
import type { DeskWork } from './words';

const key = (segment: string) => `cordboard.note.${segment}`;

function draft(segment: string): string {
  try {
    return sessionStorage.getItem(key(segment)) ?? '';
  } catch {
    return '';
  }
}

function keep(segment: string, text: string): void {
  try {
    if (text) sessionStorage.setItem(key(segment), text);
    else sessionStorage.removeItem(key(segment));
  } catch {
    // The field still holds it.
  }
}

export function Outcome({ work }: { work: DeskWork }) {
  const { t } = useTranslation('common');
  const local = useLocal();
  const keys = useShortcuts();
  const command = useCommand();
  const [note, setNote] = useState(() => draft(work.segment));
  const [sent, setSent] = useState('');
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const wrapping = work.state === 'wrap_up';
  const readOnly = useReadOnly();

  useEffect(() => keep(work.segment, note), [work.segment, note]);
  useShortcut('note', () => field.current?.focus());

  const choose = async (disposition: string) => {
    const done = await command({ command: 'set_disposition', segment: work.segment, disposition, note: note || null });
    if (done) setSent(note);
    return done;
  };
  const finish = async () => {
    setBusy(true);
    // A note written after the disposition was chosen goes along now.
    const saved = !work.disposition || note === sent || (await choose(work.disposition));
    if (saved && (await command({ command: 'end_wrap_up', segment: work.segment }))) keep(work.segment, '');
    setBusy(false);
  };
  const missing = work.disposition_required && !work.disposition;
  useShortcut('wrap_up', () => void finish(), wrapping && !missing && !busy && !readOnly);

  return (
    <fieldset className="plain card-body col" disabled={readOnly}>
      {work.dispositions.length > 0 ? (
        <fieldset className="dispositions">
          <legend className="visually-hidden">{t('wrap.disposition')}</legend>
          {work.dispositions.map((d) => (
            <button key={d.id} type="button" data-testid="disposition" aria-pressed={work.disposition === d.id} onClick={() => void choose(d.id)}>
              {local(d.name)}
            </button>
          ))}
        </fieldset>
      ) : null}
      <Textarea
        ref={field}
        label={t('wrap.note')}
        autosize
        minRows={3}
        maxRows={10}
        maxLength={4000}
        value={note}
        onChange={(e) => setNote(e.currentTarget.value)}
        description={work.dispositions.length > 0 && !work.disposition && note ? t('wrap.note_hint') : undefined}
      />
      {wrapping ? (
        <div className="row">
          <Button data-testid="end-wrap-up" disabled={missing} loading={busy} title={spelled(keys.wrap_up)} onClick={() => void finish()}>
            {t('wrap.done')}
          </Button>
          {missing ? <span className="dim">{t('wrap.required')}</span> : null}
        </div>
      ) : work.disposition && note !== sent ? (
        <div className="row">
          <Button variant="default" onClick={() => work.disposition && void choose(work.disposition)}>
            {t('wrap.save_note')}
          </Button>
        </div>
      ) : null}
    </fieldset>
  );
}
