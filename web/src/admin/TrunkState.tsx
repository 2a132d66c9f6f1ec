// How a trunk is doing, and trying one out.
import { Button } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { pick } from '../i18n/localized';
import { Elapsed } from '../ui/Elapsed';

const tones: Record<Schemas['TrunkState'], string> = { drained: 'away', unchecked: 'away', connecting: 'wrapup', registered: 'ready', reachable: 'ready', unreachable: 'danger' };

/** Of every trunk that calls can go out by; some seconds old at most. */
export function useTrunkStatus(): (id: string) => Schemas['TrunkStatus'] | undefined {
  const { data } = useQuery({ queryKey: ['trunk-status'], queryFn: () => ok(api.GET('/api/v1/trunks/status')), refetchInterval: 3000 });
  return (id) => data?.items.find((s) => s.trunk === id);
}

export function TrunkState({ trunk, status }: { trunk: Schemas['Trunk']; status: Schemas['TrunkStatus'] | undefined }) {
  const { t } = useTranslation('admin');
  if (!trunk.active) return <Badge tone="away" words={t('trunk.states.drained')} />;
  if (!status) return <Badge tone="away" words={t(trunk.host ? 'trunk.states.connecting' : 'trunk.in_only')} />;
  const { state, fault, sip_status, round_trip_ms, since } = status;
  const why = fault ? ` · ${t(`trunk.faults.${fault}`)}${sip_status ? ` (${sip_status})` : ''}` : '';
  const took = !fault && round_trip_ms !== null && state !== 'unchecked' ? ` · ${round_trip_ms} ms` : '';
  return (
    <Badge tone={tones[state]} words={`${t(`trunk.states.${state}`)}${why}${took}`} state={state}>
      <span className="dim small"> {<Elapsed since={since} />}</span>
    </Badge>
  );
}

function Badge({ tone, words, state, children }: { tone: string; words: string; state?: string; children?: React.ReactNode }) {
  return (
    <span title={words}>
      <span className="state" data-tone={tone} data-testid="trunk-state" data-state={state}>
        {words}
      </span>
      {children}
    </span>
  );
}

/** Asks the server to try the trunk as it was saved. */
export function TrunkTest({ id }: { id: string }) {
  const { t, i18n } = useTranslation('admin');
  const test = useMutation({ mutationFn: () => ok(api.POST('/api/v1/trunks/{id}/test', { params: { path: { id } } })) });
  return (
    <div className="col">
      <div className="row">
        <Button variant="default" loading={test.isPending} onClick={() => test.mutate()} data-testid="trunk-test">
          {t('trunk.test')}
        </Button>
        <span className="dim small">{t(test.isPending ? 'trunk.testing' : 'trunk.test_hint')}</span>
      </div>
      <div aria-live="polite">
        {test.error ? (
          <div className="alert" data-tone="bad" role="alert">
            {problemText(test.error, i18n.language, (k) => t(k, { ns: 'common' }))}
          </div>
        ) : null}
        {test.data ? (
          <ol className="trunk-steps" data-testid="trunk-steps" data-ok={test.data.ok}>
            {test.data.steps.map((s) => (
              <li key={s.step}>
                <span className="state" data-tone={s.fault ? 'danger' : 'ready'}>
                  {t(`trunk.steps.${s.step}`)}
                </span>{' '}
                <span className="dim small mono">
                  {[s.address, s.sip_status, s.round_trip_ms === null ? null : `${s.round_trip_ms} ms`].filter((x) => x !== null).join(' · ')}
                </span>
                <div className="small">{pick(s.message, i18n.language)}</div>
              </li>
            ))}
          </ol>
        ) : null}
      </div>
    </div>
  );
}
