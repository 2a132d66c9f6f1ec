// The company itself: name, time zone, language, region, music; its rules for calls out and for recording; what it is entitled to; the sample history's one button.
import { Button, Switch, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, fieldErrors, ok, problemText, type Schemas } from '../api/client';
import { useMay } from '../api/session';
import { Ready } from '../ui/States';
import { toast } from '../ui/toast';
import { ChoiceField, CodecsField, LangField, RegionField, ZoneField } from './fields';
import { MailboxRules } from './Mailbox';
import { RecordingRules } from './RecordRule';
import { Encryption } from './Encryption';
import { OutboundRules } from './OutboundRules';

export function Settings() {
  const { t } = useTranslation('admin');
  const query = useQuery({ queryKey: ['tenant'], queryFn: () => ok(api.GET('/api/v1/tenant')) });
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t('section.settings')}</h1>
      </header>
      <div className="page-body">
        <Ready query={query}>{(tenant) => <Form key={tenant.revision} tenant={tenant} />}</Ready>
      </div>
    </div>
  );
}

function Form({ tenant }: { tenant: Schemas['TenantView'] }) {
  const { t, i18n } = useTranslation('admin');
  const may = useMay();
  const client = useQueryClient();
  const [name, setName] = useState(tenant.name);
  const [zone, setZone] = useState(tenant.time_zone);
  const [lang, setLang] = useState(tenant.lang);
  const [region, setRegion] = useState(tenant.region);
  const [outbound, setOutbound] = useState(tenant.outbound);
  const [recording, setRecording] = useState(tenant.recording);
  const [voicemail, setVoicemail] = useState(tenant.voicemail);
  const [music, setMusic] = useState(tenant.music);
  const [masked, setMasked] = useState(tenant.mask_numbers);
  const [shown, setShown] = useState(tenant.monitoring_shown);
  const [codecs, setCodecs] = useState(tenant.browser_codecs);
  const [sure, setSure] = useState(false);
  const words = (e: unknown) => problemText(e, i18n.language, (k) => t(k, { ns: 'common' }));
  const save = useMutation({
    mutationFn: () => ok(api.PATCH('/api/v1/tenant', { body: { name, time_zone: zone, lang, region, music, monitoring_shown: shown, browser_codecs: codecs, outbound, recording, voicemail, mask_numbers: masked } })),
    onSuccess: async () => {
      toast(t('saved'));
      await client.invalidateQueries();
    },
  });
  const clear = useMutation({
    mutationFn: () => ok(api.DELETE('/api/v1/sample-history')),
    onSuccess: async () => {
      toast(t('sample_removed'));
      await client.invalidateQueries();
    },
    onError: (e) => toast(words(e), 'bad'),
  });
  const wrong = fieldErrors(save.error);
  const error = (path: string) => (wrong[path] ? t([`field_error.${wrong[path]}`, 'field_error.invalid']) : undefined);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <div className="col settings">
      <form className="col settings" onSubmit={submit}>
        <section className="card">
          <div className="card-head">
            <h2>{t('company')}</h2>
          </div>
          <fieldset className="plain card-body col" disabled={!may('queue.manage')}>
            <TextInput label={t('name')} required maxLength={100} value={name} onChange={(e) => setName(e.currentTarget.value)} />
            <div className="pair">
              <ZoneField label={t('time_zone')} value={zone} onChange={(v) => setZone(v ?? zone)} />
              <LangField label={t('language')} value={lang} onChange={setLang} />
              <RegionField label={t('region')} description={t('region_hint')} value={region} onChange={setRegion} error={error('region')} />
              <ChoiceField label={t('music')} kind="prompts" value={music} onChange={setMusic} />
            </div>
            <CodecsField label={t('codecs.browsers')} hint={t('codecs.browsers_hint')} usual={t('codecs.browsers_usual')} value={codecs} set={setCodecs} error={error('browser_codecs')} />
            <Switch label={t('mask_numbers')} description={t('mask_numbers_hint')} checked={masked} onChange={(e) => setMasked(e.currentTarget.checked)} />
            <Switch label={t('monitoring_shown')} description={t('monitoring_hint')} checked={shown} onChange={(e) => setShown(e.currentTarget.checked)} />
          </fieldset>
        </section>
        <section className="card">
          <div className="card-head">
            <h2>{t('outbound.title')}</h2>
          </div>
          <fieldset className="plain card-body col" disabled={!may('queue.manage')}>
            <OutboundRules value={outbound} set={(c) => setOutbound((o) => ({ ...o, ...c }))} error={error} />
          </fieldset>
        </section>
        <section className="card">
          <div className="card-head">
            <h2>{t('recording.title')}</h2>
          </div>
          <fieldset className="plain card-body col" disabled={!may('queue.manage')}>
            <RecordingRules value={recording} set={(c) => setRecording((r) => ({ ...r, ...c }))} error={error} longest={tenant.entitlements.retention_days} />
          </fieldset>
        </section>
        <section className="card">
          <div className="card-head">
            <h2>{t('voicemail.title')}</h2>
          </div>
          <fieldset className="plain card-body col" disabled={!may('queue.manage')}>
            <MailboxRules value={voicemail} set={(c) => setVoicemail((v) => ({ ...v, ...c }))} error={error} />
          </fieldset>
        </section>
        {save.error ? (
          <div className="alert" data-tone="bad" role="alert">
            {words(save.error)}
          </div>
        ) : null}
        {may('queue.manage') ? (
          <div>
            <Button type="submit" loading={save.isPending}>
              {t('save')}
            </Button>
          </div>
        ) : null}
      </form>
      <section className="card">
        <div className="card-head">
          <h2>{t('entitlements')}</h2>
        </div>
        <dl className="facts card-body">
          <dt>{t('seats')}</dt>
          <dd className="num">{tenant.entitlements.seats}</dd>
          <dt>{t('concurrent_calls')}</dt>
          <dd className="num">{tenant.entitlements.concurrent_calls}</dd>
          <dt>{t('retention_days')}</dt>
          <dd className="num">{tenant.entitlements.retention_days}</dd>
          <dt>{t('phone_realm')}</dt>
          <dd className="mono">{tenant.sip_domain}</dd>
          <dt>{t('revision')}</dt>
          <dd className="num">{tenant.revision}</dd>
        </dl>
      </section>
      {may('key.manage') ? <Encryption /> : null}
      <section className="card">
        <div className="card-head">
          <h2>{t('sample_history')}</h2>
        </div>
        <div className="card-body col">
          <p>{t(tenant.has_sample_history ? 'sample_present' : 'sample_gone')}</p>
          {tenant.has_sample_history && may('sample.remove') ? (
            <div>
              <Button color="#b3261e" variant={sure ? 'filled' : 'default'} loading={clear.isPending} onClick={() => (sure ? clear.mutate() : setSure(true))}>
                {t(sure ? 'remove_sure' : 'remove_sample')}
              </Button>
            </div>
          ) : null}
        </div>
      </section>
    </div>
  );
}
