// The company's encryption key: its age, a new one, and older seals renewed.
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ok, problemText, type Schemas } from '../api/client';
import { useMe } from '../api/session';
import { serverNow } from '../ui/clock';
import { dateTime } from '../ui/format';
import { Ready } from '../ui/States';
import { toast } from '../ui/toast';

const key = ['encryption'];
const DAY = 86_400_000;

export function Encryption() {
  const { t } = useTranslation('admin');
  const query = useQuery({ queryKey: key, queryFn: () => ok(api.GET('/api/v1/encryption')) });
  return (
    <section className="card" data-testid="encryption">
      <div className="card-head">
        <h2>{t('encryption.title')}</h2>
      </div>
      <div className="card-body col">
        <p>{t('encryption.hint')}</p>
        <Ready query={query}>{(state) => <State state={state} />}</Ready>
      </div>
    </section>
  );
}

function State({ state }: { state: Schemas['Encryption'] }) {
  const { t, i18n } = useTranslation('admin');
  const me = useMe();
  const client = useQueryClient();
  const [sure, setSure] = useState(false);
  const failed = (e: unknown) => toast(problemText(e, i18n.language, (k) => t(k, { ns: 'common' })), 'bad');
  const known = (now: Schemas['Encryption']) => client.setQueryData(key, now);
  const rotate = useMutation({
    mutationFn: () => ok(api.POST('/api/v1/encryption/rotate')),
    onSuccess: (now) => {
      setSure(false);
      known(now);
      toast(t('encryption.rotated'));
    },
    onError: failed,
  });
  const renew = useMutation({
    mutationFn: async () => {
      // A piece at a time, as long as it gets less.
      let before = Infinity;
      let now = await ok(api.POST('/api/v1/encryption/rewrap'));
      known(now);
      while (now.older > 0 && now.older < before) {
        before = now.older;
        now = await ok(api.POST('/api/v1/encryption/rewrap'));
        known(now);
      }
    },
    onError: failed,
  });
  const days = Math.max(0, Math.floor((serverNow() - state.created_at) / DAY));
  return (
    <>
      <dl className="facts">
        <dt>{t('encryption.key')}</dt>
        <dd className="num">{state.number}</dd>
        <dt>{t('encryption.age')}</dt>
        <dd className="num">
          {days} · {dateTime(state.created_at, i18n.language, me.time_zone)}
        </dd>
        <dt>{t('encryption.current')}</dt>
        <dd className="num">{state.current}</dd>
        <dt>{t('encryption.older')}</dt>
        <dd className="num">{state.older}</dd>
      </dl>
      <div className="row wrap">
        <Button variant={sure ? 'filled' : 'default'} loading={rotate.isPending} onClick={() => (sure ? rotate.mutate() : setSure(true))} onBlur={() => setSure(false)}>
          {t(sure ? 'encryption.rotate_sure' : 'encryption.rotate')}
        </Button>
        {state.older > 0 ? (
          <Button variant="default" loading={renew.isPending} onClick={() => renew.mutate()}>
            {t('encryption.renew')}
          </Button>
        ) : null}
      </div>
    </>
  );
}
