// The agents, each second: counts as filters, one row an agent, what a supervisor may do about it.
import { ActionIcon, Menu, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useMay } from '../api/session';
import { useCaller } from '../desk/caller';
import { useLocal } from '../i18n/localized';
import { useShortcut } from '../shell/keyboard';
import type { LiveAgent } from '../socket/reducer';
import { useCommand, useLive } from '../socket/session';
import { Elapsed } from '../ui/Elapsed';
import { Icon } from '../ui/icons';
import { useUrl } from '../ui/search';
import { Empty, Loading } from '../ui/States';
import { type Column, VirtualGrid } from '../ui/VirtualGrid';
import { LiveTabs } from './LiveTabs';
import { agentState, agentStates } from './words';
import './live.css';

export function LiveAgents() {
  const { t } = useTranslation('live');
  const local = useLocal();
  const caller = useCaller();
  const live = useLive();
  const may = useMay();
  const [search, set] = useUrl();
  const field = useRef<HTMLInputElement>(null);
  useShortcut('search', () => field.current?.focus());

  const all = useMemo(() => [...(live?.agents.values() ?? [])].map((agent) => ({ agent, ...agentState(agent) })), [live?.agents]);
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
          {r.state === 'break' && r.agent.break_reason ? local(r.agent.break_reason) : t(`agents.is.${r.state}`)}
        </span>
      ),
    },
    { key: 'since', head: t('agents.since'), width: '88px', numeric: true, cell: (r) => (r.since > 0 ? <Elapsed since={r.since} /> : '–') },
    {
      key: 'work',
      head: t('agents.work'),
      width: 'minmax(200px, 2fr)',
      cell: (r) => <Work agent={r.agent} />,
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
    { key: 'menu', head: '', width: '40px', cell: (r) => (may('agent.control') ? <RowMenu agent={r.agent} /> : null) },
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

function Work({ agent }: { agent: LiveAgent }) {
  const { t } = useTranslation('live');
  const local = useLocal();
  const caller = useCaller();
  const live = useLive();
  const w = agent.work[0];
  if (!w) return <span className="dim">–</span>;
  const queue = w.queue ? live?.queues.get(w.queue) : undefined;
  return (
    <>
      <Link to="/interactions/$id" params={{ id: w.interaction }}>
        {caller(w)}
      </Link>
      <span className="dim">
        {' '}
        {queue ? local(queue.name) : ''} {t(`segment.${w.state}`, { ns: 'common' })}
        {agent.work.length > 1 ? ` +${agent.work.length - 1}` : ''}
      </span>
    </>
  );
}

function RowMenu({ agent }: { agent: LiveAgent }) {
  const { t } = useTranslation('live');
  const command = useCommand();
  const call = agent.work.find((w) => w.state !== 'wrap_up');
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon size={24} aria-label={t('agents.menu', { name: agent.name })}>
          <Icon name="chevron" size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item disabled={!agent.signed_in} onClick={() => void command({ command: 'set_agent_presence', agent: agent.id, presence: { state: 'available' } })}>
          {t('agents.set_available')}
        </Menu.Item>
        <Menu.Item disabled={!agent.signed_in} onClick={() => void command({ command: 'set_agent_presence', agent: agent.id, presence: { state: 'offline' } })}>
          {t('agents.set_offline')}
        </Menu.Item>
        <Menu.Item disabled={!agent.signed_in} onClick={() => void command({ command: 'sign_out_agent', agent: agent.id })}>
          {t('agents.sign_out')}
        </Menu.Item>
        <Menu.Item color="red" disabled={!call} onClick={() => call && void command({ command: 'end_interaction', interaction: call.interaction })}>
          {t('agents.end_call')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
