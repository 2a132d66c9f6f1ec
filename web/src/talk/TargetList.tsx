// The targets in groups, each with how it stands; those that cannot be called now say why.
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { groups, type TargetRow } from './targets';

interface Props {
  id: string;
  rows: readonly TargetRow[];
  chosen: string | undefined;
  choose: (key: string) => void;
}

export function TargetList({ id, rows, chosen, choose }: Props) {
  const { t } = useTranslation('talk');
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);
  return (
    <div className="targets" role="listbox" id={id} aria-label={t('picker.targets')} ref={box}>
      {groups.map((g) => {
        const of = rows.filter((r) => r.group === g);
        return of.length === 0 ? null : (
          <div key={g} role="group" aria-labelledby={`${id}-${g}`}>
            <div id={`${id}-${g}`} role="presentation" className="target-group small">
              {t(`picker.group.${g}`)}
            </div>
            {of.map((r) => (
              <div
                key={r.key}
                id={`${id}-${r.key}`}
                role="option"
                aria-selected={r.key === chosen}
                aria-disabled={r.blocked !== null}
                className="target"
                data-testid="target"
                data-target={r.key}
                // The search field keeps the focus and the keys.
                onMouseDown={(e) => e.preventDefault()}
                onClick={r.blocked === null ? () => choose(r.key) : undefined}
              >
                <span className="cut" title={r.name}>
                  {r.name}
                </span>
                <span className="num dim">{r.extension}</span>
                <Standing row={r} />
              </div>
            ))}
          </div>
        );
      })}
    </div>
  );
}

function Standing({ row }: { row: TargetRow }) {
  const { t } = useTranslation('talk');
  if (row.group === 'agents') {
    return (
      <span className="state" data-tone={row.blocked ? 'away' : 'ready'}>
        {t(row.blocked ? `picker.busy.${row.blocked}` : 'picker.free')}
      </span>
    );
  }
  if (!row.queue) return <span />;
  return <span className="dim num">{row.queue.open ? t('picker.queue', { waiting: row.queue.waiting, idle: row.queue.idle }) : t('picker.queue_closed')}</span>;
}
