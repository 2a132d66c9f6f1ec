// Ctrl/⌘ K: go to a page by typing a part of its name.
import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/icons';
import { useNavItems } from './Nav';

export function Palette({ close }: { close: () => void }) {
  const { t } = useTranslation('common');
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  const wanted = text.trim().toLowerCase();
  const items = useNavItems().filter((i) => t(`nav.${i.key}`).toLowerCase().includes(wanted) || i.key.includes(wanted));
  const go = (index: number) => {
    const item = items[index];
    if (!item) return;
    close();
    void navigate(item.link);
  };
  const keys = (e: KeyboardEvent) => {
    if (e.nativeEvent.isComposing) return;
    if (e.key === 'ArrowDown') setChosen((c) => Math.min(c + 1, items.length - 1));
    else if (e.key === 'ArrowUp') setChosen((c) => Math.max(c - 1, 0));
    else if (e.key === 'Enter') go(chosen);
    else return;
    e.preventDefault();
  };
  return (
    <Dialog title={t('palette.title')} close={close}>
      <TextInput
        data-autofocus
        autoFocus
        aria-label={t('palette.title')}
        placeholder={t('palette.hint')}
        value={text}
        onChange={(e) => {
          setText(e.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={keys}
      />
      <div className="palette-list">
        {items.map((i, n) => (
          <button key={i.key} type="button" data-chosen={n === chosen} onClick={() => go(n)}>
            <Icon name={i.icon} size={16} />
            {t(`nav.${i.key}`)}
          </button>
        ))}
        {items.length === 0 ? <p className="dim">{t('palette.none')}</p> : null}
      </div>
    </Dialog>
  );
}
