// Short messages in a corner; polite for success, assertive for trouble. Trouble stays until it is closed.
import { CloseButton } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';

interface Toast {
  id: number;
  text: string;
  tone: 'good' | 'bad';
}

let toasts: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();
const MAX = 4; // more would cover the page; the oldest goes

function set(list: readonly Toast[]): void {
  toasts = list;
  for (const l of listeners) l();
}

export function toast(text: string, tone: Toast['tone'] = 'good'): void {
  const id = next++;
  set([...toasts.filter((t) => t.text !== text), { id, text, tone }].slice(-MAX));
  setTimeout(() => set(toasts.filter((t) => t.id !== id)), tone === 'good' ? 4000 : 12_000);
}

export function Toasts() {
  const { t } = useTranslation('common');
  const list = useSyncExternalStore(
    (l) => {
      listeners.add(l);
      return () => listeners.delete(l);
    },
    () => toasts,
  );
  return (
    <div className="toasts" aria-live="polite">
      {list.map((x) => (
        <div key={x.id} className="toast" data-tone={x.tone} role={x.tone === 'bad' ? 'alert' : undefined}>
          <div>{x.text}</div>
          <CloseButton aria-label={t('action.close')} onClick={() => set(toasts.filter((y) => y.id !== x.id))} />
        </div>
      ))}
    </div>
  );
}
