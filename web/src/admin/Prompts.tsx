// Prompts and music: a WAV file per language, heard here before a caller hears it.
import { FileInput, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { api, ok, type Schemas } from '../api/client';
import { useLocal } from '../i18n/localized';
import { LocalizedField } from './fields';
import { ResourcePage } from './ResourcePage';

interface Form {
  name: Schemas['Localized'];
  source: string;
  licence: string;
  audio: Schemas['PromptAudio'];
}

async function base64(file: File | null): Promise<string | null> {
  if (!file) return null;
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

/** Only what was chosen: the other language stays as it is. */
function chosen(audio: Schemas['PromptAudio']): Schemas['PromptAudio'] | null {
  const entries = Object.entries(audio).filter(([, v]) => v);
  return entries.length > 0 ? Object.fromEntries(entries) : null;
}

export function Prompts() {
  const { t } = useTranslation('admin');
  const local = useLocal();
  return (
    <ResourcePage<'prompts', Form>
      kind="prompts"
      columns={[
        { key: 'name', head: t('name'), width: 'minmax(160px, 1fr)', cell: (r) => <strong>{local(r.name)}</strong>, title: (r) => local(r.name) },
        { key: 'languages', head: t('languages'), width: 'minmax(120px, 160px)', cell: (r) => r.languages.map((l) => t(`language.${l}`, { ns: 'common' })).join(', ') || '–' },
        { key: 'source', head: t('source'), width: 'minmax(160px, 1.5fr)', cell: (r) => r.source || '–', title: (r) => r.source },
        { key: 'licence', head: t('licence'), width: 'minmax(120px, 1fr)', cell: (r) => r.licence || '–', title: (r) => r.licence },
      ]}
      text={(r) => local(r.name)}
      blank={() => ({ name: {}, source: '', licence: '', audio: {} })}
      toForm={(r) => ({ name: r.name, source: r.source, licence: r.licence, audio: {} })}
      editor={({ value, set, error, row }) => (
        <>
          <LocalizedField label={t('name')} value={value.name} onChange={(name) => set({ name })} error={error('name')} />
          {(['zh-CN', 'en'] as const).map((lang) => (
            <div key={lang} className="col">
              <FileInput
                label={`${t('sound')} · ${t(lang === 'zh-CN' ? 'in_chinese' : 'in_english')}`}
                description={t('wav_hint')}
                placeholder={t('choose_file')}
                accept="audio/wav,.wav"
                clearable
                error={error(`audio.${lang}`)}
                onChange={(f) => void base64(f).then((data) => set({ audio: { ...value.audio, [lang]: data } }))}
              />
              {row?.languages.includes(lang) ? <audio controls preload="none" src={`/api/v1/prompts/${row.id}/audio/${lang}`} aria-label={`${local(row.name)} ${lang}`} /> : null}
            </div>
          ))}
          <TextInput label={t('source')} maxLength={300} value={value.source} onChange={(e) => set({ source: e.currentTarget.value })} error={error('source')} />
          <TextInput label={t('licence')} maxLength={300} value={value.licence} onChange={(e) => set({ licence: e.currentTarget.value })} error={error('licence')} />
        </>
      )}
      create={({ audio, ...body }) => ok(api.POST('/api/v1/prompts', { body: { ...body, audio: chosen(audio) } }))}
      update={(r, { audio, ...body }) => ok(api.PATCH('/api/v1/prompts/{id}', { params: { path: { id: r.id } }, body: { ...body, ...(chosen(audio) ? { audio: chosen(audio) } : {}) } }))}
      remove={(r) => ok(api.DELETE('/api/v1/prompts/{id}', { params: { path: { id: r.id } } }))}
    />
  );
}
