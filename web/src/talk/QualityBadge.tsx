// How the call sounds, beside the softphone's buttons: bars and, when something is wrong, a word; what is wrong and what
// to do about it opens below.
import { Popover } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Bars } from './Bars';
import { type CallQuality, diagnose, percent, type Quality } from './quality';

export function QualityBadge({ call }: { call: CallQuality }) {
  const { t } = useTranslation('talk');
  const [open, setOpen] = useState(false);
  const d = diagnose(call);
  if (!d) return null;
  const amount = { amount: d.amount };
  const means = d.whose === 'none' ? t('quality.good_means') : t(`quality.${d.whose}.${d.cause}`, amount);
  const word = d.whose === 'none' ? t('quality.grade.good') : t(`quality.short.${d.whose}`);
  return (
    <Popover opened={open} onChange={setOpen} trapFocus returnFocus position="bottom-end" shadow="md" width={340}>
      <Popover.Target>
        <button
          type="button"
          className="bar-button quality-badge"
          data-testid="quality"
          data-grade={d.grade}
          data-whose={d.whose}
          aria-label={[d.grade === 'good' ? null : word, t('quality.title'), t(`quality.grade.${d.grade}`)].filter(Boolean).join(': ')}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          <Bars grade={d.grade} />
          {d.grade === 'good' ? null : <span>{word}</span>}
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <div className="col" data-testid="quality-means">
          <strong>{means}</strong>
          {d.whose === 'none' ? null : <p>{t(`quality.remedy.${d.whose}`)}</p>}
          <table className="quality-table num">
            <thead>
              <tr>
                <th />
                <th>{t('quality.own_line')}</th>
                <th>{t('quality.customer_line')}</th>
              </tr>
            </thead>
            <tbody>
              <Row name={t('quality.mos')} of={call} show={(q) => q.mos.toFixed(1)} />
              <Row name={t('quality.lost_in')} of={call} show={(q) => percent(q.lost_in)} />
              <Row name={t('quality.lost_out')} of={call} show={(q) => percent(q.lost_out)} />
              <Row name={t('quality.jitter')} of={call} show={(q) => `${q.jitter_ms} ms`} />
              <Row name={t('quality.round_trip')} of={call} show={(q) => (q.round_trip_ms === null || q.round_trip_ms === undefined ? '–' : `${q.round_trip_ms} ms`)} />
            </tbody>
          </table>
        </div>
      </Popover.Dropdown>
      <span className="visually-hidden" role="status">
        {d.grade === 'good' ? '' : means}
      </span>
    </Popover>
  );
}

function Row({ name, of, show }: { name: string; of: CallQuality; show: (q: Quality) => string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{of.own ? show(of.own) : '–'}</td>
      <td>{of.customer ? show(of.customer) : '–'}</td>
    </tr>
  );
}
