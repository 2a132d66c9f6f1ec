// The agents, each second: counts as filters, one row an agent, what a supervisor may do about it.
import { TextInput } from '@mantine/core';
import { useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useMay } from '../api/session';
import { useCaller } from '../desk/caller';
import { useLocal } from '../i18n/localized';
import { useShortcut } from '../shell/keyboard';
import { useLive } from '../socket/session';
import { Elapsed } from '../ui/Elapsed';
import { Icon } from '../ui/icons';
import { useUrl } from '../ui/search';
import { Empty, Loading } from '../ui/States';
import { type Column, VirtualGrid } from '../ui/VirtualGrid';
import { AgentMenu } from './AgentMenu';
import { AgentWork } from './AgentWork';
import { LiveTabs } from './LiveTabs';
import { agentState, agentStates, busyWith, watchers } from './words';
import './live.css';

export function LiveAgents() {
  const { t } = useTranslation('live');
  const local = useLocal();
  const caller = useCaller();
  const live = useLive();
  const may = useMay();
  const controls = ['agent.control', 'call.monitor', 'call.intervene'].some(may);
  const [search, set] = useUrl();
  const field = useRef<HTMLInputElement>(null);
  useShortcut('search', () => field.current?.focus());

  const all = useMemo(() => [...(live?.agents.values() ?? [])].map((agent) => ({ agent, ...agentState(agent) })), [live?.agents]);
  const listened = useMemo(() => watchers(live?.agents.values() ?? []), [live?.agents]);
  const q = (search.q ?? '').toLowerCase();
  const rows = useMemo(
    () =>
      all
        .filter((r) => (!search.state || r.state === search.state) && (!q || r.agent.name.toLowerCase().includes(q) || r.agent.extension.includes(q)))
        .sort((a, b) => agentStates.indexOf(a.state) - agentStates.indexOf(b.state) || a.agent.name.localeCompare(b.agent.name)),
    [all, search.state, q],
  );
  type Row = (typeof rows)[number];

  const columns: Column<Row>[] = [
    { key: 'name', head: t('agents.name'), width: 'minmax(140px, 1fr)', cell: (r) => <strong>{r.agent.name}</strong>, title: (r) => r.agent.name },
    { key: 'ext', head: t('agents.extension'), width: '80px', cell: (r) => <span className="num">{r.agent.extension}</span> },
    {
      key: 'state',
      head: t('agents.state'),
      width: 'minmax(140px, 180px)',
      cell: (r) => (
        <span className="state" data-tone={r.tone}>
          {r.state === 'break' && r.agent.break_reason ? local(r.agent.break_reason) : t(`agents.is.${r.state === 'busy' ? busyWith(r.agent) : r.state}`)}
        </span>
      ),
    },
    { key: 'since', head: t('agents.since'), width: '88px', numeric: true, cell: (r) => (r.since > 0 ? <Elapsed since={r.since} /> : '–') },
    {
      key: 'work',
      head: t('agents.work'),
      width: 'minmax(200px, 2fr)',
      cell: (r) => <AgentWork agent={r.agent} listened={listened} />,
      title: (r) => r.agent.work.map((w) => caller(w)).join(', '),
    },
    {
      key: 'device',
      head: t('agents.device'),
      width: '150px',
      cell: (r) =>
        r.agent.device_kind ? (
          <span className="state" data-tone={r.agent.device_ready ? 'ready' : 'danger'}>
            {t(`device.kind.${r.agent.device_kind}`, { ns: 'common' })}
          </span>
        ) : (
          <span className="dim">–</span>
        ),
    },
    { key: 'menu', head: '', width: '40px', cell: (r) => (controls ? <AgentMenu agent={r.agent} /> : null) },
  ];

  return (
    <div className="page live">
      <header className="page-head">
        <h1>{t('agents.title')}</h1>
        <LiveTabs />
        <div className="chips" role="group" aria-label={t('agents.state')}>
          {agentStates.map((s) => (
            <button key={s} type="button" aria-pressed={search.state === s} onClick={() => set({ state: search.state === s ? undefined : s })}>
              {t(`agents.is.${s}`)} <span className="num">{all.filter((r) => r.state === s).length}</span>
            </button>
          ))}
        </div>
        <span className="grow" />
        <TextInput
          ref={field}
          aria-label={t('agents.search')}
          placeholder={t('agents.search')}
          leftSection={<Icon name="search" size={16} />}
          value={search.q ?? ''}
          onChange={(e) => set({ q: e.currentTarget.value || undefined })}
        />
      </header>
      <div className="page-body flush">
        {!live ? <Loading /> : rows.length === 0 ? <Empty title={t('agents.none')} /> : <VirtualGrid label={t('agents.title')} columns={columns} rows={rows} id={(r) => r.agent.id} />}
      </div>
    </div>
  );
}
