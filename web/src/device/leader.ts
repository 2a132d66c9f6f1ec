// Which of several tabs leads: the holder of a Web Lock. The others wait in its line and take over when it closes;
// "lead here" steals the lock. Across machines the server decides (`lead` message), this only settles one browser.

export interface Leader {
  /** Takes the lead away from another tab of this browser. */
  take(): void;
  /** Gives it up, because another machine took it. */
  release(): void;
  /** Gets in line for it, unless it is there already. */
  wait(): void;
}

export function followLead(name: string, changed: (leading: boolean, taken: boolean) => void): Leader {
  const locks = navigator.locks;
  if (!locks) {
    // No locks on plain-http origins: the server alone decides.
    changed(true, false);
    return { take: () => changed(true, true), release: () => changed(false, false), wait: () => changed(true, false) };
  }
  let give: (() => void) | undefined;
  let round = 0;
  let inLine = false;

  const request = (steal: boolean) => {
    const mine = ++round;
    inLine = true;
    locks
      .request(name, { mode: 'exclusive', steal }, () => {
        if (mine !== round) return undefined; // given up meanwhile: lets go at once
        changed(true, steal);
        return new Promise<void>((done) => {
          give = done;
        });
      })
      .catch(() => {
        // Stolen by another tab: wait in line again, in case that tab closes.
        if (mine !== round) return;
        changed(false, false);
        request(false);
      });
  };
  request(false);

  return {
    take: () => request(true),
    wait: () => {
      if (!inLine) request(false);
    },
    release: () => {
      round++;
      inLine = false;
      give?.();
      give = undefined;
      changed(false, false);
    },
  };
}

/** A name for this tab which a reload keeps and a duplicated tab does not share. */
export async function tabId(): Promise<string> {
  const fresh = () => `tab_${crypto.getRandomValues(new Uint32Array(3)).join('')}`;
  let id: string;
  try {
    id = sessionStorage.getItem('cordboard.tab') ?? fresh();
    if (navigator.locks && !(await claim(id))) id = fresh();
    sessionStorage.setItem('cordboard.tab', id);
  } catch {
    id = fresh();
  }
  return id;
}

/** Holds the id as long as the page lives. A page being reloaded lets go a moment late, hence the few tries. */
async function claim(id: string): Promise<boolean> {
  for (let i = 0; i < 5; i++) {
    const got = await new Promise<boolean>((done) => {
      void navigator.locks.request(`cordboard.${id}`, { ifAvailable: true }, (lock) => {
        done(lock !== null);
        return lock ? new Promise<void>(() => {}) : undefined;
      });
    });
    if (got) return true;
    await new Promise((r) => setTimeout(r, 60));
  }
  return false;
}
