// Presence and its clock, the softphone strip at a fixed place, the connection, language, theme, the person.
import { Menu, Tooltip, useMantineColorScheme } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { signOut, useMe } from '../api/session';
import { PresenceMenu } from '../desk/PresenceMenu';
import { SoftphoneStrip } from '../desk/SoftphoneStrip';
import { languageNames, languages, switchLanguage } from '../i18n';
import { useCommand, useConnection, retryNow } from '../socket/session';
import { Remaining } from '../ui/Elapsed';
import { Icon } from '../ui/icons';

export function TopBar() {
  const me = useMe();
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
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <button type="button" className={dark ? 'bar-button' : 'link row'} aria-label={dark ? t('prefs.language') : undefined}>
          <Icon name="globe" />
          {dark ? null : languageNames[i18n.language === 'zh-CN' ? 'zh-CN' : 'en']}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {languages.map((l) => (
          <Menu.Item key={l} lang={l} onClick={() => void switchLanguage(l)} aria-current={i18n.language === l}>
            {languageNames[l]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function ThemeMenu() {
  const { t } = useTranslation('common');
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <button type="button" className="bar-button" aria-label={t('prefs.theme')}>
          <Icon name={colorScheme === 'dark' ? 'moon' : 'sun'} />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {(['auto', 'light', 'dark'] as const).map((s) => (
          <Menu.Item key={s} onClick={() => setColorScheme(s)} aria-current={colorScheme === s}>
            {t(`prefs.theme_${s}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function UserMenu() {
  const { t } = useTranslation('common');
  const me = useMe();
  const command = useCommand();
  const leave = async () => {
    if (me.agent) await command({ command: 'sign_out' });
    await signOut();
  };
  return (
    <Menu position="bottom-end">
      <Tooltip label={`${me.name} · ${me.tenant.name}`}>
        <div>
          <Menu.Target>
            <button type="button" className="bar-button" aria-label={t('prefs.user', { name: me.name })}>
              <Icon name="user" />
              <span className="cut tenant" title={me.name}>
                {me.name}
              </span>
            </button>
          </Menu.Target>
        </div>
      </Tooltip>
      <Menu.Dropdown>
        <Menu.Label>{me.tenant.name}</Menu.Label>
        <Menu.Label>{me.login.email}</Menu.Label>
        <Menu.Divider />
        <Menu.Item leftSection={<Icon name="out" size={16} />} onClick={() => void leave()}>
          {t('action.sign_out')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
