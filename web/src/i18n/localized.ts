// A `Localized` value of the API in the language of the screen, else in the other one.
import { useTranslation } from 'react-i18next';

export interface LocalizedText {
  'zh-CN'?: string | null;
  en?: string | null;
}

export function pick(text: LocalizedText | null | undefined, language: string): string {
  if (!text) return '';
  const [first, second] = language === 'zh-CN' ? [text['zh-CN'], text.en] : [text.en, text['zh-CN']];
  return first || second || '';
}

export function useLocal(): (text: LocalizedText | null | undefined) => string {
  const { i18n } = useTranslation();
  return (text) => pick(text, i18n.language);
}
