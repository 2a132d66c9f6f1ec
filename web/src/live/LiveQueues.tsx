// The queues, each second: key figures, one row a queue, who waits. `?wall=1` is for a screen on the wall.
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useLocal } from '../i18n/localized';
import { useLive } from '../socket/session';
import type { Live } from '../socket/reducer';
import { Elapsed } from '../ui/Elapsed';
import { clock, percent } from '../ui/format';
import { Icon } from '../ui/icons';
import { useUrl } from '../ui/search';
import { Empty, Loading } from '../ui/States';
import { Kpi } from './Kpi';
import { LiveTabs } from './LiveTabs';
import { WaitingList } from './WaitingList';
import { sumQueues } from './words';
import './live.css';

export function LiveQueues() {
  const { t } = useTranslation('live');
  const live = useLive();
  const [search, set] = useUrl();
  const wall = search.wall === '1';
  const toggle = () => {
    set({ wall: wall ? undefined : '1' });
    if (wall) void document.exitFullscreen?.().catch(() => {});
    else void document.documentElement.requestFullscreen?.().catch(() => {});
  };
  return (
    <div className={`page live ${wall ? 'wall' : ''}`}>
      <header className="page-head">
        <h1>{t('queues.title')}</h1>
        <LiveTabs />
        <span className="grow" />
        {live?.totals.degraded ? (
          <span className="state" data-tone="danger" role="alert">
            {t(live.totals.refusing ? 'refusing' : 'degraded')}
          </span>
        ) : null}
        <Button variant="default" leftSection={<Icon name="screen" size={16} />} aria-pressed={wall} onClick={toggle}>
          {t(wall ? 'wall_off' : 'wall')}
        </Button>
      </header>
      <div className="page-body">{live ? <Board live={live} /> : <Loading />}</div>
    </div>
  );
}

function Board({ live }: { live: Live }) {
  const { t } = useTranslation('live');
  const local = useLocal();
  const queues = [...live.queues.values()].sort((a, b) => b.waiting - a.waiting || local(a.name).localeCompare(local(b.name)));
  const sum = sumQueues(queues);
  const { counts, calls, calls_max, seats, seats_max } = live.totals;
  return (
    <div className="col live-col">
      <div className="kpis">
        <Kpi name={t('kpi.waiting')} tone={sum.waiting > 0 ? 'danger' : undefined}>
          {sum.waiting}
        </Kpi>
        <Kpi name={t('kpi.longest')}>{sum.longestSince === null ? '–' : <Elapsed since={sum.longestSince} />}</Kpi>
        <Kpi name={t('kpi.service_level')}>{percent(sum.serviceLevel)}</Kpi>
        <Kpi name={t('kpi.answered')}>{`${sum.answered} / ${sum.offered}`}</Kpi>
        <Kpi name={t('kpi.abandoned')}>{sum.abandoned}</Kpi>
        <Kpi name={t('kpi.idle')}>{counts.idle}</Kpi>
        <Kpi name={t('kpi.busy')}>{counts.busy + counts.offered}</Kpi>
        <Kpi name={t('kpi.calls')}>{`${calls} / ${calls_max}`}</Kpi>
        <Kpi name={t('kpi.seats')}>{`${seats} / ${seats_max}`}</Kpi>
      </div>
      {queues.length === 0 ? (
        <Empty title={t('queues.none')} />
      ) : (
        <div className="card scroll-x" tabIndex={0}>
          <table className="grid" data-testid="live-queues">
            <thead>
              <tr>
                <th>{t('queues.queue')}</th>
                <th>{t('queues.hours')}</th>
                <th className="num">{t('queues.waiting')}</th>
                <th className="num">{t('queues.longest')}</th>
                <th className="num">{t('queues.idle')}</th>
                <th className="num">{t('queues.busy')}</th>
                <th className="num">{t('queues.wrap_up')}</th>
                <th className="num">{t('queues.break')}</th>
                <th className="num">{t('queues.offered')}</th>
                <th className="num">{t('queues.answered')}</th>
                <th className="num">{t('queues.abandoned')}</th>
                <th className="num">{t('queues.service_level')}</th>
                <th className="num">{t('queues.asa')}</th>
                <th className="num">{t('queues.aht')}</th>
              </tr>
            </thead>
            <tbody>
              {queues.map((q) => (
                <tr key={q.id} data-queue={q.id}>
                  <td>
                    <strong>{local(q.name)}</strong>
                  </td>
                  <td>
                    <span className="state" data-tone={q.open ? 'ready' : 'away'}>
                      {t(q.open ? 'queues.open' : 'queues.closed')}
                    </span>
                  </td>
                  <td className="num" data-testid="waiting">
                    {q.waiting > 0 ? (
                      <strong className="state" data-tone="danger">
                        {q.waiting}
                      </strong>
                    ) : (
                      0
                    )}
                  </td>
                  <td className="num">{q.longest_since_at === null ? '–' : <Elapsed since={q.longest_since_at} />}</td>
                  <td className="num">{q.agents.idle}</td>
                  <td className="num">{q.agents.busy + q.agents.offered}</td>
                  <td className="num">{q.agents.wrap_up}</td>
                  <td className="num">{q.agents.on_break}</td>
                  <td className="num">{q.today.offered}</td>
                  <td className="num">{q.today.answered}</td>
                  <td className="num">{q.today.abandoned}</td>
                  <td className="num">{percent(q.today.service_level)}</td>
                  <td className="num">{q.today.asa_ms === null ? '–' : clock(q.today.asa_ms)}</td>
                  <td className="num">{q.today.aht_ms === null ? '–' : clock(q.today.aht_ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <WaitingList live={live} />
    </div>
  );
}
