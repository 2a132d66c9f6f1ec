// Everything on the agent's hands in one list: what rings first, then by urgency.
import { Link, lazyRouteComponent } from '@tanstack/react-router';
import { Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocal } from '../i18n/localized';
import { Elapsed, Remaining } from '../ui/Elapsed';
import { useCaller } from './caller';
import { dialling } from './dial';
import { Outgoing } from './Outgoing';
import { type DeskView, type DeskWork, shownState, stateTone } from './words';

const ParkedList = lazyRouteComponent(() => import('../talk/ParkedList'), 'ParkedList');

// What is live before what only needs finishing.
const urgency: Record<DeskWork['state'], number> = {
  connecting: 0,
  talking: 0,
  held: 0,
  consulting: 0,
  watching: 0,
  offered: 0,
  echo: 1,
  parked: 1,
  running: 1,
  voicemail: 1,
  waiting: 1,
  wrap_up: 2,
};

export function Inbox({ desk, chosen }: { desk: DeskView; chosen: string | undefined }) {
  const { t } = useTranslation('common');
  const local = useLocal();
  const caller = useCaller();
  const work = [...desk.work].sort((a, b) => urgency[a.state] - urgency[b.state] || a.started_at - b.started_at);
  const count = work.length + desk.offers.length;
  return (
    <section className="desk-inbox" aria-label={t('desk.inbox')}>
      <div className="section-head">
        <h2>{t('desk.inbox')}</h2>
        <span className="dim num">{count}</span>
      </div>
      <ul>
        {desk.offers.map((o) => (
          <li key={o.offer} className="inbox-item">
            <strong className="cut" title={caller(o)}>
              {caller(o)}
            </strong>
            <Remaining until={o.until_at} />
            <span className="dim cut" title={o.queue ? local(o.queue.name) : undefined}>
              {o.queue ? local(o.queue.name) : t(`medium.${o.medium}`)}
            </span>
            <span className="state" data-tone="talking">
              {t('presence.offered')}
            </span>
          </li>
        ))}
        {work.map((w) => (
          <li key={w.segment}>
            <Link to="/desk/{-$interactionId}" params={{ interactionId: w.interaction }} className="inbox-item" data-chosen={w.segment === chosen}>
              <strong className="cut" title={caller(w)}>
                <Outgoing direction={w.direction} small /> {caller(w)}
              </strong>
              {w.state === 'wrap_up' && w.wrap_up_until_at ? <Remaining until={w.wrap_up_until_at} /> : <Elapsed since={w.state_since_at} />}
              <span className="dim cut" title={w.queue ? local(w.queue.name) : undefined}>
                {w.queue ? local(w.queue.name) : t(`medium.${w.medium}`)}
              </span>
              <span className="state" data-tone={stateTone(shownState(w))}>
                {dialling(w) ? t('dial.state') : t(`segment.${shownState(w)}`)}
              </span>
            </Link>
          </li>
        ))}
      </ul>
      {desk.parked.length > 0 ? (
        <Suspense>
          <ParkedList desk={desk} />
        </Suspense>
      ) : null}
      {count === 0 ? <p className="placeholder">{t('desk.inbox_empty')}</p> : null}
    </section>
  );
}
