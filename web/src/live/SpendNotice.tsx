// A word in the bar when a limit of spending on calls out is near or reached; leads to the figures.
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons';
import { alarm, money, useSpend } from './spend';
import './spend.css';

export function SpendNotice() {
  const { t, i18n } = useTranslation('live');
  const report = useSpend();
  const told = alarm(report);
  if (!report || !told) return null;
  const text = t(`spend.${told.key}_${told.reached ? 'reached' : 'near'}`, { who: told.who });
  const sums = `${money(told.sum.spent, report.currency, i18n.language)} / ${money(told.sum.most ?? 0, report.currency, i18n.language)}`;
  return (
    <Link to="/admin/$section" params={{ section: 'settings' }} hash="spend" className="spend-notice" data-reached={told.reached || undefined} role="status" data-testid="spend-notice" data-tip={sums}>
      <Icon name="bell" size={16} />
      <span className="cut">{text}</span>
      <span className="visually-hidden">{sums}</span>
    </Link>
  );
}
