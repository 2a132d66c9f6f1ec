// A button that stood alone until what it opens was loaded is drawn anew together with it: it takes the focus over
// before the opening, so that closing gives the focus back to it.
import { type RefObject, useLayoutEffect, useRef, useState } from 'react';

export function useSwapped(): { button: RefObject<HTMLButtonElement | null>; ready: boolean } {
  const button = useRef<HTMLButtonElement>(null);
  const [ready, setReady] = useState(false);
  useLayoutEffect(() => {
    button.current?.focus();
    setReady(true);
  }, []);
  return { button, ready };
}
