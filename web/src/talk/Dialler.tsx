// Calling somebody outside: the number, the number shown to them, and why it cannot be done, in words.
import { Button, Select, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, problemText } from '../api/client';
import { useChoices } from '../api/names';
import { dialNot, looksDialable, plainNumber } from '../desk/dial';
import type { DeskView } from '../desk/words';
import { spelled } from '../shell/keyboard';
import { sendCommand, useReadOnly } from '../socket/session';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/icons';
import './talk.css';

interface Props {
  first: string;
  desk: DeskView;
  close: () => void;
}

export function Dialler({ first, desk, close }: Props) {
  const { t, i18n } = useTranslation('talk');
  const navigate = useNavigate();
  const numbers = useChoices('numbers');
  const readOnly = useReadOnly();
  const [number, setNumber] = useState(first);
  const [caller, setCaller] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [wrong, setWrong] = useState(false);
  const [busy, setBusy] = useState(false);
  // Not while the command is under way: its own call is on the desk before the answer is here.
  const not = busy ? null : dialNot(desk, readOnly);

  const call = async (e: FormEvent) => {
    e.preventDefault();
    if (not || busy) return;
    setError(null);
    setWrong(!looksDialable(number));
    if (!looksDialable(number)) return;
    setBusy(true);
    try {
      await sendCommand({ command: 'dial', number: plainNumber(number), caller: caller || null });
      close();
      // The call is worked on at the desk, wherever it was dialled.
      void navigate({ to: '/desk/{-$interactionId}', params: { interactionId: undefined } });
    } catch (x) {
      setError(x);
      setBusy(false);
    }
  };
  const ofNumber = error instanceof ApiError && (error.code.startsWith('number.') || error.code === 'route.missing');
  const words = error ? problemText(error, i18n.language, (k) => t(k, { ns: 'common' })) : not ? t(`dial.not.${not}`, { ns: 'common' }) : null;
  return (
    <Dialog size={400} title={t('dial.title', { ns: 'common' })} close={close}>
      <form className="col dialler" onSubmit={(e) => void call(e)} data-testid="dialler" noValidate>
        <TextInput
          data-autofocus
          autoFocus
          type="tel"
          inputMode="tel"
          autoComplete="off"
          maxLength={40}
          label={t('dialler.number')}
          placeholder={t('dialler.example')}
          data-testid="dial-number"
          value={number}
          error={wrong ? t('dialler.wrong') : ofNumber && words ? <span data-testid="dial-error">{words}</span> : undefined}
          onChange={(e) => {
            setNumber(e.currentTarget.value);
            setWrong(false);
            setError(null);
          }}
        />
        {numbers.length > 0 ? (
          <Select
            label={t('dialler.caller')}
            data={[{ value: '', label: t('dialler.company') }, ...numbers]}
            value={caller}
            onChange={(v) => {
              setCaller(v ?? '');
              setError(null);
            }}
            searchable={numbers.length > 8}
            data-testid="dial-caller"
            nothingFoundMessage={t('picker.none')}
          />
        ) : null}
        {words && !ofNumber ? (
          <p className="alert" data-tone="bad" role="alert" data-testid="dial-error">
            {words}
          </p>
        ) : null}
        <div className="row">
          <Button type="submit" color="#0b6b3a" data-testid="dial-now" leftSection={<Icon name="phone" size={16} />} rightSection={<kbd>{spelled('enter')}</kbd>} disabled={not !== null} loading={busy}>
            {t('dialler.call')}
          </Button>
          <Button variant="default" onClick={close}>
            {t('dialler.cancel')}
          </Button>
        </div>
        {desk.device && desk.device.kind !== 'browser' ? <p className="dim small">{t('dialler.own_first')}</p> : null}
      </form>
    </Dialog>
  );
}
