// Where the dialler opens, from any page, and what watches over a call until it is answered; both load when wanted.
import { Suspense, useEffect, useState } from 'react';
import { later } from '../ui/later';
import { DialogComing } from '../ui/States';
import { closeDialler, dialling, useDialler } from './dial';
import type { DeskView } from './words';

const Dialler = later(() => import('../talk/Dialler'), 'Dialler');
const DialOutcome = later(() => import('../talk/DialOutcome'), 'DialOutcome');

export function DiallerPlace({ desk }: { desk: DeskView }) {
  const number = useDialler();
  const calls = desk.work.some(dialling);
  const [called, setCalled] = useState(calls);
  useEffect(() => {
    if (calls) setCalled(true);
  }, [calls]);
  return (
    <>
      {number === null ? null : (
        <Suspense fallback={<DialogComing />}>
          <Dialler key={number} first={number} desk={desk} close={closeDialler} />
        </Suspense>
      )}
      {called ? (
        <Suspense fallback={null}>
          <DialOutcome work={desk.work} />
        </Suspense>
      ) : null}
    </>
  );
}
