// Presence and its clock, the softphone strip at a fixed place, the connection, language, theme, the person.
import { useMantineColorScheme } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { signOut, useMay, useMe } from '../api/session';
import { PresenceMenu } from '../desk/PresenceMenu';
import { SoftphoneStrip } from '../desk/SoftphoneStrip';
import { languageNames, languages, switchLanguage } from '../i18n';
import { useCommand, useConnection, retryNow } from '../socket/session';
import { DropMenu } from '../ui/DropMenu';
import { Remaining } from '../ui/Elapsed';
import { Icon } from '../ui/icons';

// Not for the first paint, and not for agents.
const SpendNotice = lazy(() => import('../live/SpendNotice').then((m) => ({ default: m.SpendNotice })).catch(() => ({ default: () => null })));

export function TopBar() {
  const me = useMe();
  const may = useMay();
  const { t } = useTranslation('common');
  return (
    <header className="topbar">
      <Link to="/" className="logo" aria-label={t('nav.home')}>
        <img src="/icon.svg" alt="" />
      </Link>
      {me.agent ? (
        <>
          <PresenceMenu />
          <SoftphoneStrip />
        </>
      ) : (
        <span className="grow" />
      )}
      {may('config.view') && may('live.view') ? (
        <Suspense fallback={null}>
          <SpendNotice />
        </Suspense>
      ) : null}
      <ConnectionState />
      <LanguageMenu />
      <ThemeMenu />
      <UserMenu />
    </header>
  );
}

function ConnectionState() {
  const { t } = useTranslation('common');
  const c = useConnection();
  return (
    <div className="connection" data-state={c.state} role="status">
      <i aria-hidden />
      <span>{t(`connection.${c.state}`)}</span>
      {c.state === 'waiting' && c.retryAt ? (
        <button type="button" className="bar-button" onClick={retryNow}>
          <Remaining until={c.retryAt} />
          {t('connection.now')}
        </button>
      ) : null}
    </div>
  );
}

export function LanguageMenu({ dark = true }: { dark?: boolean }) {
  const { t, i18n } = useTranslation('common');
  const [open, setOpen] = useState(false);
  return (
    <DropMenu
      end
      opened={open}
      onChange={setOpen}
      entries={languages.map((l) => ({ text: languageNames[l], lang: l, current: i18n.language === l, onClick: () => void switchLanguage(l) }))}
    >
      <button type="button" className={dark ? 'bar-button' : 'link row'} aria-label={dark ? t('prefs.language') : undefined}>
        <Icon name="globe" />
        {dark ? null : languageNames[i18n.language === 'zh-CN' ? 'zh-CN' : 'en']}
      </button>
    </DropMenu>
  );
}

function ThemeMenu() {
  const { t } = useTranslation('common');
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [open, setOpen] = useState(false);
  return (
    <DropMenu
      end
      opened={open}
      onChange={setOpen}
      entries={(['auto', 'light', 'dark'] as const).map((s) => ({ text: t(`prefs.theme_${s}`), current: colorScheme === s, onClick: () => setColorScheme(s) }))}
    >
      <button type="button" className="bar-button" aria-label={t('prefs.theme')}>
        <Icon name={colorScheme === 'dark' ? 'moon' : 'sun'} />
      </button>
    </DropMenu>
  );
}

function UserMenu() {
  const { t } = useTranslation('common');
  const me = useMe();
  const command = useCommand();
  const [open, setOpen] = useState(false);
  const leave = async () => {
    if (me.agent) await command({ command: 'sign_out' });
    await signOut();
  };
  return (
    <DropMenu
      end
      opened={open}
      onChange={setOpen}
      entries={[
        { heading: me.tenant.name },
        { heading: me.login.email },
        { line: true },
        { text: t('action.sign_out'), icon: <Icon name="out" size={16} />, onClick: () => void leave() },
      ]}
    >
      <button type="button" className="bar-button" aria-label={t('prefs.user', { name: me.name })} data-tip={open ? undefined : `${me.name} · ${me.tenant.name}`}>
        <Icon name="user" />
        <span className="cut tenant" title={me.name}>
          {me.name}
        </span>
      </button>
    </DropMenu>
  );
}
