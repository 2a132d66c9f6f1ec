// Tells of a message that was just left: a line in the corner, and outside the page where the browser may.
import i18next from 'i18next';
import { api, ok } from '../api/client';
import { pick } from '../i18n/localized';
import { toast } from '../ui/toast';

export async function newMessage(): Promise<void> {
  await i18next.loadNamespaces('voicemail');
  const t = i18next.t.bind(i18next);
  let text = t('new_message', { ns: 'voicemail' });
  try {
    const page = await ok(api.GET('/api/v1/voicemails', { params: { query: { state: 'new', limit: 1 } } }));
    const newest = page.items[0];
    // Somebody was quicker.
    if (!newest) return;
    const from = newest.from && newest.from.kind !== 'withheld' ? newest.from.text : t('address.withheld', { ns: 'common' });
    text = t('new_message_from', { ns: 'voicemail', from, mailbox: newest.queue ? pick(newest.queue.name, i18next.language) : t('company', { ns: 'voicemail' }) });
  } catch {
    // Who left it is told on the page.
  }
  toast(text);
  if ('Notification' in window && Notification.permission === 'granted' && document.visibilityState === 'hidden') {
    const note = new Notification(text, { tag: 'cordboard-voicemail', icon: '/icon.svg' });
    note.onclick = () => {
      window.focus();
      note.close();
    };
  }
}
