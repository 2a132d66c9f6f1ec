import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

/** Queues or agents. */
export function LiveTabs() {
  const { t } = useTranslation('live');
  return (
    <nav className="tabs" aria-label={t('tabs')}>
      <Link to="/live/queues">{t('queues.tab')}</Link>
      <Link to="/live/agents">{t('agents.tab')}</Link>
    </nav>
  );
}
