// The administration's own navigation beside its pages.
import { Link, Outlet } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useMay } from '../api/session';
import { sectionGroups } from './sections';
import './admin.css';

export function AdminLayout() {
  const { t } = useTranslation('admin');
  const may = useMay();
  return (
    <div className="admin">
      <nav className="admin-nav" aria-label={t('title')}>
        {sectionGroups.map((g) => {
          const shown = g.sections.filter((s) => may(s.action));
          return shown.length > 0 ? (
            <div key={g.group}>
              <h2>{t(`group.${g.group}`)}</h2>
              {shown.map((s) => (
                <Link key={s.id} to="/admin/$section" params={{ section: s.id }}>
                  {t(`section.${s.id}`)}
                </Link>
              ))}
            </div>
          ) : null;
        })}
      </nav>
      <Outlet />
    </div>
  );
}
