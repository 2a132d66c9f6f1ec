// Navigation by grants: what the person may not do is not shown.
import { Link, type LinkProps } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useMay, useMe } from '../api/session';
import { useMail } from '../socket/session';
import { Icon, type IconName } from '../ui/icons';

export interface NavItem {
  key: string;
  icon: IconName;
  link: Pick<LinkProps, 'to' | 'params'>;
  /** How much there waits. */
  badge?: number;
}

/** Shared with the palette. */
export function useNavItems(): NavItem[] {
  const me = useMe();
  const may = useMay();
  const mail = useMail();
  const items: (NavItem & { show: boolean })[] = [
    { key: 'desk', icon: 'desk', link: { to: '/desk/{-$interactionId}' }, show: me.agent != null },
    { key: 'welcome', icon: 'bell', link: { to: '/welcome' }, show: true },
    { key: 'voicemail', icon: 'voicemail', link: { to: '/voicemail' }, show: may('voicemail.use'), badge: mail?.unheard },
    { key: 'queues', icon: 'live', link: { to: '/live/queues' }, show: may('live.view') },
    { key: 'agents', icon: 'team', link: { to: '/live/agents' }, show: may('live.view') },
    { key: 'interactions', icon: 'list', link: { to: '/interactions' }, show: may('interaction.view') },
    { key: 'reports', icon: 'report', link: { to: '/reports/queues' }, show: may('report.view') },
    { key: 'admin', icon: 'gear', link: { to: '/admin/$section', params: { section: 'users' } }, show: may('config.view') },
  ];
  return items.filter((i) => i.show);
}

export function Nav() {
  const { t } = useTranslation('common');
  return (
    <nav className="nav" aria-label={t('nav.label')}>
      {useNavItems().map((i) => (
        <Link key={i.key} {...i.link} data-testid={`nav-${i.key}`} activeOptions={{ exact: false }}>
          <Icon name={i.icon} />
          <span>{t(`nav.${i.key}`)}</span>
          {i.badge ? (
            <b className="badge num" data-testid={`badge-${i.key}`}>
              {i.badge > 99 ? '99+' : i.badge}
              <span className="visually-hidden"> {t('nav.unheard')}</span>
            </b>
          ) : null}
        </Link>
      ))}
    </nav>
  );
}
