// The frame of every signed-in page: 48 px top bar, navigation, the page. Starts the socket and the device once.
import { Navigate, Outlet, useRouterState } from '@tanstack/react-router';
import { Suspense, useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { MeContext, useMeQuery } from '../api/session';
import { startSession, useConnection } from '../socket/session';
import { Failed, Loading } from '../ui/States';
import { Nav } from './Nav';
import { CallBarPlace } from '../desk/CallBarPlace';
import { RingingBanner } from '../desk/RingingBanner';
import { Palette } from './Palette';
import { ShortcutHelp } from './ShortcutHelp';
import { TopBar } from './TopBar';

export function Shell() {
  const { t } = useTranslation('common');
  const query = useMeQuery();
  const me = query.data;
  const connection = useConnection();
  const here = useRouterState({ select: (s) => s.location.href });

  useEffect(() => {
    if (me) void startSession(me);
  }, [me]);

  if (query.error) return <Failed error={query.error} retry={() => void query.refetch()} />;
  if (me === undefined) return <Loading />;
  if (me === null || connection.state === 'signed_out') {
    return <Navigate to="/sign-in" search={here === '/' ? {} : { then: here }} replace />;
  }
  return (
    <MeContext value={me}>
      <a className="skip" href="#main">
        {t('action.skip')}
      </a>
      <div className="shell">
        <TopBar />
        <CallBarPlace />
        <Nav />
        <main id="main" tabIndex={-1}>
          <Suspense fallback={<Loading />}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      {me.agent ? <RingingBanner /> : null}
      <Palette />
      <ShortcutHelp />
    </MeContext>
  );
}
