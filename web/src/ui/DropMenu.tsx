// A menu below a button. The button is there at once; the menu itself loads when it is first opened.
import { type ButtonHTMLAttributes, cloneElement, type ReactElement, type ReactNode, type RefAttributes, Suspense, useState } from 'react';
import { later } from './later';

export type MenuEntry =
  | { heading: string }
  | { line: true }
  | { text: string; icon?: ReactNode; onClick: () => void; current?: boolean; lang?: string; testId?: string };

export interface DropMenuProps {
  entries: MenuEntry[];
  opened: boolean;
  onChange: (opened: boolean) => void;
  end?: boolean;
  /** One `<button>`, without what makes it open the menu. */
  children: ReactElement<ButtonHTMLAttributes<HTMLButtonElement> & RefAttributes<HTMLButtonElement>>;
}

const MenuBelow = later(() => import('./MenuBelow'), 'MenuBelow');

export function DropMenu(props: DropMenuProps) {
  const [used, setUsed] = useState(false);
  if (props.opened && !used) setUsed(true);
  const plain = (busy: boolean) =>
    cloneElement(props.children, { onClick: () => props.onChange(true), 'aria-haspopup': 'menu', 'aria-expanded': false, 'aria-busy': busy || undefined });
  if (!used && !props.opened) return plain(false);
  return (
    <Suspense fallback={plain(true)}>
      <MenuBelow {...props} />
    </Suspense>
  );
}
