// Made-up data for the mock, of the shapes in web/openapi.json.
const now = Date.now();
const L = (zh, en) => ({ 'zh-CN': zh, en });
export const queues = [
  { id: 'que_support', name: L('客服', 'Support') },
  { id: 'que_sales', name: L('销售', 'Sales') },
];
const names = ['陈晓', '李敏', '王强', 'Alex Reed', 'Dana Ortiz', '赵琳'];
export const agents = names.map((name, i) => ({ id: `agt_${i}`, name }));
export const numbers = [
  { id: 'num_1', number: '1000', name: L('客服热线', 'Support line'), entry: { entry: 'queue', queue: 'que_support' }, lang: 'zh-CN', sample: true, web: true },
  { id: 'num_2', number: '2000', name: L('总机菜单', 'Main menu'), entry: { entry: 'flow', flow: 'flw_1' }, lang: 'zh-CN', sample: true, web: true },
  { id: 'num_3', number: '3000', name: L('回声测试', 'Echo test'), entry: { entry: 'echo' }, lang: 'en', sample: true, web: true },
];
export const trunks = [
  { id: 'trk_1', srtp: 'offered', codecs: [], name: '电信 SIP 专线', addresses: ['203.0.113.10', '2001:db8::10'], region: 'CN', host: 'sip.carrier.example', transport: 'udp', calls_max: 60, calls_per_second: 10, account: { user: '+861088886666', auth_user: null, domain: 'ims.carrier.example', register: true }, check_s: 60, active: true },
  { id: 'trk_2', srtp: 'offered', codecs: [], name: 'Backup carrier', addresses: ['198.51.100.7'], region: 'CN', host: 'gw2.carrier.example:5080', transport: 'tcp', calls_max: null, calls_per_second: null, account: null, check_s: 60, active: true },
  { id: 'trk_3', srtp: 'offered', codecs: [], name: 'Old exchange', addresses: ['192.0.2.20'], region: null, host: null, transport: 'udp', calls_max: null, calls_per_second: null, account: null, check_s: 0, active: false },
];
export const trunkStatus = () => ({ items: [
  { trunk: 'trk_1', state: 'registered', since: Date.now() - 7_500_000, fault: null, sip_status: null, round_trip_ms: 23, registered_until: Date.now() + 400_000 },
  { trunk: 'trk_2', state: 'unreachable', since: Date.now() - 95_000, fault: 'silent', sip_status: null, round_trip_ms: 41, registered_until: null },
] });
export const trunkTest = { ok: false, steps: [
  { step: 'resolve', fault: null, sip_status: null, address: '203.0.113.10:5060', round_trip_ms: null, message: L('主机地址已找到。', 'The host has an address.') },
  { step: 'answer', fault: null, sip_status: 200, address: '203.0.113.10:5060', round_trip_ms: 23, message: L('对端有应答。', 'The other end answers.') },
  { step: 'sign_in', fault: 'credentials', sip_status: 403, address: '203.0.113.10:5060', round_trip_ms: 31, message: L('对端不接受用户名或密码（403）。请重新输入密码。', 'The other end does not take our user name or password (403). Enter the password again.') },
] };
export const routes = [
  { id: 'rte_1', name: '国内', prefixes: ['+86', '95', '1'], trunks: [{ trunk: 'trk_1', priority: 1, weight: 1 }, { trunk: 'trk_2', priority: 2, weight: 1 }], format: 'national', class: null },
  { id: 'rte_2', name: 'Everything else', prefixes: [''], trunks: [{ trunk: 'trk_2', priority: 1, weight: 1 }], format: 'e164', class: null },
  { id: 'rte_3', name: 'Premium', prefixes: ['+8616'], trunks: [{ trunk: 'trk_1', priority: 1, weight: 1 }], format: 'digits', class: 'premium' },
];
export const outbound = { allowed: ['national'], concurrent: 50, per_minute: 120, caller: 'num_1', record: true, spend: { currency: 'CNY', prices: [{ class: 'national', per_minute: 15, connection: 0 }, { class: 'international', per_minute: 380, connection: 100 }], day: 50_000, month: 1_000_000, agent_day: 8_000, alarm_percent: 80 } };
const ref = (n) => ({ id: n.id, number: n.number, name: n.name });
const addr = (text) => ({ kind: 'phone', text });
export const dispositions = [
  { id: 'dsp_1', name: L('已解决', 'Resolved') },
  { id: 'dsp_2', name: L('需回访', 'Call back') },
  { id: 'dsp_3', name: L('转技术支持', 'Passed to engineering') },
];
export const breaks = [
  { id: 'brk_1', name: L('午餐', 'Lunch') },
  { id: 'brk_2', name: L('培训', 'Training') },
];

const sound = (lost, mos, grade) => ({ mos, grade, lost_in: lost, lost_out: 0.2, jitter_ms: 3, round_trip_ms: 42 });
export const good = sound(0, 4.39, 'good');
export const lossy = sound(8.2, 3.55, 'fair');
/** A leg that was good but for these slices. */
function legQuality(count, bad) {
  const slices = Array.from({ length: count }, (_, i) => (bad.includes(i) ? (i % 2 ? sound(21, 2.6, 'poor') : lossy) : i % 7 === 6 ? null : good));
  return { mos_min: bad.length ? 2.6 : 4.39, whole: { ...good, lost_in: bad.length ? 1.4 : 0 }, slice_ms: 10_000, slices };
}

const alone = { consult: null, asked_by: null, others: [], watchers: [], watching: null };
export const desk = {
  agent: agents[0], extension: '801', signed_in: true, leaving: false, presence: { state: 'available' }, presence_since_at: now - 400_000,
  occupancy: 'busy', occupancy_since_at: now - 92_000,
  device: { id: 'dev_1', name: 'Browser', kind: 'browser', ready: true, lost: null, since_at: now }, blocked: null,
  offers: [{ offer: 'ofr_1', interaction: 'int_2', segment: 'seg_9', medium: 'voice', queue: queues[1], from: addr('+86 138 0013 8000'), number: ref(numbers[1]), device_rings: false, since_at: now, until_at: now + 600_000, waited_ms: 43_000, handover: null }],
  work: [
    { interaction: 'int_1', segment: 'seg_1', medium: 'voice', direction: 'inbound', queue: queues[0], from: { ...addr('+86 10 8888 6666'), name: '王芳' }, diverted: addr('1001'), verified: { passed: true, attested: 'A' }, number: ref(numbers[0]), lang: 'zh-CN', state: 'talking', state_since_at: now - 90_000, started_at: now - 130_000, answered_at: now - 90_000, talk_ms: 0, hold_ms: 12_000, muted: false, peer_held: false, recording: 'rec_1', record: { on: true, on_demand: false, mode: { mode: 'always' }, of: { of: 'queue', queue: 'que_1' } }, masked_until_at: null, dispositions, disposition: null, disposition_required: true, wrap_up_until_at: null, variables: { order: '20261122' }, ...alone },
    { interaction: 'int_3', segment: 'seg_3', medium: 'voice', direction: 'inbound', queue: queues[1], from: { kind: 'withheld', text: 'withheld' }, number: ref(numbers[1]), lang: 'en', state: 'wrap_up', state_since_at: now - 9_000, started_at: now - 330_000, answered_at: now - 290_000, talk_ms: 281_000, hold_ms: 0, muted: false, peer_held: false, recording: null, record: null, masked_until_at: null, dispositions, disposition: 'dsp_1', disposition_required: false, wrap_up_until_at: now + 600_000, variables: {}, ...alone },
  ],
  parked: [],
  queues, break_reasons: breaks,
};

export const figures = { offered: 128, answered: 117, answered_in_time: 101, abandoned: 11, short_abandons: 3, overflowed: 2, lost: 0, offers: 131, offers_missed: 6, offers_declined: 2, wait_ms: 1_404_000, abandon_wait_ms: 330_000, wait_ms_max: 95_000, talk_ms: 21_060_000, hold_ms: 980_000, wrap_ms: 3_500_000, handled: 117, idle_ms: 9_000_000, service_level: 0.808, abandon_rate: 0.064, occupancy: 0.74, asa_ms: 12_000, aht_ms: 218_000 };
const counts = { idle: 2, offered: 0, busy: 2, wrap_up: 1, on_break: 1, not_ready: 0, offline: 0 };
const occupancy = ['busy', 'idle', 'wrap_up', 'idle', 'busy', 'idle'];
export const live = {
  at: now,
  totals: { counts, calls: 4, calls_max: 100, seats: 6, seats_max: 50, degraded: false, refusing: false },
  queues: queues.map((q, i) => ({ ...q, open: i === 0, waiting: i ? 0 : 2, longest_since_at: i ? null : now - 48_000, agents: counts, today: figures })),
  agents: agents.map((a, i) => ({ ...a, extension: `80${i + 1}`, team: 'tea_1', signed_in: i < 5, leaving: false, presence: i === 5 ? { state: 'offline' } : i === 3 ? { state: 'break', reason: 'brk_1' } : { state: 'available' }, break_reason: i === 3 ? breaks[0].name : null, presence_since_at: now - 900_000, occupancy: occupancy[i], occupancy_since_at: now - 70_000 * (i + 1), device_ready: i < 5, device_kind: i === 5 ? null : i === 4 ? 'sip' : 'browser', work: occupancy[i] === 'idle' ? [] : [{ interaction: 'int_1', queue: 'que_support', medium: 'voice', from: addr('+86 10 8888 6666'), state: occupancy[i] === 'busy' ? 'talking' : 'wrap_up', state_since_at: now - 60_000, segment: `seg_l${i}`, watching: null, quality: i === 0 ? { segment: 'seg_l0', own: good, customer: lossy } : i === 2 ? { segment: 'seg_l2', own: lossy, customer: good } : null }] })),
  interactions: [
    { id: 'int_1', medium: 'voice', direction: 'inbound', number: ref(numbers[0]), from: addr('+86 10 8888 6666'), started_at: now - 130_000, segments: [{ segment: 'seg_1', queue: 'que_support', agent: 'agt_0', state: 'talking', started_at: now - 90_000, state_since_at: now - 90_000, watching: null }] },
    { id: 'int_2', medium: 'voice', direction: 'inbound', number: ref(numbers[1]), from: addr('+86 138 0013 8000'), started_at: now - 48_000, segments: [{ segment: 'seg_2', queue: 'que_support', agent: null, state: 'waiting', started_at: now - 48_000, state_since_at: now - 48_000, watching: null }] },
  ],
};

const ends = ['served', 'served', 'abandoned', 'voicemail', 'served', 'unanswered', 'left'];
export const interactions = Array.from({ length: 230 }, (_, i) => ({
  id: i === 0 ? 'int_1' : `int_h${i}`, medium: 'voice', direction: i % 4 === 3 ? 'outbound' : 'inbound', number: ref(numbers[i % 2]), from: i % 9 === 4 ? { kind: 'withheld', text: 'withheld' } : addr(`+86 139 0000 ${String(1000 + i)}`),
  lang: i % 3 ? 'zh-CN' : 'en', started_at: now - 600_000 * (i + 1), ended_at: i === 0 ? null : now - 600_000 * (i + 1) + 300_000, end: i === 0 ? null : ends[i % 7],
  queues: [queues[i % 2]], agents: i % 7 === 2 ? [] : [agents[i % 6]], waited_ms: (i * 7919) % 60_000, talk_ms: (i * 104_729) % 400_000, hold_ms: i % 5 ? 0 : 17_000, has_recording: i % 7 !== 2, sample: i > 3,
}));

const t0 = now - 400_000;
const span = (state, a, b) => ({ state, from_at: t0 + a * 1000, to_at: t0 + b * 1000 });
const base = { flow: null, flow_version: null, queue: null, agent: null, device: null, disposition: null, disposition_name: null, note: null };
export const outboundDetail = (id) => ({
  summary: { ...interactions[3], id, direction: 'outbound', from: addr('+86 10 8888 6666'), started_at: t0, ended_at: t0 + 31_000, end: 'unanswered', waited_ms: 0, talk_ms: 0, hold_ms: 0, has_recording: false, queues: [], agents: [agents[0]] },
  segments: [{ ...base, id: 'seg_o', of: 'agent', agent: agents[0], started_at: t0, start: 'dial', ended_at: t0 + 31_000, end: 'missed', spans: [span('connecting', 0, 31)] }],
  legs: [
    { id: 'leg_1', segment: 'seg_o', role: 'agent', direction: 'outbound', destination: 'browser', device: 'dev_1', codec: 'opus', started_at: t0, ringing_at: null, answered_at: t0 + 200, ended_at: t0 + 31_000, cause: 'hangup', ended_by: 'us', stats: null },
    { id: 'leg_2', segment: null, role: 'customer', direction: 'outbound', destination: 'trunk', device: null, codec: 'pcma', started_at: t0 + 300, ringing_at: t0 + 2000, answered_at: null, ended_at: t0 + 31_000, cause: 'no_answer', ended_by: 'us', stats: null },
  ],
  offers: [], recordings: [], calls_back: 'int_1', called_back_by: [],
});
export const detail = (id) => ({
  summary: { ...(interactions.find((i) => i.id === id) ?? interactions[1]), id, started_at: t0, ended_at: t0 + 330_000, end: 'served', waited_ms: 33_000, talk_ms: 209_000, hold_ms: 20_000, has_recording: true },
  segments: [
    { ...base, id: 'seg_a', of: 'flow', flow: 'flw_1', flow_version: 3, started_at: t0, start: 'entry', ended_at: t0 + 22_000, end: 'moved_on', spans: [span('running', 0, 22)] },
    { ...base, id: 'seg_b', of: 'queue', queue: queues[0], started_at: t0 + 22_000, start: 'flow', ended_at: t0 + 55_000, end: 'answered', spans: [span('waiting', 22, 55)] },
    { ...base, id: 'seg_c', of: 'agent', queue: queues[0], agent: agents[1], started_at: t0 + 25_000, start: 'offer', ended_at: t0 + 45_000, end: 'missed', spans: [span('offered', 25, 45)] },
    { ...base, id: 'seg_d', of: 'agent', queue: queues[0], agent: agents[0], started_at: t0 + 45_000, start: 'offer', ended_at: t0 + 330_000, end: 'caller_hung_up', disposition: 'dsp_1', disposition_name: dispositions[0].name, note: 'Invoice re-sent by e-mail.', spans: [span('offered', 45, 54), span('connecting', 54, 55), span('talking', 55, 160), span('held', 160, 170), span('consulting', 170, 200), span('talking', 200, 284), span('wrap_up', 284, 330)] },
    { ...base, id: 'seg_e', of: 'agent', queue: queues[0], agent: agents[3], started_at: t0 + 170_000, start: 'consult', ended_at: t0 + 260_000, end: 'agent_hung_up', spans: [span('offered', 170, 178), span('consulting', 178, 200), span('talking', 200, 260)] },
    { ...base, id: 'seg_f', of: 'supervisor', agent: agents[5], started_at: t0 + 190_000, start: 'watch', ended_at: t0 + 284_000, end: 'watch_over', spans: [span('connecting', 190, 191), span('watching', 191, 284)] },
  ],
  legs: [
    { id: 'leg_1', segment: null, role: 'customer', direction: 'inbound', destination: 'number', device: null, codec: 'pcma', started_at: t0, ringing_at: t0 + 40, answered_at: t0 + 90, ended_at: t0 + 284_000, cause: 'hangup', ended_by: 'peer', stats: { answered_ms: 283_910, rtp_received: 14_195, rtp_sent: 14_196, rtp_lost: 2, jitter_ms: 3, rtp_foreign: 0, quality: legQuality(29, [8, 9, 14]) } },
    { id: 'leg_2', segment: 'seg_d', role: 'agent', direction: 'outbound', destination: 'browser', device: 'dev_1', codec: 'pcmu', started_at: t0 + 54_000, ringing_at: null, answered_at: t0 + 55_000, ended_at: t0 + 284_000, cause: 'hangup', ended_by: 'us', stats: { answered_ms: 229_000, rtp_received: 11_450, rtp_sent: 11_449, rtp_lost: 0, jitter_ms: 1, rtp_foreign: 0, quality: legQuality(23, []) } },
    { id: 'leg_3', segment: 'seg_e', role: 'agent', direction: 'outbound', destination: 'sip_device', device: 'dev_2', codec: 'pcma', started_at: t0 + 170_000, ringing_at: t0 + 171_000, answered_at: t0 + 178_000, ended_at: t0 + 260_000, cause: 'hangup', ended_by: 'us', stats: null },
    { id: 'leg_4', segment: 'seg_f', role: 'supervisor', direction: 'outbound', destination: 'browser', device: 'dev_1', codec: 'opus', started_at: t0 + 190_000, ringing_at: null, answered_at: t0 + 191_000, ended_at: t0 + 284_000, cause: 'hangup', ended_by: 'us', stats: null },
  ],
  offers: [
    { id: 'ofr_a', segment: 'seg_c', agent: agents[1], made_at: t0 + 25_000, until_at: t0 + 45_000, ended_at: t0 + 45_000, accepted: false, end: 'missed', trace: { strategy: 'longest_idle', waited_ms: 3000, priority: 0, place: 1, candidates: [{ agent: agents[1], priority: 1, level: 0, idle_ms: 250_000 }, { agent: agents[0], priority: 1, level: 0, idle_ms: 12_000 }], excluded: [{ agent: agents[3], why: 'on_break' }, { agent: agents[4], why: 'capacity' }], left_out: 2 } },
    { id: 'ofr_b', segment: 'seg_d', agent: agents[0], made_at: t0 + 45_000, until_at: t0 + 65_000, ended_at: t0 + 54_000, accepted: true, end: null, trace: { strategy: 'longest_idle', waited_ms: 23_000, priority: 0, place: 1, candidates: [{ agent: agents[0], priority: 1, level: 0, idle_ms: 32_000 }], excluded: [{ agent: agents[1], why: 'asked_before' }], left_out: 0 } },
  ],
  recordings: [{ id: 'rec_1', interaction: id, segment: 'seg_d', started_at: t0 + 55_000, length_ms: 229_000, stored: true, deleted: false, gaps: [{ from_ms: 125_000, to_ms: 145_000, why: 'hold' }] }],
  calls_back: null, called_back_by: [],
});
const facts = [
  ['interaction_started'], ['dial_planned', { class: 'national', trunks: ['trk_1', 'trk_2'] }], ['leg_started'], ['segment_started'], ['step_entered'], ['leg_answered'], ['offer_made'], ['offer_ended'], ['offer_accepted'],
  ['bridged', { segment: 'seg_d', bridge: 'brg_1', legs: ['leg_1', 'leg_2'] }], ['recording_started'], ['segment_state_changed'], ['music_stopped', { play: 'ply_1' }],
  ['bridged', { segment: 'seg_f', bridge: 'brg_1', legs: ['leg_1', 'leg_2', 'leg_3', 'leg_4'], hears: [{ leg: 'leg_1', hears: ['leg_2', 'leg_3'] }, { leg: 'leg_2', hears: ['leg_1', 'leg_3', 'leg_4'] }, { leg: 'leg_3', hears: ['leg_1', 'leg_2'] }, { leg: 'leg_4', hears: ['leg_1', 'leg_2', 'leg_3'] }] }],
  ['consult_merged', { segment: 'seg_e' }], ['watch_changed', { segment: 'seg_f', target: 'seg_d', mode: 'whisper' }], ['leg_moved', { leg: 'leg_4', segment: 'seg_g' }], ['bridged', { segment: 'seg_d', bridge: 'brg_1', legs: [] }], ['interaction_ended'],
];
export const events = { items: facts.map(([kind, data], i) => ({ seq: 100 + i, at: t0 + i * 9000, kind, data: data ?? { segment: 'seg_d', state: 'talking' } })) };
export const peaks = () => {
  const n = 229_000 / 50;
  const talk = (i, phase) => (i > 2500 && i < 2900 ? 0 : Math.max(0.01, Math.abs(Math.sin(i / 60 + phase)) ** 6 * (0.4 + 0.4 * Math.abs(Math.sin(i * 1.7)))));
  const one = (phase) => Array.from({ length: n }, (_, i) => ({ min: -talk(i, phase), max: talk(i, phase) }));
  return { step_ms: 50, length_ms: 229_000, left: one(0), right: one(1.57) };
};
export const mailbox = { on: true, greeting: 'prm_2', max_ms: 120_000, least_ms: 1000, notify: 'everybody', keep_days: 30 };
export const voicemails = () => {
  const now = Date.now();
  const of = (n, state, from, queue, more = {}) => ({ id: `rec_m${n}`, interaction: `int_m${n}`, queue, number: { id: 'num_1', number: '95588', name: L('客服热线', 'Hotline') }, from, left_at: now - n * 2_700_000, length_ms: 8000 + n * 7300, state, state_at: now - n * 1_700_000, by: null, by_name: null, call: null, ...more });
  const phone = (text) => ({ kind: 'phone', text });
  return [
    of(1, 'new', phone('+8613800138001'), queues[0]),
    of(2, 'new', { kind: 'withheld', text: '' }, queues[0]),
    of(3, 'heard', phone('+8613912345678'), queues[1], { by: 'usr_0', by_name: '陈晓' }),
    of(4, 'handled', phone('+442079460018'), null, { by: 'usr_1', by_name: '李娜', call: 'int_out' }),
    of(5, 'new', phone('+8618655501234'), queues[1]),
  ];
};
export const voicemailCounts = () => {
  const all = voicemails();
  const count = (state, q) => all.filter((m) => m.state === state && (q === undefined || m.queue?.id === q?.id)).length;
  return { new: count('new'), heard: count('heard'), handled: count('handled'), mailboxes: [null, ...queues].map((q) => ({ queue: q && { id: q.id, name: q.name }, new: count('new', q), heard: count('heard', q), handled: count('handled', q) })) };
};

export const queueConfig = (q) => ({ ...q, media: ['voice'], members: agents.map((a) => ({ agent: a.id, priority: 1 })), required_skills: [{ skill: 'skl_1', level: 3 }], strategy: 'longest_idle', priority: 0, priority_boost_ms: 10_000, ring_timeout_ms: 20_000, away_after_missed: true, wrap_up: { mode: 'required', limit_ms: 30_000 }, dispositions: dispositions.map((d) => d.id), service_level_ms: 20_000, short_abandon_ms: 5000, calendar: 'cal_1', max_waiting: 100, overflow: { after_ms: 120_000, to: { to: 'voicemail', greeting: null } }, closed: { to: 'hang_up', prompt: null }, welcome: null, music: null, comfort: null, comfort_every_ms: 30_000, record: { mode: 'sample', percent: 20, notice: null }, transferred: 'kept', voicemail: q.id === 'que_support' ? mailbox : null });
export const calendar = { id: 'cal_1', name: L('工作时间', 'Office hours'), time_zone: 'Asia/Shanghai', weekly: [1, 2, 3, 4, 5].map((weekday) => ({ weekday, from_minute: 540, to_minute: 1080 })), holidays: [{ date: '2027-01-01', name: L('元旦', 'New Year'), hours: [] }] };
export const flow = {
  name: L('总机', 'Main menu'), start: 'hours',
  steps: {
    hours: { step: 'hours', calendar: 'cal_1', open: 'menu', closed: 'closed', holiday: null },
    menu: { step: 'menu', prompts: ['prm_1'], choices: { 1: 'sales', 2: 'support' }, timeout_ms: 5000, attempts: 3, invalid: 'prm_2', otherwise: 'support' },
    sales: { step: 'queue', queue: 'que_sales', priority: 0 },
    support: { step: 'queue', queue: 'que_support', priority: 0 },
    closed: { step: 'voicemail', greeting: 'prm_2', max_length_ms: 120_000 },
  },
};
export const targets = {
  agents: [
    { id: 'agt_1', name: '李敏', extension: '802', free: true, occupancy: 'idle', presence: { state: 'available' } },
    { id: 'agt_3', name: 'Alex Reed', extension: '804', free: true, occupancy: 'idle', presence: { state: 'available' } },
    { id: 'agt_2', name: '王强', extension: '803', free: false, occupancy: 'wrap_up', presence: { state: 'available' } },
    { id: 'agt_4', name: 'Dana Ortiz', extension: '805', free: false, occupancy: 'busy', presence: { state: 'available' } },
    { id: 'agt_5', name: '赵琳', extension: '806', free: false, occupancy: 'idle', presence: { state: 'break', reason: 'brk_1' } },
  ],
  queues: queues.map((q, i) => ({ ...q, open: i === 0, waiting: 2, idle: 1 })),
  devices: [{ id: 'dev_7', name: 'Warehouse phone' }],
  flows: [{ id: 'flw_1', name: L('总机菜单', 'Main menu') }],
};

/** States of the desk and the board with more than two in a call: `/dev/scene/NAME` before a page loads. */
const [first, second] = desk.work;
const busy = (change) => ({ desk: { ...desk, offers: [], work: [{ ...first, ...change }, second] } });
const party = (state) => ({ segment: 'seg_2', name: '李敏', state });
const watching = { target: 'seg_l4', agent: agents[4], mode: 'whisper' };
const ringing = (kind) => ({ desk: { ...desk, work: [second], offers: desk.offers.map((o) => ({ ...o, handover: { kind, by: agents[3] } })) } });
const inside = (change) => ({ desk: { ...desk, offers: [], work: [{ ...first, direction: 'internal', queue: null, number: null, diverted: null, verified: null, state: 'consulting', from: { kind: 'extension', text: '8001', name: agents[0].name }, hold_ms: 0, recording: null, record: null, dispositions: [], disposition_required: false, variables: {}, ...change }] } });
const free = { ...desk, offers: [], work: [], occupancy: 'idle' };
export const scenes = {
  talking: busy({}),
  on_demand: busy({ recording: null, record: { on: false, on_demand: true, mode: { mode: 'on_demand' }, of: { of: 'agent', agent: 'agt_0' } } }),
  parked: { desk: { ...free, parked: [
    { interaction: 'int_7', place: 701, from: addr('+86 10 8888 6666'), queue: queues[0], by: agents[1], since_at: now - 40_000, until_at: now + 80_000 },
    { interaction: 'int_8', place: 702, from: { kind: 'withheld', text: 'withheld' }, queue: null, by: agents[3], since_at: now - 5_000, until_at: now + 115_000 },
  ] } },
  masked: busy({ masked_until_at: now + 110_000 }),
  consult_rings: busy({ state: 'consulting', consult: party('offered') }),
  consult: busy({ state: 'consulting', consult: party('consulting'), watchers: [{ agent: agents[5], mode: 'whisper' }] }),
  switched: busy({ consult: party('consulting') }),
  conference: busy({ others: [party('talking'), { segment: 'seg_3', name: 'Warehouse phone', state: 'held' }] }),
  asked: busy({ state: 'consulting', asked_by: agents[1] }),
  watched: busy({ watchers: [{ agent: agents[5], mode: 'monitor' }, { agent: agents[3], mode: 'barge' }] }),
  watching: { desk: { ...desk, offers: [], work: [second, { ...first, segment: 'seg_w', state: 'watching', watching, dispositions: [] }] } },
  free: { desk: free },
  dialling: { desk: { ...desk, offers: [], work: [{ ...first, direction: 'outbound', queue: null, state: 'connecting', answered_at: null, hold_ms: 0, recording: null, state_since_at: now, started_at: now, dispositions: [], disposition_required: false, variables: {} }] } },
  out_talking: busy({ direction: 'outbound', queue: null, hold_ms: 0 }),
  out_wrap_up: { desk: { ...desk, offers: [], occupancy: 'wrap_up', work: [{ ...second, direction: 'outbound', queue: null, from: addr('+86 10 8888 6666') }] } },
  inside_rings: inside({ consult: party('offered') }),
  inside: inside({ consult: party('consulting') }),
  inside_asked: inside({ asked_by: agents[1], from: { kind: 'extension', text: '8002', name: agents[1].name } }),
  signed_out: { desk: { ...free, signed_in: false } },
  ring_transfer: ringing('transfer'),
  ring_consult: ringing('consult'),
  ring_returned: ringing('returned'),
};
const [talk] = live.agents[4].work;
const board = (own) => live.agents.map((a) => ({ ...a, ...(a.id === 'agt_0' ? own : a.id === 'agt_2' ? { occupancy: 'busy', work: [{ ...talk, segment: 'seg_l2', state: 'consulting' }] } : {}) }));
for (const s of Object.values(scenes)) s.live = { ...live, agents: board({ occupancy: 'idle', work: [] }) };
scenes.watching.live.agents = board({ work: [{ ...talk, segment: 'seg_w', state: 'watching', watching }] });
scenes.dialling.live.interactions = [{ ...live.interactions[0], direction: 'outbound', segments: [{ ...live.interactions[0].segments[0], queue: null, state: 'connecting' }] }, live.interactions[1]];
