// Where the dialler opens, from any page, and what watches over a call until it is answered; both load when wanted.
import { Modal } from '@mantine/core';
import { lazyRouteComponent } from '@tanstack/react-router';
import { Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Loading } from '../ui/States';
import { closeDialler, dialling, useDialler } from './dial';
import type { DeskView } from './words';

const Dialler = lazyRouteComponent(() => import('../talk/Dialler'), 'Dialler');
const DialOutcome = lazyRouteComponent(() => import('../talk/DialOutcome'), 'DialOutcome');

export function DiallerPlace({ desk }: { desk: DeskView }) {
  const { t } = useTranslation('common');
  const number = useDialler();
  const calls = desk.work.some(dialling);
  const [called, setCalled] = useState(calls);
  useEffect(() => {
    if (calls) setCalled(true);
  }, [calls]);
  return (
    <>
      {number === null ? null : (
        <Modal opened onClose={closeDialler} size={400} title={t('dial.title')} closeButtonProps={{ 'aria-label': t('action.close') }}>
          <Suspense fallback={<Loading />}>
            <Dialler key={number} first={number} desk={desk} close={closeDialler} />
          </Suspense>
        </Modal>
      )}
      {called ? (
        <Suspense fallback={null}>
          <DialOutcome work={desk.work} />
        </Suspense>
      ) : null}
    </>
  );
}
