// What a supervisor may do about one agent: take part in his conversation, set his presence, end the interaction.
import { ActionIcon, Menu } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useMay } from '../api/session';
import type { LiveAgent } from '../socket/reducer';
import { useCommand, useDesk } from '../socket/session';
import { mayWatch, watchModes } from '../talk/words';
import { Icon } from '../ui/icons';
import { conversation, watchNot } from './words';

export function AgentMenu({ agent }: { agent: LiveAgent }) {
  const { t } = useTranslation('live');
  const may = useMay();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon size={24} aria-label={t('agents.menu', { name: agent.name })} data-testid="agent-menu" data-agent={agent.id}>
          <Icon name="chevron" size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {may('call.monitor') || may('call.intervene') ? <WatchItems agent={agent} /> : null}
        {may('agent.control') ? <ControlItems agent={agent} /> : null}
      </Menu.Dropdown>
    </Menu>
  );
}

function WatchItems({ agent }: { agent: LiveAgent }) {
  const { t } = useTranslation('live');
  const may = useMay();
  const desk = useDesk();
  const command = useCommand();
  const not = watchNot(agent, desk);
  const call = conversation(agent);
  const mine = desk?.work.find((w) => w.watching !== null && w.watching.target === call?.segment);
  const over = mine?.state === 'watching';
  const reason = not ?? (may('call.intervene') && !over ? 'not_watching' : null);
  const to = call ? { interaction: call.interaction, segment: call.segment } : null;
  return (
    <>
      {watchModes
        .filter((m) => mayWatch(m, may))
        .map((m) => (
          <Menu.Item
            key={m}
            data-testid={`watch-${m}`}
            aria-current={mine?.watching?.mode === m}
            disabled={not !== null || mine?.watching?.mode === m}
            onClick={() => to && void command({ command: 'watch', ...to, mode: m })}
          >
            {t(`agents.watch.${m}`)}
          </Menu.Item>
        ))}
      {may('call.intervene') ? (
        <Menu.Item data-testid="watch-take_over" disabled={not !== null || !over} onClick={() => to && void command({ command: 'take_over', ...to })}>
          {t('agents.watch.take_over')}
        </Menu.Item>
      ) : null}
      {mine ? <Menu.Item onClick={() => void command({ command: 'stop_watching', interaction: mine.interaction })}>{t('agents.watch.stop')}</Menu.Item> : null}
      {reason ? <Menu.Label data-testid="watch-not">{t(`agents.watch_not.${reason}`)}</Menu.Label> : null}
      <Menu.Divider />
    </>
  );
}

function ControlItems({ agent }: { agent: LiveAgent }) {
  const { t } = useTranslation('live');
  const command = useCommand();
  const call = agent.work.find((w) => w.state !== 'wrap_up' && w.watching === null);
  const away = !agent.signed_in;
  return (
    <>
      <Menu.Item disabled={away} onClick={() => void command({ command: 'set_agent_presence', agent: agent.id, presence: { state: 'available' } })}>
        {t('agents.set_available')}
      </Menu.Item>
      <Menu.Item disabled={away} onClick={() => void command({ command: 'set_agent_presence', agent: agent.id, presence: { state: 'offline' } })}>
        {t('agents.set_offline')}
      </Menu.Item>
      <Menu.Item disabled={away} onClick={() => void command({ command: 'sign_out_agent', agent: agent.id })}>
        {t('agents.sign_out')}
      </Menu.Item>
      <Menu.Item c="var(--cb-danger)" disabled={!call} onClick={() => call && void command({ command: 'end_interaction', interaction: call.interaction })}>
        {t('agents.end_call')}
      </Menu.Item>
    </>
  );
}
