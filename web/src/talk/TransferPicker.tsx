// Where a call goes: search, choose, then transfer at once or ask first. The list follows the floor while it is open.
import { Button, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../api/client';
import type { DeskWork } from '../desk/words';
import { spelled } from '../shell/keyboard';
import { useCommand } from '../socket/session';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/icons';
import { Empty, Ready } from '../ui/States';
import { TargetList } from './TargetList';
import { matching, outsideRow, step, targetRows } from './targets';
import './talk.css';

interface Props {
  work: DeskWork;
  agent: string;
  close: () => void;
}

export function TransferPicker({ work, agent, close }: Props) {
  const { t, i18n } = useTranslation('talk');
  const command = useCommand();
  const list = useId();
  const [text, setText] = useState('');
  const [wanted, setWanted] = useState<string | null>(null);
  const [sending, setSending] = useState<'transfer' | 'consult' | null>(null);
  const query = useQuery({
    queryKey: ['targets', agent],
    staleTime: 0,
    // Who is free changes all the time.
    refetchInterval: 2000,
    queryFn: () => ok(api.GET('/api/v1/agents/{id}/targets', { params: { path: { id: agent } } })),
  });
  const all = query.data ? targetRows(query.data, i18n.language, t('picker.voicemail')) : [];
  const rows = [...matching(all, text), ...outsideRow(all, text)];
  const chosen = step(rows, wanted, 0);
  const alone = work.others.length === 0;
  const can = { transfer: chosen !== undefined && alone, consult: chosen?.person ?? false };

  const send = async (what: 'transfer' | 'consult') => {
    if (!chosen || !can[what] || sending) return;
    setSending(what);
    if (await command({ command: what, segment: work.segment, to: chosen.to })) close();
    setSending(null);
  };
  const keys = (e: KeyboardEvent) => {
    if (e.nativeEvent.isComposing) return;
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') setWanted(step(rows, chosen?.key ?? null, e.key === 'ArrowDown' ? 1 : -1)?.key ?? null);
    else if (e.key === 'Enter') void send(e.shiftKey ? 'consult' : 'transfer');
    else return;
    e.preventDefault();
  };

  return (
    <Dialog size={520} title={t('phone.transfer', { ns: 'common' })} close={close}>
      <div className="col picker" data-testid="transfer-picker">
        <TextInput
          // The one for a picker that is here at once, the other for one that had to be fetched.
          data-autofocus
          autoFocus
          role="combobox"
          aria-expanded={rows.length > 0}
          aria-autocomplete="list"
          aria-controls={rows.length > 0 ? list : undefined}
          aria-activedescendant={chosen ? `${list}-${chosen.key}` : undefined}
          data-testid="transfer-search"
        aria-label={t('picker.search')}
          placeholder={t('picker.search')}
          leftSection={<Icon name="search" size={16} />}
          value={text}
          onChange={(e) => {
            setText(e.currentTarget.value);
            setWanted(null);
          }}
          onKeyDown={keys}
        />
        <div className="targets-place">
          <Ready query={query}>{() => (rows.length === 0 ? <Empty title={t('picker.none')} /> : <TargetList id={list} rows={rows} chosen={chosen?.key} choose={setWanted} />)}</Ready>
        </div>
        <div className="row picker-foot">
          <Button data-testid="transfer-now" disabled={!can.transfer} loading={sending === 'transfer'} onClick={() => void send('transfer')} rightSection={<kbd>{spelled('enter')}</kbd>}>
            {t('picker.transfer')}
          </Button>
          <Button data-testid="consult-first" variant="default" disabled={!can.consult} loading={sending === 'consult'} onClick={() => void send('consult')} rightSection={<kbd>{spelled('shift+enter')}</kbd>}>
            {t('picker.consult')}
          </Button>
        </div>
        {!alone || (chosen && !chosen.person) ? <p className="dim small">{t(alone ? 'picker.only_people' : 'picker.others')}</p> : null}
      </div>
    </Dialog>
  );
}
