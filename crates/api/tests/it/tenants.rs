//! Nothing crosses tenants: every operation of the document is called by company A with company B's ids.
use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::PageRequest;

use crate::support::{Company, World, scope};

/// What company A must get.
enum Expect {
    /// 404 for each of these paths.
    NotFound(Vec<String>),
    /// A's own path with B's ids in the body: 422 that names the field, as for ids that do not exist.
    Invalid(String, Value),
    /// 200 and no trace of B.
    NoTrace(Vec<String>),
    /// Takes no id of a tenant; called all the same, with this status.
    Plain(String, Option<Value>, u16),
    /// A WebSocket: its subscriptions are tried in `sockets`.
    Socket,
}

use Expect::{Invalid, NoTrace, NotFound, Plain, Socket};

fn cases(a: &Company, b: &Company) -> BTreeMap<&'static str, Vec<Expect>> {
    let mut cases: BTreeMap<&'static str, Vec<Expect>> = BTreeMap::new();
    let mut case = |id: &'static str, expect: Vec<Expect>| {
        assert!(cases.insert(id, expect).is_none(), "{id} twice");
    };
    let not_found = |path: String| vec![NotFound(vec![path])];
    let no_trace = |path: &str| vec![NoTrace(vec![path.to_owned()])];
    let name = json!({"en": "x"});

    // Session: what B's ids could do here.
    let sign_in = json!({"email": a.admin.email, "password": crate::support::PASSWORD, "tenant": b.tenant});
    case("sign_in", vec![Plain("/sign-in".into(), Some(sign_in), 401)]);
    case("sign_in_by_link", vec![Plain("/sign-in/link".into(), Some(json!({"token": "x"})), 401)]);
    case("sign_out", vec![Plain("/sign-out".into(), None, 204)]);
    case("get_me", no_trace("/me"));
    case("patch_me", vec![Plain("/me".into(), Some(json!({"lang": "en"})), 200)]);

    // People.
    case("list_logins", no_trace("/logins"));
    let shared = json!({"email": b.nobody.email, "name": "x", "password": "a password of A's choice"});
    // Inviting a known person is allowed; their password stays (checked below).
    case("create_login", vec![Plain("/logins".into(), Some(shared), 201)]);
    case("get_login", not_found(format!("/logins/{}", b.admin.login)));
    case("patch_login", not_found(format!("/logins/{}", b.admin.login)));
    case("list_users", no_trace("/users"));
    let grants = json!([{"role": "supervisor", "scope": {"scope": "team", "team": b.team}}]);
    let user = json!({"email": "new@alpha.test", "name": "x", "grants": grants});
    case("create_user", vec![Invalid("/users".into(), user)]);
    case("get_user", not_found(format!("/users/{}", b.admin.user)));
    case(
        "patch_user",
        vec![
            NotFound(vec![format!("/users/{}", b.admin.user)]),
            Invalid(
                format!("/users/{}", a.worker.user),
                json!({"grants": [{"role": "agent", "scope": {"scope": "queue", "queue": b.queue}}]}),
            ),
        ],
    );
    case("delete_user", not_found(format!("/users/{}", b.nobody.user)));
    case("list_tokens", no_trace("/tokens"));
    case("create_token", vec![Plain("/tokens".into(), Some(json!({"name": "x"})), 201)]);
    case("delete_token", not_found(format!("/tokens/{}", b.api_token)));

    // Configuration.
    case("list_teams", no_trace("/teams"));
    case("create_team", vec![Invalid("/teams".into(), json!({"name": name, "queues": [b.queue]}))]);
    case("get_team", not_found(format!("/teams/{}", b.team)));
    case(
        "patch_team",
        vec![
            NotFound(vec![format!("/teams/{}", b.team)]),
            Invalid(format!("/teams/{}", a.team), json!({"queues": [b.queue]})),
        ],
    );
    case("delete_team", not_found(format!("/teams/{}", b.team)));
    case("list_agents", no_trace("/agents"));
    let agent = |user: Value, team: Value, skill: Value| {
        json!({"user": user, "team": team, "skills": [{"skill": skill, "level": 1}],
               "name": "x", "extension": "777", "capacity": {"voice": 1}})
    };
    case(
        "create_agent",
        vec![
            Invalid("/agents".into(), agent(json!(b.worker.user), json!(a.team), json!(a.skill))),
            Invalid("/agents".into(), agent(json!(a.nobody.user), json!(b.team), json!(a.skill))),
            Invalid("/agents".into(), agent(json!(a.nobody.user), json!(a.team), json!(b.skill))),
        ],
    );
    case("get_agent", not_found(format!("/agents/{}", b.agent)));
    case(
        "patch_agent",
        vec![
            NotFound(vec![format!("/agents/{}", b.agent)]),
            Invalid(format!("/agents/{}", a.agent), json!({"user": b.worker.user})),
            Invalid(format!("/agents/{}", a.agent), json!({"team": b.team})),
        ],
    );
    case("delete_agent", not_found(format!("/agents/{}", b.agent)));
    case("list_queues", no_trace("/queues"));
    case(
        "create_queue",
        vec![
            Invalid("/queues".into(), json!({"name": name, "members": [{"agent": b.agent}]})),
            Invalid("/queues".into(), json!({"name": name, "calendar": b.calendar})),
            Invalid("/queues".into(), json!({"name": name, "closed": {"to": "queue", "queue": b.queue}})),
            Invalid(
                "/queues".into(),
                json!({"name": name, "overflow": {"after_ms": 5000, "to": {"to": "flow", "flow": b.flow}}}),
            ),
            Invalid("/queues".into(), json!({"name": name, "welcome": b.prompt})),
            Invalid("/queues".into(), json!({"name": name, "dispositions": [b.disposition]})),
            Invalid("/queues".into(), json!({"name": name, "required_skills": [{"skill": b.skill, "level": 1}]})),
        ],
    );
    case("get_queue", not_found(format!("/queues/{}", b.queue)));
    case(
        "patch_queue",
        vec![
            NotFound(vec![format!("/queues/{}", b.queue)]),
            Invalid(format!("/queues/{}", a.queue), json!({"members": [{"agent": b.agent}]})),
        ],
    );
    case("delete_queue", not_found(format!("/queues/{}", b.queue)));
    case("list_calendars", no_trace("/calendars"));
    case(
        "create_calendar",
        vec![Plain("/calendars".into(), Some(json!({"name": name, "time_zone": "Asia/Shanghai"})), 201)],
    );
    case("get_calendar", not_found(format!("/calendars/{}", b.calendar)));
    case("patch_calendar", not_found(format!("/calendars/{}", b.calendar)));
    case("delete_calendar", not_found(format!("/calendars/{}", b.calendar)));
    case("list_numbers", no_trace("/numbers"));
    let number = |entry: Value| json!({"number": "4000", "name": name, "entry": entry, "lang": "en"});
    case(
        "create_number",
        vec![
            Invalid("/numbers".into(), number(json!({"entry": "queue", "queue": b.queue}))),
            Invalid("/numbers".into(), number(json!({"entry": "flow", "flow": b.flow}))),
            Invalid("/numbers".into(), number(json!({"entry": "device", "device": b.phone}))),
        ],
    );
    case("get_number", not_found(format!("/numbers/{}", b.number)));
    case(
        "patch_number",
        vec![
            NotFound(vec![format!("/numbers/{}", b.number)]),
            Invalid(format!("/numbers/{}", a.number), json!({"entry": {"entry": "device", "device": b.phone}})),
        ],
    );
    case("delete_number", not_found(format!("/numbers/{}", b.number)));
    case("list_trunks", no_trace("/trunks"));
    case("create_trunk", vec![Plain("/trunks".into(), Some(json!({"name": "line"})), 201)]);
    case("get_trunk", not_found(format!("/trunks/{}", b.trunk)));
    case("patch_trunk", not_found(format!("/trunks/{}", b.trunk)));
    case("delete_trunk", not_found(format!("/trunks/{}", b.trunk)));
    case("list_trunk_status", no_trace("/trunks/status"));
    case("test_trunk", vec![NotFound(vec![format!("/trunks/{}/test", b.trunk)])]);
    case("list_routes", no_trace("/routes"));
    case(
        "create_route",
        vec![Invalid("/routes".into(), json!({"name": "out", "prefixes": ["+1"], "trunks": [b.trunk]}))],
    );
    case("get_route", not_found(format!("/routes/{}", b.route)));
    case(
        "patch_route",
        vec![
            NotFound(vec![format!("/routes/{}", b.route)]),
            Invalid(format!("/routes/{}", a.route), json!({"trunks": [b.trunk]})),
        ],
    );
    case("delete_route", not_found(format!("/routes/{}", b.route)));
    case("list_devices", no_trace("/devices"));
    let device = json!({"name": "x", "agent": b.agent, "kind": {"kind": "sip", "user": "fresh"}});
    case("create_device", vec![Invalid("/devices".into(), device.clone())]);
    case("get_device", not_found(format!("/devices/{}", b.phone)));
    case(
        "patch_device",
        vec![
            NotFound(vec![format!("/devices/{}", b.phone)]),
            Invalid(format!("/devices/{}", a.uri), json!({"agent": b.agent})),
        ],
    );
    case("delete_device", not_found(format!("/devices/{}", b.phone)));
    case("get_phone_service", no_trace("/devices/service"));
    case("create_phone_link", not_found(format!("/devices/{}/link", b.phone)));
    case("provision_phone", not_found("/provision/x".into()));
    // Errors per row: the answer itself is 200, the row is refused (checked in `administration`).
    case("create_devices", vec![Plain("/devices/bulk".into(), Some(json!({"devices": [device]})), 200)]);
    for (one, many, path, id) in [
        ("skill", "skills", "/skills", b.skill.to_string()),
        ("disposition", "dispositions", "/dispositions", b.disposition.to_string()),
        ("break_reason", "break_reasons", "/break-reasons", b.break_reason.to_string()),
        ("prompt", "prompts", "/prompts", b.prompt.to_string()),
    ] {
        let leak = |text: String| -> &'static str { String::leak(text) };
        case(leak(format!("list_{many}")), no_trace(path));
        case(leak(format!("create_{one}")), vec![Plain(path.into(), Some(json!({"name": name})), 201)]);
        for verb in ["get", "patch", "delete"] {
            case(leak(format!("{verb}_{one}")), not_found(format!("{path}/{id}")));
        }
    }
    case("get_prompt_audio", not_found(format!("/prompts/{}/audio/en", b.prompt)));
    case("get_tenant", no_trace("/tenant"));
    case("patch_tenant", vec![Invalid("/tenant".into(), json!({"music": b.prompt}))]);
    case("list_config_revisions", no_trace("/config-revisions?limit=200"));
    case("list_audit", no_trace("/audit?limit=200"));

    // Flows.
    case("list_flows", no_trace("/flows"));
    let flow = |queue: Value| json!({"name": name, "start": "s", "steps": {"s": {"step": "queue", "queue": queue}}});
    case("create_flow", vec![Invalid("/flows".into(), flow(json!(b.queue)))]);
    case("get_flow", not_found(format!("/flows/{}", b.flow)));
    case("patch_flow", not_found(format!("/flows/{}", b.flow)));
    case("delete_flow", not_found(format!("/flows/{}", b.flow)));
    case("list_flow_versions", not_found(format!("/flows/{}/versions", b.flow)));
    case("validate_flow", vec![Plain("/flows/validate".into(), Some(flow(json!(b.queue))), 200)]);
    case("publish_flow", not_found(format!("/flows/{}/publish", b.flow)));

    // History.
    case(
        "list_interactions",
        vec![NoTrace(vec![
            "/interactions".into(),
            format!("/interactions?queue={}", b.queue),
            format!("/interactions?agent={}", b.agent),
            format!("/interactions?number={}", b.number),
            format!("/interactions?q={}", b.interaction),
        ])],
    );
    case("get_interaction", not_found(format!("/interactions/{}", b.interaction)));
    case("list_interaction_events", not_found(format!("/interactions/{}/events", b.interaction)));
    case("hold_interaction", not_found(format!("/interactions/{}/hold", b.interaction)));
    case("get_encryption", no_trace("/encryption"));
    for (id, path) in [("rotate_key", "/encryption/rotate"), ("rewrap_keys", "/encryption/rewrap")] {
        case(id, vec![Plain(path.into(), None, 200)]);
    }
    case("get_recording", not_found(format!("/recordings/{}", b.recording)));
    case("get_recording_peaks", not_found(format!("/recordings/{}/peaks", b.recording)));
    case("list_voicemails", vec![NoTrace(vec!["/voicemails".into(), format!("/voicemails?queue={}", b.queue)])]);
    case("count_voicemails", no_trace("/voicemails/counts"));
    for verb in ["get", "mark", "delete"] {
        case(String::leak(format!("{verb}_voicemail")), not_found(format!("/voicemails/{}", b.message)));
    }
    let week = format!("from={}", crate::support::now().0 - 7 * 86_400_000);
    case(
        "report_queues",
        vec![
            NoTrace(vec![format!("/reports/queues?{week}"), format!("/reports/queues?{week}&format=csv")]),
            NotFound(vec![format!("/reports/queues?{week}&queue={}", b.queue)]),
        ],
    );
    case(
        "report_agents",
        vec![
            NoTrace(vec![format!("/reports/agents?{week}"), format!("/reports/agents?{week}&format=csv")]),
            NotFound(vec![format!("/reports/agents?{week}&agent={}", b.agent)]),
        ],
    );
    case(
        "report_recordings",
        vec![
            NoTrace(vec![format!("/reports/recordings?{week}"), format!("/reports/recordings?{week}&format=csv")]),
            NotFound(vec![
                format!("/reports/recordings?{week}&agent={}", b.agent),
                format!("/reports/recordings?{week}&queue={}", b.queue),
            ]),
        ],
    );
    case("report_formulas", no_trace("/reports/formulas"));

    // Live.
    case("get_live", no_trace("/live"));
    case("get_spend", no_trace("/outbound/spend"));
    case(
        "start_duty",
        vec![
            NotFound(vec![format!("/agents/{}/duty", b.agent)]),
            Invalid(format!("/agents/{}/duty", a.agent), json!({"device": b.uri})),
        ],
    );
    case("end_duty", not_found(format!("/agents/{}/duty", b.agent)));
    case(
        "command_agent",
        vec![NotFound(vec![format!("/agents/{}/commands", b.agent), format!("/agents/{}/commands", a.agent)])],
    );
    case("command_supervisor", not_found("/supervision".into()));
    case("list_targets", not_found(format!("/agents/{}/targets", b.agent)));
    case("start_demo_call", vec![Plain("/demo-call".into(), None, 202)]);
    case("delete_sample_history", vec![Plain("/sample-history".into(), None, 204)]);
    case("socket", vec![Socket]);

    // Public: the page says what may be called, of the company that is named and of no other.
    case("get_public_tenant", no_trace(&format!("/public/{}", a.tenant)));
    case("create_guest_session", vec![Plain("/public/alpha/sessions".into(), None, 201)]);
    case("public_socket", vec![Socket]);
    case("get_openapi", no_trace("/openapi.json"));
    cases
}

/// A body that is right in itself, for paths that must not be found.
fn body_for(id: &str, b: &Company) -> Option<Value> {
    match id {
        "patch_login" => Some(json!({"unlock": true})),
        "start_duty" => Some(json!({"device": b.uri})),
        "command_agent" => Some(json!({"command": {"command": "sign_in", "device": b.uri}})),
        "command_supervisor" => Some(json!({"command": {"command": "sign_out_agent", "agent": b.agent}})),
        "publish_flow" => Some(json!({})),
        "hold_interaction" => Some(json!({"held": true, "reason": "case 17"})),
        "create_phone_link" => Some(json!({"transport": "udp"})),
        "mark_voicemail" => Some(json!({"state": "handled"})),
        _ if id.starts_with("patch_") => Some(json!({"name": {"en": "taken over"}})),
        _ => None,
    }
}

/// Everything of a company that a stranger could have changed or read.
async fn whole(world: &World, company: &Company) -> String {
    let (store, scope) = (&world.store, scope(company));
    let page = PageRequest { cursor: None, limit: 200 };
    let config = store.load_config(company.tenant).await.unwrap();
    let users = store.users(scope, &page).await.unwrap();
    let grants = store.grants(scope, &page).await.unwrap();
    let tokens = store.tokens(scope).await.unwrap();
    let audit = store.audit(scope, &page).await.unwrap();
    let revisions = store.revisions(scope, &page).await.unwrap();
    let interactions = store.interactions(scope, &Default::default(), &page).await.unwrap();
    let recordings = store.recordings(scope, &page).await.unwrap();
    let voicemails = store.voicemails(scope, &Default::default(), &page).await.unwrap();
    let prompts = store.items::<store::PromptConfig>(scope, None, &page).await.unwrap();
    let login = store.login(company.nobody.login).await.unwrap();
    let view = world.engine.view(company.tenant).await.unwrap();
    let live: Vec<_> = view.agents.iter().map(|a| (a.agent, a.signed_in, a.presence)).collect();
    format!(
        "{config:?}{users:?}{grants:?}{tokens:?}{audit:?}{revisions:?}{interactions:?}{recordings:?}{voicemails:?}{prompts:?}{:?}{live:?}{:?}",
        login.password_hash, view.rev
    )
}

fn traces(b: &Company) -> Vec<String> {
    vec![
        b.tenant.to_string(),
        b.agent.to_string(),
        b.queue.to_string(),
        b.interaction.to_string(),
        b.recording.to_string(),
        b.message.to_string(),
        b.admin.user.to_string(),
        b.api_token.to_string(),
        format!("{} ", b.slug),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_reaches_another_company() {
    let world = World::new().await;
    let (a, b) = (world.a.clone(), world.b.clone());
    let before = whole(&world, &b).await;
    let mut cases = cases(&a, &b);
    let mut invited = false;
    for operation in api::routes::operations() {
        let id = operation.id.as_str();
        let expects = cases.remove(id).unwrap_or_else(|| panic!("operation {id} has no case"));
        for expect in expects {
            let method = operation.method.clone();
            match expect {
                NotFound(paths) => {
                    for path in paths {
                        // A's own agent commanded with B's device.
                        let answer = world.call(&a.admin, method.clone(), &path, body_for(id, &b)).await;
                        assert_eq!(answer.status.as_u16(), 404, "{id} {path}: {}", answer.text());
                    }
                }
                Invalid(path, body) => {
                    let answer = world.call(&a.admin, method, &path, Some(body)).await;
                    assert_eq!(answer.status.as_u16(), 422, "{id} {path}: {}", answer.text());
                }
                NoTrace(paths) => {
                    for path in paths {
                        let answer = world.call(&a.admin, method.clone(), &path, None).await;
                        assert_eq!(answer.status.as_u16(), 200, "{id} {path}: {}", answer.text());
                        let text = answer.text();
                        let traces = traces(&b);
                        let found = traces.iter().find(|t| text.contains(t.as_str()));
                        assert!(found.is_none(), "{id} {path} shows {found:?}");
                    }
                }
                Plain(path, body, status) => {
                    invited |= id == "create_login";
                    let answer = world.call(&a.admin, method, &path, body).await;
                    assert_eq!(answer.status.as_u16(), status, "{id} {path}: {}", answer.text());
                }
                Socket => assert!(operation.is_socket()),
            }
        }
    }
    assert!(cases.is_empty(), "cases of operations that are gone: {:?}", cases.keys());
    assert!(invited);
    // A's invitation of B's person changed nothing of B, the password included.
    assert_eq!(whole(&world, &b).await, before);
    let login = format!("/logins/{}", b.nobody.login);
    let change = json!({"password": "a password of A's choice"});
    world.patch(&a.admin, &login, change).await.refused(403, "login.shared");
    assert_eq!(whole(&world, &b).await, before);
}
