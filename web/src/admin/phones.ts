// What common phones call the settings of a SIP account, by their makers' manuals: a table, and the values to type.
import type { Schemas } from '../api/client';
import type { LocalizedText } from '../i18n/localized';

export type Transport = Schemas['PhoneTransport'];

export interface PhoneAccount {
  user: string;
  realm: string;
  /** Only just after it was set. */
  secret: string | null;
  host: string;
  port: number;
  transport: Transport;
  srtp: Schemas['Srtp'];
  registration_s: number;
}

interface Field {
  label: LocalizedText;
  /** Null: known only when the password is set. */
  value: (a: PhoneAccount) => string | null;
}

export interface Phone {
  id: string;
  name: string;
  /** Where its fields are. */
  where: LocalizedText;
  fields: Field[];
}

const field = (en: string, zh: string, value: Field['value']): Field => ({ label: { en, 'zh-CN': zh }, value });
const srtp = (en: string, zh: string, off: string, offered: string, required: string): Field => field(en, zh, (a) => ({ off, offered, required })[a.srtp]);

const realm = (a: PhoneAccount) => a.realm;
const user = (a: PhoneAccount) => a.user;
const secret = (a: PhoneAccount) => a.secret;
const host = (a: PhoneAccount) => a.host;
const port = (a: PhoneAccount) => String(a.port);
const seconds = (a: PhoneAccount) => String(a.registration_s);
const minutes = (a: PhoneAccount) => String(Math.max(1, Math.round(a.registration_s / 60)));
const transport = (a: PhoneAccount) => a.transport.toUpperCase();
export const proxy = (a: PhoneAccount) => `${a.host}:${a.port}`;
/** Of phones without a field for the transport. */
const route = (a: PhoneAccount) => `sip:${proxy(a)};transport=${a.transport}`;
const constant = (text: string) => () => text;

export const phones: Phone[] = [
  {
    id: 'linphone',
    name: 'Linphone',
    where: { en: 'Assistant: use a SIP account; then the account’s advanced parameters', 'zh-CN': '助手：使用 SIP 账户；其余在账户的高级参数中' },
    fields: [
      field('Username', '用户名', user),
      field('Password', '密码', secret),
      field('Domain', '域名', realm),
      field('Transport', '传输', transport),
      field('Outbound proxy / SIP proxy address', '出站代理 / SIP 代理地址', route),
      field('Expire (seconds)', '过期时间（秒）', seconds),
      srtp('Media encryption', '媒体加密', 'None', 'SRTP', 'SRTP, mandatory'),
    ],
  },
  {
    id: 'zoiper',
    name: 'Zoiper',
    where: { en: 'Settings, Accounts', 'zh-CN': '设置 → 账户（Accounts）' },
    fields: [
      field('Domain', '域（Domain）', realm),
      field('Username', '用户名（Username）', user),
      field('Password', '密码（Password）', secret),
      field('Use outbound proxy', '出站代理（Outbound proxy）', proxy),
      field('Transport', '传输（Transport）', transport),
      field('DTMF style', 'DTMF 方式（DTMF style）', constant('RTP (RFC-2833)')),
      field('Registration expiry (seconds)', '注册有效期（Registration expiry，秒）', seconds),
    ],
  },
  {
    id: 'microsip',
    name: 'MicroSIP',
    where: { en: 'Menu, Add account', 'zh-CN': '菜单 → 添加账户' },
    fields: [
      field('SIP server', 'SIP 服务器（SIP server）', proxy),
      field('SIP proxy', 'SIP 代理（SIP proxy）', proxy),
      field('Username', '用户名（Username）', user),
      field('Domain', '域（Domain）', realm),
      field('Login', '登录名（Login）', user),
      field('Password', '密码（Password）', secret),
      srtp('Media encryption', '媒体加密（Media encryption）', 'Disabled', 'Optional SRTP (RTP/AVP)', 'Mandatory SRTP (RTP/SAVP)'),
      field('Transport', '传输（Transport）', transport),
      field('Register refresh', '注册刷新（Register refresh）', seconds),
    ],
  },
  {
    id: 'bria',
    name: 'Bria',
    where: { en: 'Preferences, Accounts, SIP account', 'zh-CN': 'Preferences → Accounts → SIP account' },
    fields: [
      field('User ID', '用户 ID（User ID）', user),
      field('Domain', '域（Domain）', realm),
      field('Password', '密码（Password）', secret),
      field('Authorization name', '认证名（Authorization name）', user),
      field('Send outbound via: proxy address', '出站代理（Proxy address）', proxy),
      field('Signaling transport', '信令传输（Signaling transport）', transport),
      field('Reregister every (seconds)', '重新注册间隔（Reregister every，秒）', seconds),
    ],
  },
  {
    id: 'yealink',
    name: 'Yealink',
    where: { en: 'Web page of the phone: Account, Register and Advanced', 'zh-CN': '话机网页：账号 → 注册、高级' },
    fields: [
      field('Register Name', '注册名', user),
      field('User Name', '用户名', user),
      field('Password', '密码', secret),
      field('SIP Server 1: Server Host', 'SIP 服务器 1：服务器地址', realm),
      field('Transport', '传输方式', transport),
      field('Server Expires', '服务器有效期', seconds),
      field('Outbound Proxy Server 1', '出站代理服务器 1', host),
      field('Outbound Proxy Server 1: Port', '出站代理服务器 1：端口', port),
      field('DTMF Type', 'DTMF 类型', constant('RFC2833')),
      srtp('RTP Encryption (SRTP)', 'RTP 加密（SRTP）', 'Disabled', 'Optional', 'Compulsory'),
    ],
  },
  {
    id: 'grandstream',
    name: 'Grandstream',
    where: { en: 'Web page of the phone: Accounts, General, SIP and Audio Settings', 'zh-CN': '话机网页：账号 → 常规、SIP、音频设置' },
    fields: [
      field('SIP Server', 'SIP 服务器', realm),
      field('Outbound Proxy', '出局代理（Outbound Proxy）', proxy),
      field('SIP User ID', 'SIP 用户 ID', user),
      field('SIP Authentication ID', 'SIP 认证 ID', user),
      field('SIP Authentication Password', 'SIP 认证密码', secret),
      field('SIP Transport', 'SIP 传输', transport),
      field('Register Expiration (minutes)', '注册期限（分钟）', minutes),
      field('Send DTMF', 'DTMF 发送方式', constant('RFC2833')),
      srtp('SRTP Mode', 'SRTP 方式', 'Disabled', 'Enabled but not forced', 'Enabled and forced'),
    ],
  },
  {
    id: 'snom',
    name: 'Snom',
    where: { en: 'Web page of the phone: Identity, Login, SIP and RTP', 'zh-CN': '话机网页：Identity → Login、SIP、RTP' },
    fields: [
      field('Account', '账户（Account）', user),
      field('Password', '密码（Password）', secret),
      field('Registrar', '注册服务器（Registrar）', realm),
      field('Outbound Proxy', '出站代理（Outbound Proxy）', route),
      field('Authentication Username', '认证用户名（Authentication Username）', user),
      field('Proposed Expiry (seconds)', '注册有效期（Proposed Expiry，秒）', seconds),
      srtp('RTP Encryption; RTP/SAVP', 'RTP 加密（RTP Encryption；RTP/SAVP）', 'off', 'on; optional', 'on; mandatory'),
    ],
  },
  {
    id: 'fanvil',
    name: 'Fanvil',
    where: { en: 'Web page of the phone: Line, SIP, basic and advanced settings', 'zh-CN': '话机网页：线路 → SIP → 基本、高级设置' },
    fields: [
      field('Username', '用户名', user),
      field('Authentication User', '认证用户', user),
      field('Authentication Password', '认证密码', secret),
      field('SIP Server 1: Server Address', 'SIP 服务器 1：服务器地址', realm),
      field('Transport Protocol', '传输协议', transport),
      field('Registration Expiration (seconds)', '注册有效期（秒）', seconds),
      field('Proxy Server Address', '代理服务器地址', host),
      field('Proxy Server Port', '代理服务器端口', port),
      field('DTMF Type', 'DTMF 类型', constant('RFC2833')),
    ],
  },
];

/** How phones reach the server: by the page's address, unless the page is opened on the server itself. */
export function place(page: { hostname: string; origin: string }, service: Schemas['PhoneService']): { host: string; url: string; alone: boolean } {
  const loopback = page.hostname === 'localhost' || page.hostname === '[::1]' || page.hostname.startsWith('127.');
  if (loopback && service.elsewhere) return { ...service.elsewhere, alone: false };
  return { host: page.hostname === 'localhost' ? '127.0.0.1' : page.hostname, url: page.origin, alone: loopback };
}
