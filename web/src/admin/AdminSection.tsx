// The page of one section, by its name in the URL. The heavier editors load when they are wanted.
import { useParams } from '@tanstack/react-router';
import { lazy, Suspense, type ComponentType, type LazyExoticComponent } from 'react';
import { NotFound } from '../shell/boundaries';
import { Loading } from '../ui/States';

const page = (load: () => Promise<ComponentType>): LazyExoticComponent<ComponentType> => lazy(async () => ({ default: await load() }));

const pages: Record<string, LazyExoticComponent<ComponentType>> = {
  users: page(async () => (await import('./Users')).Users),
  agents: page(async () => (await import('./Agents')).Agents),
  teams: page(async () => (await import('./Teams')).Teams),
  skills: page(async () => (await import('./NamedThings')).Skills),
  queues: page(async () => (await import('./Queues')).Queues),
  flows: page(async () => (await import('./flow/FlowList')).FlowList),
  numbers: page(async () => (await import('./Numbers')).Numbers),
  trunks: page(async () => (await import('./Trunks')).Trunks),
  routes: page(async () => (await import('./Routes')).Routes),
  calendars: page(async () => (await import('./Calendars')).Calendars),
  prompts: page(async () => (await import('./Prompts')).Prompts),
  devices: page(async () => (await import('./Devices')).Devices),
  dispositions: page(async () => (await import('./NamedThings')).Dispositions),
  'break-reasons': page(async () => (await import('./NamedThings')).BreakReasons),
  audit: page(async () => (await import('./Trail')).Audit),
  revisions: page(async () => (await import('./Trail')).Revisions),
  tokens: page(async () => (await import('./Tokens')).Tokens),
  settings: page(async () => (await import('./Settings')).Settings),
};

export function AdminSection() {
  const { section = '' } = useParams({ strict: false });
  const Page = pages[section];
  if (!Page) return <NotFound />;
  return (
    <Suspense fallback={<Loading />}>
      <Page key={section} />
    </Suspense>
  );
}
