// Words. One JSON file per language and area; a page's area loads with the page. The browser's language decides the
// first visit, the choice is kept on this device, and switching needs no reload.
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';

export const languages = ['zh-CN', 'en'] as const;
export type Language = (typeof languages)[number];
/** Each name in its own language, as it must read to someone who cannot read the other. */
export const languageNames: Record<Language, string> = { 'zh-CN': '简体中文', en: 'English' };

const files = import.meta.glob<{ default: Record<string, unknown> }>('./locales/*/*.json');
const KEY = 'cordboard.language';

export function firstLanguage(stored: string | null, wanted: readonly string[]): Language {
  const known = languages.find((l) => l === stored);
  if (known) return known;
  for (const w of wanted) {
    if (w.toLowerCase().startsWith('zh')) return 'zh-CN';
    if (w.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

function storedLanguage(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked: the browser's language decides each visit
  }
}

export async function startI18n(area: 'common' | 'customer'): Promise<void> {
  await i18next
    .use({
      type: 'backend',
      init() {},
      read(language: string, namespace: string, done: (e: unknown, data?: Record<string, unknown>) => void) {
        const load = files[`./locales/${language}/${namespace}.json`];
        if (!load) return done(new Error(`no words for ${language}/${namespace}`));
        load().then(
          (m) => done(null, m.default),
          (e: unknown) => done(e),
        );
      },
    })
    .use(initReactI18next)
    .init({
      lng: firstLanguage(storedLanguage(), navigator.languages),
      supportedLngs: [...languages],
      fallbackLng: false,
      ns: [area],
      defaultNS: area,
      interpolation: { escapeValue: false },
      returnNull: false,
      saveMissing: true,
      missingKeyHandler: (_l, ns, key) => {
        // shots.mjs fails on these.
        (window.__cordboardMissing ??= []).push(`${ns}:${key}`);
      },
    });
  document.documentElement.lang = i18next.language;
  i18next.on('languageChanged', (l) => {
    document.documentElement.lang = l;
  });
}

export function currentLanguage(): Language {
  return i18next.language === 'zh-CN' ? 'zh-CN' : 'en';
}

export async function switchLanguage(language: Language): Promise<void> {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Kept for this visit only.
  }
  await i18next.changeLanguage(language);
}

declare global {
  interface Window {
    __cordboardMissing?: string[];
  }
}
