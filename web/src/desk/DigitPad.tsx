// Twelve keys; digits typed on the keyboard count too.
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

const keys = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

export function DigitPad({ onDigit }: { onDigit: (digit: string) => void }) {
  const { t } = useTranslation('common');
  const [sent, setSent] = useState('');
  const press = (d: string) => {
    onDigit(d);
    setSent((s) => (s + d).slice(-16));
  };
  return (
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
  );
}
