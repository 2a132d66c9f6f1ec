// The agent's presence, its clock, and the choice of another.
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocal } from '../i18n/localized';
import { useShortcut } from '../shell/keyboard';
import { useCommand, useDesk, useReadOnly } from '../socket/session';
import { DropMenu } from '../ui/DropMenu';
import { Elapsed } from '../ui/Elapsed';
import { Icon } from '../ui/icons';
import { activity } from './words';

export function PresenceMenu() {
  const { t } = useTranslation('common');
  const local = useLocal();
  const desk = useDesk();
  const command = useCommand();
  const [open, setOpen] = useState(false);
  const readOnly = useReadOnly();
  useShortcut('presence', () => setOpen(true), desk !== null && !readOnly);
  if (!desk) return <span className="bar-button bar-dim presence">{t('presence.unknown')}</span>;

  const now = activity(desk);
  const presence = desk.presence;
  const reason = presence.state === 'break' ? desk.break_reasons.find((b) => b.id === presence.reason) : undefined;
  const word = now.key === 'break' && reason ? local(reason.name) : t(`presence.${now.key}`);
  const set = (p: typeof presence) => void command({ command: 'set_presence', presence: p });
  const away = <span className="state" data-tone="away" />;
  return (
    <DropMenu
      opened={open}
      onChange={setOpen}
      entries={[
        { text: t('presence.available'), testId: 'presence-available', icon: <span className="state" data-tone="ready" />, onClick: () => set({ state: 'available' }) },
        { heading: t('presence.break') },
        ...desk.break_reasons.map((b) => ({ text: local(b.name), icon: away, onClick: () => set({ state: 'break', reason: b.id }) })),
        { line: true },
        { text: t('presence.offline'), icon: away, onClick: () => set({ state: 'offline' }) },
      ]}
    >
      <button type="button" className="bar-button presence" disabled={readOnly} data-testid="presence" data-state={now.key} data-presence={presence.state}>
        <span className="state" data-tone={now.tone} aria-hidden />
        <span className="visually-hidden">{t('presence.change')}</span>
        <span className="cut" title={word}>
          {word}
        </span>
        <span className="bar-dim">
          <Elapsed since={now.since} />
        </span>
        <Icon name="chevron" size={16} />
      </button>
    </DropMenu>
  );
}
