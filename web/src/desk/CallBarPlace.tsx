// Below the softphone on every page: the bar about others in the call and the one about its recording, loaded when there
// is something to say.
import { Suspense } from 'react';
import { useDesk } from '../socket/session';
import { later } from '../ui/later';
import { activeCall, inCompany } from './words';

const RecordBar = later(() => import('../talk/RecordBar'), 'RecordBar');
const CallBar = later(() => import('../talk/CallBar'), 'CallBar');

export function CallBarPlace() {
  const desk = useDesk();
  const call = desk ? activeCall(desk.work) : undefined;
  return (
    <div className="call-bar-place" aria-live="polite">
      {call && inCompany(call) ? (
        <Suspense fallback={null}>
          <CallBar work={call} />
        </Suspense>
      ) : null}
      {call?.record || call?.masked_until_at ? (
        <Suspense fallback={null}>
          <RecordBar work={call} />
        </Suspense>
      ) : null}
    </div>
  );
}
