// A stand-in for the server while developing pages: `node dev/mock.mjs [port]` serves dist/ and answers the interface
// with the data of data.mjs. Nothing is kept, no sound flows. Never shipped.
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import * as d from './data.mjs';
import { accept } from './ws.mjs';

const port = Number(process.argv[2] ?? 8090);
const dist = process.env.DIST ?? new URL('../dist/', import.meta.url).pathname;
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' };
const L = (zh, en) => ({ 'zh-CN': zh, en });
const tenant = { id: 'ten_1', name: '示例公司 Sample Co.' };
const me = {
  login: { id: 'lgn_1', email: 'admin@example.com' }, user: 'usr_1', name: '陈晓', lang: 'zh-CN', time_zone: 'Asia/Shanghai', tenant, tenants: [tenant],
  grants: [{ role: 'admin', scope: { scope: 'tenant' } }],
  actions: ['desk.use', 'live.view', 'agent.control', 'interaction.view', 'interaction.end', 'call.monitor', 'call.intervene', 'recording.listen', 'recording.hold', 'key.manage', 'voicemail.use', 'voicemail.delete', 'contact.reveal', 'report.view', 'user.view', 'user.manage', 'team.manage', 'skill.manage', 'queue.manage', 'calendar.manage', 'flow.manage', 'number.manage', 'device.manage', 'prompt.manage', 'config.view', 'audit.view', 'token.manage', 'sample.remove'],
  numbers_masked: false, agent: 'agt_0', csrf_token: 'x', languages: ['zh-CN', 'en'],
};
const page = (items) => ({ items, next_cursor: null });
const users = d.agents.map((a, i) => ({ id: `usr_${i}`, login: `lgn_${i}`, email: `user${i}@example.com`, name: a.name, lang: i % 2 ? 'en' : 'zh-CN', time_zone: null, grants: [{ role: i ? 'agent' : 'admin', scope: { scope: i ? 'own' : 'tenant' } }], active: true, agent: a.id }));
const lists = {
  users: () => users,
  logins: () => users.map((u) => ({ id: u.login, email: u.email, user: u.id, created_at: Date.now(), has_password: true, locked_until_at: null })),
  teams: () => [{ id: 'tea_1', name: L('一班', 'Team one'), queues: ['que_support'] }],
  skills: () => [{ id: 'skl_1', name: L('英语', 'English') }, { id: 'skl_2', name: L('账单', 'Billing') }],
  agents: () => d.agents.map((a, i) => ({ ...a, user: `usr_${i}`, extension: `80${i + 1}`, team: 'tea_1', skills: [{ skill: 'skl_1', level: 5 }], capacity: { voice: 1, chat: 3, email: 5, task: 5 }, active: true })),
  queues: () => d.queues.map(d.queueConfig),
  calendars: () => [d.calendar],
  numbers: () => d.numbers,
  trunks: () => d.trunks,
  routes: () => d.routes,
  devices: () => [{ id: 'dev_1', name: 'Browser of 陈晓', agent: 'agt_0', kind: { kind: 'browser' }, srtp: 'offered', codecs: [], realm: null }, { id: 'dev_2', name: 'Desk phone', agent: 'agt_1', kind: { kind: 'sip', user: 'phone-1' }, srtp: 'offered', codecs: [], realm: 'sample.local' }],
  dispositions: () => d.dispositions,
  'break-reasons': () => d.breaks,
  prompts: () => [{ id: 'prm_1', name: L('欢迎', 'Welcome'), languages: ['zh-CN', 'en'], source: 'espeak-ng', licence: 'CC0' }, { id: 'prm_2', name: L('下班', 'Closed'), languages: ['zh-CN', 'en'], source: 'espeak-ng', licence: 'CC0' }],
  flows: () => [{ id: 'flw_1', draft: d.flow, published_version: 3, changed: true }],
  tokens: () => [{ id: 'tok_1', name: 'scripts', user: 'usr_0', user_name: '陈晓', created_at: Date.now() - 86_400_000, expires_at: null }],
  audit: () => Array.from({ length: 30 }, (_, i) => ({ id: `aud_${i}`, at: Date.now() - i * 3_600_000, actor: 'usr_0', actor_name: '陈晓', action: ['queue.update', 'user.create', 'flow.publish'][i % 3], resource: 'que_support', revision: 40 - i, detail: { name: 'Support' } })),
  'config-revisions': () => Array.from({ length: 30 }, (_, i) => ({ number: 40 - i, at: Date.now() - i * 3_600_000, author: 'usr_0', author_name: '陈晓', reason: 'queue.update' })),
  interactions: () => d.interactions,
  voicemails: () => d.voicemails(),
};
const day = 86_400_000;
const rows = (who, list, figures) => Array.from({ length: 4 }, (_, k) => list.map((x) => ({ from_at: Date.now() - day + k * 21_600_000, to_at: Date.now() - day + (k + 1) * 21_600_000, [who]: x, figures }))).flat();
const agentFigures = { offers: 44, offers_missed: 2, offers_declined: 1, handled: 41, talk_ms: 7_000_000, hold_ms: 220_000, wrap_ms: 1_000_000, idle_ms: 3_600_000, break_ms: 1_800_000, signed_in_ms: 14_400_000, aht_ms: 200_000, occupancy: 0.69 };
const formulas = [{ metric: 'service_level', name: L('服务水平', 'Service level'), formula: 'answered_in_time / (offered - short_abandons)', unit: 'ratio' }, { metric: 'asa_ms', name: L('平均应答', 'ASA'), formula: 'wait_ms / answered', unit: 'ms' }, { metric: 'aht_ms', name: L('平均处理', 'AHT'), formula: '(talk_ms + hold_ms + wrap_ms) / handled', unit: 'ms' }, { metric: 'abandon_rate', name: L('放弃率', 'Abandon rate'), formula: '(abandoned - short_abandons) / (offered - short_abandons)', unit: 'ratio' }, { metric: 'occupancy', name: L('利用率', 'Occupancy'), formula: '(talk_ms + hold_ms + wrap_ms) / (talk_ms + hold_ms + wrap_ms + idle_ms)', unit: 'ratio' }];
const wav = () => {
  const n = 8000 * 4;
  const b = Buffer.alloc(44 + n * 4);
  b.write('RIFF', 0); b.writeUInt32LE(36 + n * 4, 4); b.write('WAVEfmt ', 8); b.writeUInt32LE(16, 16); b.writeUInt16LE(1, 20); b.writeUInt16LE(2, 22); b.writeUInt32LE(8000, 24); b.writeUInt32LE(32000, 28); b.writeUInt16LE(4, 32); b.writeUInt16LE(16, 34); b.write('data', 36); b.writeUInt32LE(n * 4, 40);
  for (let i = 0; i < n; i++) { b.writeInt16LE(4000 * Math.sin(i / 3), 44 + i * 4); b.writeInt16LE(4000 * Math.sin(i / 5), 46 + i * 4); }
  return b;
};

function coverage(state) {
  const none = { talk_ms: 0, recorded_ms: 0, masked_ms: 0, ruled_out_ms: 0, not_asked_ms: 0, lost_ms: 0, crash_ms: 0, erased_ms: 0, unstored_ms: 0 };
  const kinds = [{ recorded_ms: 92_400, crash_ms: 31_000 }, { recorded_ms: 240_000, lost_ms: 8_200, masked_ms: 22_000 }, { recorded_ms: 63_000, unstored_ms: 63_000 }, { erased_ms: 410_000 }, { not_asked_ms: 55_000 }, { ruled_out_ms: 72_000 }, ...Array.from({ length: 40 }, (_, i) => ({ recorded_ms: 60_000 + i * 7_000 }))];
  const rows = kinds.map((k, i) => {
    const f = { ...none, ...k };
    f.talk_ms = f.recorded_ms + f.masked_ms + f.ruled_out_ms + f.not_asked_ms + f.lost_ms + f.crash_ms + f.erased_ms;
    const kept = f.recorded_ms + f.erased_ms, wanted = kept + f.lost_ms + f.crash_ms;
    return { segment: `seg_${i}`, interaction: `int_${i}`, from_at: Date.now() - i * 600_000, agent: d.agents[i % d.agents.length], queue: i % 5 === 4 ? null : d.queues[i % d.queues.length], sample: false, figures: { ...f, share: wanted ? kept / wanted : null } };
  });
  const total = { ...none, share: 0.9963 };
  for (const r of rows) for (const k of Object.keys(none)) total[k] += r.figures[k];
  const shown = rows.filter((r) => !state || (state === 'missing' ? r.figures.lost_ms + r.figures.crash_ms > 0 : r.figures[`${state}_ms`] > 0));
  return { from_at: 0, to_at: Date.now(), total, conversations: rows.length, rows: shown, next_cursor: null };
}

function answer(method, path, url) {
  if (path === '/me' || path === '/sign-in' || path === '/sign-in/link') return me;
  if (path === '/live') return d.live;
  if (path.endsWith('/targets')) return d.targets;
  if (path === '/tenant') return { ...tenant, time_zone: 'Asia/Shanghai', lang: 'zh-CN', region: 'CN', sip_domain: 'sample.local', music: null, monitoring_shown: false, browser_codecs: [], outbound: d.outbound, recording: { rule: null, notice: { kind: 'none' }, mask_s: 120, keep_days: 90 }, voicemail: d.mailbox, mask_numbers: true, entitlements: { seats: 50, concurrent_calls: 100, retention_days: 365 }, revision: 40, has_sample_history: true };
  if (path === '/demo-call') return { queue: 'que_support', agents_ready: ['agt_0'] };
  if (path === '/reports/formulas') return { items: formulas };
  if (path === '/reports/queues') return { from_at: 0, to_at: Date.now(), time_zone: 'Asia/Shanghai', rows: rows('queue', d.queues, d.figures), total: d.figures };
  if (path === '/reports/agents') return { from_at: 0, to_at: Date.now(), time_zone: 'Asia/Shanghai', rows: rows('agent', d.agents, agentFigures), total: agentFigures };
  if (path.startsWith('/encryption')) return { number: 2, created_at: Date.now() - 40 * day, current: 210, older: path.endsWith('rewrap') ? 0 : 1834 };
  if (path.endsWith('/hold')) return { at: Date.now(), by: '陈晓', reason: 'Case 17' };
  if (path === '/outbound/spend') return { priced: true, currency: 'CNY', day: { spent: 43_215, most: 50_000, near: true, reached: false }, month: { spent: 512_340, most: 1_000_000, near: false, reached: false }, agents: [{ agent: d.agents[2], sum: { spent: 8_120, most: 8_000, near: true, reached: true } }] };
  if (path === '/reports/recordings') return coverage(url.searchParams.get('state'));
  if (path === '/voicemails/counts') return d.voicemailCounts();
  if (path === '/voicemails') {
    const state = url.searchParams.get('state');
    return page(d.voicemails().filter((m) => !state || m.state === state));
  }
  if (path === '/trunks/status') return d.trunkStatus();
  if (/^\/trunks\/[^/]+\/test$/.test(path)) return d.trunkTest;
  if (path === '/devices/service') return { sip: 5060, sip_tls: 5061, elsewhere: { host: '192.0.2.7', url: 'https://192.0.2.7:8443' }, registration_s: 600 };
  if (/^\/devices\/\w+\/link$/.test(path)) return { realm: 'sample.local', secret: 'sK3t-9xQm-77Lp', path: '/api/v1/provision/q2Vw7o3mJt9uFv8nCzB1Yx0KdRhE5sTgLpWaXiQcN4M', expires_at: Date.now() + 600_000 };
  if (path === '/devices/bulk') return { created: 1, failed: 0, rows: [{ row: 0, device: { id: 'dev_9', name: 'My phone', agent: null, kind: { kind: 'sip', user: 'phone-9' }, srtp: 'offered', codecs: [], realm: 'sample.local', secret: 'sK3t-9xQm-77Lp' }, error: null }] };
  if (path === '/flows/validate') return { valid: false, problems: [{ step: 'menu', code: 'flow.unknown_step', message: L('按键 2 指向不存在的节点。', 'Digit 2 leads to a step that does not exist.') }] };
  if (/^\/flows\/[^/]+\/versions$/.test(path)) return page([3, 2, 1].map((version) => ({ flow: 'flw_1', version, published_at: Date.now() - version * day, author: '陈晓', revision: 30 + version, fields: d.flow })));
  if (path.startsWith('/public/')) return path.endsWith('/sessions') ? { token: 'guest', expires_at: Date.now() + day } : { ...tenant, lang: 'zh-CN', numbers: d.numbers };
  if (/^\/interactions\/[^/]+\/events$/.test(path)) return d.events;
  if (/^\/recordings\/[^/]+\/peaks$/.test(path)) return d.peaks();
  const [, kind, id] = path.split('/');
  if (kind === 'interactions' && id) return id === 'int_out' ? d.outboundDetail(id) : { ...d.detail(id), hold: id === 'int_held' ? { at: Date.now() - day, by: '陈晓', reason: 'Case 17: customer disputes the contract' } : null };
  const list = lists[kind]?.();
  if (!list) return undefined;
  if (method !== 'GET') return list[0];
  if (id) return list.find((x) => x.id === id) ?? list[0];
  const q = url.searchParams.get('q');
  return page(q ? list.filter((x) => JSON.stringify(x).includes(q)) : list);
}

const asUsual = { desk: d.desk, live: d.live };
let scene = asUsual;

const server = createServer((req, res) => {
  const url = new URL(req.url, 'http://x');
  if (url.pathname.startsWith('/dev/scene/')) {
    scene = d.scenes[url.pathname.slice('/dev/scene/'.length)] ?? asUsual;
    return res.writeHead(204).end();
  }
  if (url.pathname.startsWith('/api/v1')) {
    const path = url.pathname.slice('/api/v1'.length);
    if (/^\/recordings\/[^/]+$/.test(path)) return res.writeHead(200, { 'content-type': 'audio/wav' }).end(wav());
    req.resume();
    const body = answer(req.method, path, url);
    if (req.method === 'DELETE' || path === '/sign-out') return res.writeHead(204).end();
    if (body === undefined) return res.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ code: 'not_found', message: L('不存在。', 'Not found.'), fields: [], request_id: 'r' }));
    return res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
  let file = join(dist, normalize(url.pathname));
  if (!existsSync(file) || statSync(file).isDirectory()) file = join(dist, 'index.html');
  res.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(res);
});

server.on('upgrade', (req, socket) => {
  let timer;
  let seq = 1;
  const send = accept(
    req,
    socket,
    (m) => {
      if (m.type === 'hello') {
        const now = Date.now();
        send({ type: 'snapshot', epoch: 'e1', seq, now, desk: m.subscribe.includes('desk') ? scene.desk : null, live: m.subscribe.includes('live') ? scene.live : null });
        if (m.subscribe.includes('voicemail')) send({ type: 'voicemail', new: d.voicemailCounts().new, newest_at: now });
        send({ type: 'quality', calls: (scene.desk?.work ?? []).filter((w) => w.state !== 'wrap_up').map((w) => ({ segment: w.segment, own: d.lossy, customer: d.good })) });
        clearInterval(timer);
        timer = setInterval(() => send({ type: 'live', seq: ++seq, now: Date.now(), changes: { totals: null, queues: d.live.queues, agents: [], interactions: [], removed: [] } }), 1000);
      } else if (m.type === 'device_offer') {
        send({ type: 'device_state', state: 'ready', code: null });
      } else if (m.type === 'command') {
        if (m.command.command === 'dial' && m.command.number.includes('900')) {
          send({ type: 'error', id: m.id, code: 'number.forbidden', message: L('公司的外呼规则不允许拨打这类号码。', "The company's rules forbid calling this kind of number.") });
        } else if (m.command.command === 'dial') {
          send({ type: 'ack', id: m.id });
          send({ type: 'desk', seq, now: Date.now(), desk: d.scenes.dialling.desk });
        } else {
          if (m.command.command === 'hang_up') send({ type: 'desk', seq, now: Date.now(), desk: { ...d.scenes.free.desk } });
          send({ type: 'ack', id: m.id });
        }
      }
    },
    () => clearInterval(timer),
  );
});

server.listen(port, '127.0.0.1', () => console.log(`mock: http://127.0.0.1:${port}/ with ${readFileSync(join(dist, 'index.html')).length} bytes of index`));
