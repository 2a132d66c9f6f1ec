// Every route. Pages load when they are visited; the shell stays.
import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { NotFound, PageError, PageLoading } from './boundaries';
import { Shell } from './Shell';

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ component: Outlet, notFoundComponent: NotFound });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (s: Record<string, unknown>): { then?: string } => (typeof s.then === 'string' ? { then: s.then } : {}),
  component: lazyRouteComponent(() => import('./SignIn'), 'SignIn'),
});
const signInLink = createRoute({ getParentRoute: () => root, path: '/sign-in/link', component: lazyRouteComponent(() => import('./SignInLink'), 'SignInLink') });

const shell = createRoute({ getParentRoute: () => root, id: 'shell', component: Shell, notFoundComponent: NotFound });
const within = () => shell;

/** Filters and an open drawer live in the URL, as text; pages read what they know. */
export type Search = Record<string, string | undefined>;
const search = (s: Record<string, unknown>): Search =>
  Object.fromEntries(
    Object.entries(s)
      .filter(([, v]) => ['string', 'number', 'boolean'].includes(typeof v))
      .map(([k, v]) => [k, String(v)]),
  );

const home = createRoute({
  getParentRoute: within,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/desk/{-$interactionId}' });
  },
});
const welcome = createRoute({ getParentRoute: within, path: '/welcome', component: lazyRouteComponent(() => import('./Welcome'), 'Welcome') });
const desk = createRoute({ getParentRoute: within, path: '/desk/{-$interactionId}', component: lazyRouteComponent(() => import('../desk/Desk'), 'Desk') });
const liveQueues = createRoute({
  getParentRoute: within,
  path: '/live/queues',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../live/LiveQueues'), 'LiveQueues'),
});
const liveAgents = createRoute({
  getParentRoute: within,
  path: '/live/agents',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../live/LiveAgents'), 'LiveAgents'),
});
const interactions = createRoute({
  getParentRoute: within,
  path: '/interactions',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../interactions/InteractionList'), 'InteractionList'),
});
const interaction = createRoute({
  getParentRoute: within,
  path: '/interactions/$id',
  component: lazyRouteComponent(() => import('../interactions/InteractionPage'), 'InteractionPage'),
});
const voicemail = createRoute({
  getParentRoute: within,
  path: '/voicemail',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../voicemail/VoicemailPage'), 'VoicemailPage'),
});
const reportQueues = createRoute({
  getParentRoute: within,
  path: '/reports/queues',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../reports/ReportPage'), 'QueueReportPage'),
});
const reportAgents = createRoute({
  getParentRoute: within,
  path: '/reports/agents',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../reports/ReportPage'), 'AgentReportPage'),
});
const reportRecordings = createRoute({
  getParentRoute: within,
  path: '/reports/recordings',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../reports/RecordingReport'), 'RecordingReportPage'),
});
const admin = createRoute({ getParentRoute: within, path: '/admin', component: lazyRouteComponent(() => import('../admin/AdminLayout'), 'AdminLayout') });
const adminHome = createRoute({
  getParentRoute: () => admin,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/admin/$section', params: { section: 'users' } });
  },
});
const adminSection = createRoute({
  getParentRoute: () => admin,
  path: '/$section',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../admin/AdminSection'), 'AdminSection'),
});
const adminFlow = createRoute({
  getParentRoute: () => admin,
  path: '/flows/$id',
  validateSearch: search,
  component: lazyRouteComponent(() => import('../admin/flow/FlowPage'), 'FlowPage'),
});

const routeTree = root.addChildren([
  signIn,
  signInLink,
  shell.addChildren([
    home,
    welcome,
    desk,
    liveQueues,
    liveAgents,
    interactions,
    interaction,
    voicemail,
    reportQueues,
    reportAgents,
    reportRecordings,
    admin.addChildren([adminHome, adminSection, adminFlow]),
  ]),
]);

export const router = createRouter({
  routeTree,
  context: { queries: undefined as unknown as QueryClient },
  defaultPreload: 'intent',
  defaultPendingComponent: PageLoading,
  defaultErrorComponent: PageError,
  // Plain text in the query string: `?queue=que_1`, not JSON.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (s) => {
    const p = new URLSearchParams();
    for (const [k, v] of Object.entries(s)) if (v !== undefined && v !== null && v !== '') p.set(k, String(v));
    const text = p.toString();
    return text ? `?${text}` : '';
  },
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
