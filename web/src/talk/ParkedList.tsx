// Customers in parking places: everybody's, for whoever takes them first. They come back by themselves in time.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useCaller } from '../desk/caller';
import type { DeskView } from '../desk/words';
import { useLocal } from '../i18n/localized';
import { useCommand, useReadOnly } from '../socket/session';
import { Remaining } from '../ui/Elapsed';
import './talk.css';

export function ParkedList({ desk }: { desk: DeskView }) {
  const { t } = useTranslation('talk');
  const local = useLocal();
  const caller = useCaller();
  const command = useCommand();
  const readOnly = useReadOnly();
  // There is room for no call beside another, a wrap-up included.
  const busy = desk.work.some((w) => w.medium === 'voice') || desk.offers.some((o) => o.medium === 'voice');
  const not = busy ? t('parked.busy') : undefined;
  return (
    <section aria-label={t('parked.title')} data-testid="parked">
      <div className="section-head">
        <h2>{t('parked.title')}</h2>
      </div>
      <ul>
        {desk.parked.map((p) => (
          <li key={p.interaction} className="parked-item" data-place={p.place}>
            <strong className="num">{p.place}</strong>
            <span className="cut" title={caller(p)}>
              {caller(p)}
            </span>
            <Remaining until={p.until_at} />
            <span className="dim cut" title={p.by.name}>
              {[p.by.name, p.queue ? local(p.queue.name) : null].filter(Boolean).join(' · ')}
            </span>
            <Button size="compact-sm" variant="default" data-testid="pick-up" disabled={readOnly || busy} title={not} aria-description={not} onClick={() => void command({ command: 'pick_up', interaction: p.interaction })}>
              {t('parked.pick_up')}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
