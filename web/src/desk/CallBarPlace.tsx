// Below the softphone on every page: the bar about others in the call, loaded when there are some.
import { Suspense } from 'react';
import { useDesk } from '../socket/session';
import { later } from '../ui/later';
import { activeCall, inCompany } from './words';

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
    </div>
  );
}
