// Twelve keys below their button; digits typed on the keyboard count too.
import { Popover } from '@mantine/core';
import { type ButtonHTMLAttributes, cloneElement, type ReactElement, type RefAttributes, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useCommand } from '../socket/session';
import { useSwapped } from '../ui/swapped';
import type { DeskWork } from './words';

const keys = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

export function DigitPad({ call, close, children }: { call: DeskWork; close: () => void; children: ReactElement<ButtonHTMLAttributes<HTMLButtonElement> & RefAttributes<HTMLButtonElement>> }) {
  const { t } = useTranslation('common');
  const command = useCommand();
  const { button, ready } = useSwapped();
  const [sent, setSent] = useState('');
  const press = (d: string) => {
    void command({ command: 'send_digits', segment: call.segment, digits: d });
    setSent((s) => (s + d).slice(-16));
  };
  return (
    <Popover opened={ready} returnFocus onChange={(open) => (open ? undefined : close())} trapFocus position="bottom" shadow="md">
      <Popover.Target>{cloneElement(children, { ref: button })}</Popover.Target>
      <Popover.Dropdown>
        <div
          className="pad"
          role="group"
          aria-label={t('phone.keypad')}
          onKeyDown={(e) => {
            if (keys.includes(e.key) && !e.ctrlKey && !e.metaKey && !e.nativeEvent.isComposing) press(e.key);
          }}
        >
          <output className="pad-sent mono">{sent || '\u00a0'}</output>
          {keys.map((d) => (
            <button key={d} type="button" onClick={() => press(d)}>
              {d}
            </button>
          ))}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}
