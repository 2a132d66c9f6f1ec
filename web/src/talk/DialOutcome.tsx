// A call that nobody answered is gone from the desk at once: says why, when the history knows it.
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok } from '../api/client';
import { useCaller } from '../desk/caller';
import { dialling } from '../desk/dial';
import type { DeskWork } from '../desk/words';
import { toast } from '../ui/toast';
import { gone, outcomeOf } from './words';

/** The history follows the floor by a moment. */
const TRIES = 6;
const WAIT_MS = 500;

export function DialOutcome({ work }: { work: readonly DeskWork[] }) {
  const { t } = useTranslation('talk');
  const caller = useCaller();
  const before = useRef<DeskWork[]>([]);
  useEffect(() => {
    const lost = gone(before.current, work);
    before.current = work.filter(dialling);
    const tell = async (w: DeskWork) => {
      for (let i = 0; i < TRIES; i++) {
        await new Promise((done) => setTimeout(done, WAIT_MS));
        const detail = await ok(api.GET('/api/v1/interactions/{id}', { params: { path: { id: w.interaction } } })).catch(() => null);
        const end = detail?.segments.find((s) => s.id === w.segment)?.end;
        if (!end) continue;
        const outcome = outcomeOf(end);
        if (outcome) toast(t(`dialler.outcome.${outcome}`, { number: caller(w) }), 'bad');
        return;
      }
      toast(t('dialler.outcome.other', { number: caller(w) }), 'bad');
    };
    for (const w of lost) void tell(w);
  }, [work, t, caller]);
  return null;
}
