// `?`: every shortcut, each of which can be given another key here.
import { Button, Kbd } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Dialog } from '../ui/Dialog';
import { combination, defaults, remap, type ShortcutId, shortcutIds, spelled, useShortcuts } from './keyboard';

export function ShortcutHelp({ close }: { close: () => void }) {
  const { t } = useTranslation('common');
  const [editing, setEditing] = useState<ShortcutId | null>(null);
  const keys = useShortcuts();

  useEffect(() => {
    if (!editing) return;
    const listen = (e: KeyboardEvent) => {
      const pressed = combination(e);
      if (!pressed) return;
      e.preventDefault();
      e.stopPropagation();
      if (pressed !== 'escape') remap(editing, pressed);
      setEditing(null);
    };
    document.addEventListener('keydown', listen, true);
    return () => document.removeEventListener('keydown', listen, true);
  }, [editing]);

  const taken = (id: ShortcutId) => shortcutIds.some((o) => o !== id && keys[o] === keys[id]);

  return (
    <Dialog title={t('keys.title')} close={close}>
      <p className="dim">{t('keys.hint')}</p>
      <table className="grid">
        <thead>
          <tr>
            <th>{t('keys.action')}</th>
            <th>{t('keys.key')}</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {shortcutIds.map((id) => (
            <tr key={id}>
              <td>{t(`keys.name.${id}`)}</td>
              <td>
                <Kbd>{editing === id ? t('keys.press') : spelled(keys[id])}</Kbd>
                {taken(id) ? <span className="small"> {t('keys.taken')}</span> : null}
              </td>
              <td className="num">
                <Button size="compact-xs" variant="subtle" onClick={() => setEditing(id)} aria-label={t('keys.change_of', { name: t(`keys.name.${id}`) })}>
                  {t('action.change')}
                </Button>
                {keys[id] !== defaults[id] ? (
                  <Button size="compact-xs" variant="subtle" color="gray" onClick={() => remap(id, null)}>
                    {t('action.reset')}
                  </Button>
                ) : null}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Dialog>
  );
}
