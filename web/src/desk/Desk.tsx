// The agent's workspace: what waits (left), the one at hand (centre), device and facts (right).
import { useNavigate, useParams } from '@tanstack/react-router';
import { Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { useMe } from '../api/session';
import { useShortcut } from '../shell/keyboard';
import { useDesk } from '../socket/session';
import { later } from '../ui/later';
import { Empty, Loading } from '../ui/States';
import { DeviceBanner } from './DeviceBanner';
import { DeskSide } from './DeskSide';
import { IdleDesk } from './IdleDesk';
import { Inbox } from './Inbox';

const WorkPanel = later(() => import('./WorkPanel'), 'WorkPanel');
const WatchPanel = later(() => import('../talk/WatchPanel'), 'WatchPanel');

export function Desk() {
  const { t } = useTranslation('common');
  const me = useMe();
  const desk = useDesk();
  const navigate = useNavigate();
  const { interactionId } = useParams({ strict: false });

  const work = desk?.work ?? [];
  // Without a choice: the call at hand, else what still needs its wrap-up.
  const chosen = work.find((w) => w.interaction === interactionId) ?? work.findLast((w) => w.state !== 'wrap_up') ?? work.at(-1);
  const step = (by: number) => {
    const at = work.findIndex((w) => w === chosen);
    const next = work[at + by];
    if (next) void navigate({ to: '/desk/{-$interactionId}', params: { interactionId: next.interaction } });
  };
  useShortcut('next', () => step(1));
  useShortcut('previous', () => step(-1));

  if (!me.agent) return <Empty title={t('desk.no_agent')} hint={t('desk.no_agent_hint')} />;
  if (!desk) {
    // Not on the floor yet: another machine leads, no seat is free, or the answer is on its way.
    return (
      <div className="desk-page">
        <DeviceBanner desk={null} />
        <Loading />
      </div>
    );
  }
  return (
    <div className="desk-page" data-testid="desk">
      <DeviceBanner desk={desk} />
      <div className="desk">
        <Inbox desk={desk} chosen={chosen?.segment} />
        <section className="desk-centre" aria-label={t('desk.work')}>
          {!chosen ? (
            <IdleDesk desk={desk} />
          ) : (
            <Suspense fallback={<Loading />}>
              {chosen.watching ? <WatchPanel work={chosen} watching={chosen.watching} /> : <WorkPanel key={chosen.segment} work={chosen} />}
            </Suspense>
          )}
        </section>
        <DeskSide desk={desk} work={chosen} />
      </div>
    </div>
  );
}
