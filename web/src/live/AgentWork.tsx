// What an agent works on, and for a conversation with a supervisor in it who listens to whom.
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useCaller } from '../desk/caller';
import { Outgoing } from '../desk/Outgoing';
import { useLocal } from '../i18n/localized';
import type { LiveAgent } from '../socket/reducer';
import { useLive } from '../socket/session';
import { Bars } from '../talk/Bars';
import { diagnose } from '../talk/quality';
import type { Watcher } from './words';

export function AgentWork({ agent, listened }: { agent: LiveAgent; listened: ReadonlyMap<string, Watcher[]> }) {
  const { t } = useTranslation('live');
  const local = useLocal();
  const caller = useCaller();
  const live = useLive();
  const w = agent.work[0];
  if (!w) return <span className="dim">–</span>;
  const queue = w.queue ? live?.queues.get(w.queue) : undefined;
  const line = w.quality ? diagnose(w.quality) : null;
  const seen = listened.get(w.segment) ?? [];
  return (
    <>
      <Outgoing direction={live?.interactions.get(w.interaction)?.direction} small />{' '}
      <Link to="/interactions/$id" params={{ id: w.interaction }}>
        {caller(w)}
      </Link>
      <span className="dim">
        {' '}
        {queue ? local(queue.name) : ''} {w.watching ? t(`agents.watches.${w.watching.mode}`, { name: w.watching.agent?.name ?? '' }) : t(`segment.${w.state}`, { ns: 'common' })}
        {agent.work.length > 1 ? ` +${agent.work.length - 1}` : ''}
      </span>
      {line && line.grade !== 'good' ? (
        <span className="quality-mark" data-grade={line.grade} data-testid="live-quality" title={t(`agents.line.${line.whose}_means`, { cause: t(`agents.cause.${line.cause}`, { amount: line.amount }) })}>
          <Bars grade={line.grade} />
          {t(`agents.line.${line.whose}`)}
        </span>
      ) : null}
      {seen.map((s) => (
        <span key={s.name} className="watched" data-testid="watched">
          {t(`agents.watched.${s.mode}`, { name: s.name })}
        </span>
      ))}
    </>
  );
}
