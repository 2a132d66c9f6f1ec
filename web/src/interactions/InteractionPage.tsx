// One interaction in full: what happened when, what was said, why this agent, and every fact of the journal about it.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useMay, useMe } from '../api/session';
import { CallNumber } from '../desk/CallNumber';
import { useCaller, useOrigin } from '../desk/caller';
import { Outgoing } from '../desk/Outgoing';
import { useLocal } from '../i18n/localized';
import { dateTime, span } from '../ui/format';
import { Icon } from '../ui/icons';
import { Ready } from '../ui/States';
import { Decisions } from './Decisions';
import { Events } from './Events';
import { Hold } from './Hold';
import { Legs } from './Legs';
import { Player } from './Player';
import { QualityChart } from './QualityChart';
import { SegmentChart } from './SegmentChart';
import { endTone } from './words';
import './interactions.css';

export function InteractionPage() {
  const { t } = useTranslation('interactions');
  const { id = '' } = useParams({ strict: false });
  const query = useQuery({
    queryKey: ['interaction', id],
    queryFn: () => ok(api.GET('/api/v1/interactions/{id}', { params: { path: { id } } })),
    // A live one changes.
    refetchInterval: (q) => (q.state.data?.summary.ended_at === null ? 2000 : false),
  });
  return (
    <div className="page">
      <header className="page-head">
        <Link to="/interactions" aria-label={t('detail.back')} className="row">
          <Icon name="back" />
        </Link>
        <h1>{t('detail.title')}</h1>
        <span className="mono dim">{id}</span>
      </header>
      <div className="page-body">
        <Ready query={query}>{(detail) => <Detail detail={detail} />}</Ready>
      </div>
    </div>
  );
}

function Detail({ detail }: { detail: Schemas['InteractionDetail'] }) {
  const { t, i18n } = useTranslation('interactions');
  const local = useLocal();
  const caller = useCaller();
  const origin = useOrigin()(detail);
  const me = useMe();
  const may = useMay();
  const s = detail.summary;
  return (
    <div className="col detail">
      <dl className="card card-body row wrap detail-facts">
        <div>
          <dt className="dim small">{t('list.caller')}</dt>
          <dd className="num row">
            {caller(s)}
            <CallNumber of={s.from} interaction={s.id} />
          </dd>
        </div>
        <Fact name={t('list.number')} value={s.number ? `${s.number.number} ${local(s.number.name)}` : '–'} />
        {origin.length > 0 ? <Fact name={t('detail.origin')} value={origin.join(' · ')} /> : null}
        <Fact name={t('list.started')} value={dateTime(s.started_at, i18n.language, me.time_zone, true)} />
        <div>
          <dt className="dim small">{t('list.end')}</dt>
          <dd>
            <span className="state" data-tone={endTone(s.end)}>
              {s.end ? t(`end.${s.end.replace('.', '_')}`) : t('list.live')}
            </span>
          </dd>
        </div>
        <Fact name={t('list.waited')} value={span(s.waited_ms)} />
        <Fact name={t('list.talk')} value={span(s.talk_ms)} />
        <Fact name={t('list.hold')} value={span(s.hold_ms)} />
        <Fact name={t('detail.language')} value={t(`language.${s.lang}`, { ns: 'common' })} />
        <div>
          <dt className="dim small">{t('detail.direction')}</dt>
          <dd className="row">
            <Outgoing direction={s.direction} small />
            {t(`direction.${s.direction}`, { ns: 'common' })}
          </dd>
        </div>
        {detail.calls_back ? <Related name={t('detail.calls_back')} ids={[detail.calls_back]} /> : null}
        {detail.called_back_by.length > 0 ? <Related name={t('detail.called_back_by')} ids={detail.called_back_by} /> : null}
        {s.sample ? <Fact name={t('list.marks')} value={t('list.sample')} /> : null}
      </dl>
      <Hold interaction={s.id} hold={detail.hold ?? null} />
      <SegmentChart detail={detail} />
      {may('recording.listen') || may('voicemail.use') ? detail.recordings.map((r) => <Player key={r.id} recording={r} />) : null}
      {/* A call of our own is offered to nobody, unless it is handed on. */}
      {s.direction !== 'inbound' && detail.offers.length === 0 ? null : <Decisions offers={detail.offers} />}
      <QualityChart detail={detail} />
      <Legs detail={detail} />
      <Events detail={detail} />
    </div>
  );
}

/** Other interactions that belong to this one. */
function Related({ name, ids }: { name: string; ids: string[] }) {
  return (
    <div>
      <dt className="dim small">{name}</dt>
      <dd className="row wrap mono">
        {ids.map((id) => (
          <Link key={id} to="/interactions/$id" params={{ id }}>
            {id}
          </Link>
        ))}
      </dd>
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="dim small">{name}</dt>
      <dd className="num">{value}</dd>
    </div>
  );
}
