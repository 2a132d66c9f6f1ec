// What a customer sees: whom to call, one big button, and the call in words.
import { useEffect, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import type { components } from '../api/.generated/schema';
import { languageNames, languages, switchLanguage } from '../i18n';
import { pick } from '../i18n/localized';
import { clock } from '../ui/format';
import { Icon } from '../ui/icons';
import { GuestCall, type GuestView } from './guest';

type Tenant = components['schemas']['PublicTenant'];
type Problem = components['schemas']['Problem'];

let guest: GuestCall | undefined;

export function CallPage({ tenant }: { tenant: string }) {
  const { t, i18n } = useTranslation('customer');
  const [page, setPage] = useState<Tenant | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [number, setNumber] = useState('');
  const call = (guest ??= new GuestCall(tenant));
  const view = useSyncExternalStore(call.subscribe, call.read);
  const busy = !['idle', 'ended', 'refused', 'failed'].includes(view.state);

  useEffect(() => {
    const load = async () => {
      const response = await fetch(`/api/v1/public/${encodeURIComponent(tenant)}`);
      if (!response.ok) {
        const p = (await response.json().catch(() => null)) as Problem | null;
        throw new Error(pick(p?.message, i18n.language));
      }
      const data = (await response.json()) as Tenant;
      setPage(data);
      setNumber((n) => n || (data.numbers[0]?.number ?? ''));
    };
    load().catch((e: unknown) => setProblem(e instanceof Error && e.message ? e.message : t('network')));
  }, [tenant, i18n.language, t]);

  useEffect(() => {
    document.title = page ? t('title', { name: page.name }) : t('loading');
  }, [page, t]);

  return (
    <div className="call-page">
      <main className="call-card">
        {problem ? (
          <p role="alert">{problem}</p>
        ) : !page ? (
          <p role="status">{t('loading')}</p>
        ) : (
          <>
            <h1>{t('title', { name: page.name })}</h1>
            {page.numbers.length === 0 ? (
              <p>{t('no_numbers')}</p>
            ) : busy ? (
              <Live call={call} view={view} />
            ) : (
              <form
                onSubmit={(e) => {
                  e.preventDefault();
                  void call.call(number);
                }}
              >
                <fieldset>
                  <legend>{t('choose')}</legend>
                  {page.numbers.map((n) => (
                    <label key={n.id}>
                      <input type="radio" name="number" value={n.number} checked={number === n.number} onChange={() => setNumber(n.number)} />
                      <span>{pick(n.name, i18n.language)}</span>
                      <span className="dim">{n.number}</span>
                    </label>
                  ))}
                </fieldset>
                <Outcome view={view} />
                <button type="submit" className="big go" data-testid="call">
                  <Icon name="phone" size={24} />
                  {t('call_now')}
                </button>
                <p className="dim">{t('microphone_hint')}</p>
              </form>
            )}
          </>
        )}
      </main>
      <footer>
        {languages.map((l) => (
          <button key={l} type="button" lang={l} aria-pressed={i18n.language === l} onClick={() => void switchLanguage(l)}>
            {languageNames[l]}
          </button>
        ))}
      </footer>
    </div>
  );
}

function Outcome({ view }: { view: GuestView }) {
  const { t, i18n } = useTranslation('customer');
  if (view.state === 'idle') return null;
  return (
    <p role="status" className="outcome" data-testid="call-state" data-state={view.state}>
      {view.state === 'failed' ? pick(view.message, i18n.language) || t([`failed.${view.code ?? 'other'}`, 'failed.other']) : t(`call.${view.state}`)}
    </p>
  );
}

function Live({ call, view }: { call: GuestCall; view: GuestView }) {
  const { t } = useTranslation('customer');
  const [now, setNow] = useState(Date.now());
  const [sent, setSent] = useState('');
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className="live-call">
      <p role="status" className="live-state" data-testid="call-state" data-state={view.state}>
        {t(view.away ? 'call.away' : `call.${view.state}`)}
      </p>
      <p className="live-clock" aria-hidden>
        {clock(now - view.since)}
      </p>
      {view.listenOnly ? <p>{t('listen_only')}</p> : null}
      {view.soundBlocked ? (
        <button type="button" onClick={() => void call.unlockSound()}>
          {t('unlock')}
        </button>
      ) : null}
      <div className="keys" role="group" aria-label={t('keypad')}>
        {['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'].map((d) => (
          <button
            key={d}
            type="button"
            data-testid={`digit-${d}`}
            disabled={view.state !== 'answered'}
            onClick={() => {
              call.digit(d);
              setSent((s) => (s + d).slice(-16));
            }}
          >
            {d}
          </button>
        ))}
      </div>
      <output className="dim">{sent || '\u00a0'}</output>
      <div className="live-buttons">
        <button type="button" className="big" aria-pressed={view.muted} disabled={view.listenOnly} onClick={() => call.mute(!view.muted)}>
          <Icon name={view.muted ? 'micoff' : 'mic'} size={24} />
          {t(view.muted ? 'unmute' : 'mute')}
        </button>
        <button type="button" className="big stop" data-testid="hang-up" onClick={() => call.hangUp()}>
          <Icon name="hangup" size={24} />
          {t('hang_up')}
        </button>
      </div>
    </div>
  );
}
