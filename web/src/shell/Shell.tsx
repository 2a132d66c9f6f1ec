// The frame of every signed-in page: 48 px top bar, navigation, the page. Starts the socket and the device once.
import { Navigate, Outlet, useRouterState } from '@tanstack/react-router';
import { Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { MeContext, useMeQuery } from '../api/session';
import { startSession, useConnection } from '../socket/session';
import { later, warmUp } from '../ui/later';
import { DialogComing, Failed, Loading } from '../ui/States';
import { Nav } from './Nav';
import { CallBarPlace } from '../desk/CallBarPlace';
import { RingingBanner } from '../desk/RingingBanner';
import { useShortcut } from './keyboard';
import { TopBar } from './TopBar';

const Palette = later(() => import('./Palette'), 'Palette');
const ShortcutHelp = later(() => import('./ShortcutHelp'), 'ShortcutHelp');

export function Shell() {
  const { t } = useTranslation('common');
  const query = useMeQuery();
  const me = query.data;
  const connection = useConnection();
  const here = useRouterState({ select: (s) => s.location.href });

  useEffect(() => {
    if (!me) return;
    void startSession(me);
    void warmUp();
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
      <KeyboardDialogs />
    </MeContext>
  );
}

/** What the keyboard opens on every page. */
function KeyboardDialogs() {
  const [open, setOpen] = useState<'palette' | 'help' | null>(null);
  useShortcut('palette', () => setOpen('palette'));
  useShortcut('help', () => setOpen('help'));
  const close = () => setOpen(null);
  if (!open) return null;
  return <Suspense fallback={<DialogComing />}>{open === 'palette' ? <Palette close={close} /> : <ShortcutHelp close={close} />}</Suspense>;
}
