//! Trunks: the common operations, with a password that is written and never read; how they are doing; tests.
use std::net::SocketAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::access::Action;
use domain::config::{TrunkConfig, TrunkTransport};
use domain::id::{TenantId, TrunkId};
use domain::trunk::{TestStage, TestStep, TrunkFault};
use serde_json::Value;

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::trunk::{TrunkFields, TrunkStatus, TrunkStatuses, TrunkTest, TrunkTestStep};
use crate::error::{ApiError, ApiResult, Message};
use crate::http::{JsonBody, PathId, nothing};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::admin::resource_consts;
use crate::routes::resource::{self, Problems, READ, Resource, TAG, patched, reader, view, with_revision, writer};

pub fn operations() -> Vec<Op> {
    let mut all = resource::reading::<TrunkFields>();
    all.extend([
        resource::create_op::<TrunkFields, _, _>("Trunk", create),
        resource::patch_op::<TrunkFields, _, _>(patch),
        Op::delete("/trunks/{id}", "delete_trunk", TAG, Gate::May(Action::NumberManage), delete)
            .summary("Refused while a route names it; its registration is taken back")
            .returns_nothing(),
        Op::get("/trunks/status", "list_trunk_status", TAG, READ, status)
            .summary("How trunks are doing: registered, reachable or not and why")
            .returns::<TrunkStatuses>(StatusCode::OK),
        Op::post("/trunks/{id}/test", "test_trunk", TAG, Gate::May(Action::NumberManage), test)
            .summary("Tries a trunk out step by step; takes up to half a minute and changes nothing")
            .returns::<TrunkTest>(StatusCode::OK),
    ]);
    all
}

impl Resource for TrunkFields {
    type Item = TrunkConfig;
    resource_consts!(TrunkId, "Trunk", "trunk", "trunks", "/trunks", NumberManage);

    fn from_item(t: TrunkConfig, _: &Known) -> Self {
        Self {
            name: t.name,
            addresses: t.addresses,
            region: t.region,
            host: t.host,
            transport: t.transport,
            check_certificate: t.check_certificate,
            srtp: t.srtp,
            codecs: t.codecs,
            calls_max: t.calls_max,
            calls_per_second: t.calls_per_second,
            account: t.account.map(Into::into),
            password: None,
            check_s: t.check_s,
            caller: t.caller,
            identity: t.identity.into(),
            active: t.active,
        }
    }

    fn into_item(self, id: TrunkId, _: Option<&TrunkConfig>) -> TrunkConfig {
        TrunkConfig {
            id,
            name: self.name,
            addresses: self.addresses,
            region: self.region,
            host: self.host,
            transport: self.transport,
            check_certificate: self.check_certificate,
            srtp: self.srtp,
            codecs: self.codecs,
            calls_max: self.calls_max,
            calls_per_second: self.calls_per_second,
            account: self.account.map(Into::into),
            check_s: self.check_s,
            caller: self.caller,
            identity: self.identity.into(),
            active: self.active,
        }
    }

    fn check(&self, problems: &mut Problems) {
        problems.text("name", &self.name, 100);
        problems.range("addresses", self.addresses.len(), 0..=100);
        problems.codecs("codecs", &self.codecs);
        if self.region.as_ref().is_some_and(|r| r.len() != 2 || !r.bytes().all(|b| b.is_ascii_uppercase())) {
            problems.add("region", "invalid");
        }
        if self.host.as_ref().is_some_and(|h| !is_host(h)) {
            problems.add("host", "invalid");
        }
        if self.check_s != 0 {
            problems.range("check_s", self.check_s, 5..=3_600);
        }
        problems.range("calls_per_second", self.calls_per_second.unwrap_or(1), 1..=1_000);
        if let Some(account) = &self.account {
            // What stands in a SIP address without being taken for its other parts.
            let name = |b: u8| b.is_ascii_graphic() && !b"@:;?<>\"\\/%".contains(&b);
            let is_name = |text: &str| (1..=100).contains(&text.len()) && text.bytes().all(name);
            if !is_name(&account.user) {
                problems.add("account.user", "invalid");
            }
            let visible = |b: u8| b.is_ascii_graphic() && !b"<>\"\\".contains(&b);
            let is_visible = |t: &String| (1..=100).contains(&t.len()) && t.bytes().all(visible);
            if account.auth_user.as_ref().is_some_and(|u| !is_visible(u)) {
                problems.add("account.auth_user", "invalid");
            }
            if account.domain.as_ref().is_some_and(|d| !is_host(d)) {
                problems.add("account.domain", "invalid");
            }
            if self.host.is_none() {
                problems.add("host", "required");
            }
        } else if self.password.is_some() {
            problems.add("account", "required");
        }
        if self.password.as_ref().is_some_and(|p| p.is_empty() || p.len() > 128 || p.chars().any(char::is_control)) {
            problems.add("password", "invalid");
        }
        if self.calls_max == Some(0) {
            problems.add("calls_max", "out_of_range");
        }
    }

    async fn check_stored(&self, app: &App, _: TenantId) -> ApiResult<()> {
        match self.identity.signed && !app.options().signs_calls {
            true => Err(ApiError::field("identity.signed", "unavailable")),
            false => Ok(()),
        }
    }
}

fn is_host(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    (1..=200).contains(&text.len()) && text.bytes().all(plain)
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(fields): JsonBody<TrunkFields>,
) -> ApiResult<Response> {
    writer(&caller, Action::NumberManage)?;
    let known = app.known(caller.tenant).await?;
    let password = fields.password.clone();
    if fields.account.is_some() && password.is_none() {
        return Err(ApiError::field("password", "required"));
    }
    let mut tx = resource::checked_tx(&app, &caller, &fields).await?;
    let id = TrunkId::from_parts(app.now().0, rand::random());
    let item = tx.put(fields.into_item(id, None), None).await?;
    if let Some(password) = password {
        tx.set_trunk_password(id, Some(&password)).await?;
    }
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision((StatusCode::CREATED, Json(view::<TrunkFields>(item, &known))), rev))
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<TrunkId>,
    JsonBody(change): JsonBody<Value>,
) -> ApiResult<Response> {
    let scope = writer(&caller, Action::NumberManage)?;
    let known = app.known(caller.tenant).await?;
    let present = app.store().item::<TrunkConfig>(scope, id).await?;
    let fields: TrunkFields = patched(&TrunkFields::from_item(present.value.clone(), &known), change)?;
    let (password, has_account) = (fields.password.clone(), fields.account.is_some());
    let mut tx = resource::checked_tx(&app, &caller, &fields).await?;
    let item = tx.put(fields.into_item(id, Some(&present.value)), Some(present.rev)).await?;
    match password {
        Some(password) => tx.set_trunk_password(id, Some(&password)).await?,
        None if has_account => {
            if !tx.has_trunk_password(id).await? {
                return Err(ApiError::field("password", "required"));
            }
        }
        None => {
            if tx.has_trunk_password(id).await? {
                tx.set_trunk_password(id, None).await?;
            }
        }
    }
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(Json(view::<TrunkFields>(item, &known)), rev))
}

async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId<TrunkId>) -> ApiResult<Response> {
    writer(&caller, Action::NumberManage)?;
    let mut tx = app.admin(&caller, "").await?;
    tx.delete::<TrunkConfig>(id, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(nothing(), rev))
}

async fn status(State(app): State<App>, caller: Caller) -> ApiResult<Json<TrunkStatuses>> {
    reader(&caller)?;
    let known = app.known(caller.tenant).await?;
    let mut all = app.engine().trunks(caller.tenant);
    let goes_out = known.config.trunks.values().filter(|t| t.host.is_some());
    let items = goes_out.filter_map(|t| Some(TrunkStatus::of(t.id, all.remove(&t.id)?))).collect();
    Ok(Json(TrunkStatuses { items }))
}

async fn test(State(app): State<App>, caller: Caller, PathId(id): PathId<TrunkId>) -> ApiResult<Json<TrunkTest>> {
    let scope = writer(&caller, Action::NumberManage)?;
    let trunk = app.store().item::<TrunkConfig>(scope, id).await?.value;
    if trunk.host.is_none() {
        return Err(ApiError::field("host", "required"));
    }
    let steps = app.engine().test_trunk(caller.tenant, id).await?;
    let ok = !steps.is_empty() && steps.iter().all(|s| s.fault.is_none());
    let steps = steps.into_iter().map(|step| told(&trunk, step)).collect();
    Ok(Json(TrunkTest { ok, steps }))
}

fn told(trunk: &TrunkConfig, step: TestStep) -> TrunkTestStep {
    let TestStep { step: stage, fault, sip_status, address, addresses, round_trip_ms } = step;
    TrunkTestStep {
        message: words(trunk, stage, fault, sip_status, &addresses),
        step: stage,
        fault,
        sip_status,
        address: address.map(|a| a.to_string()),
        round_trip_ms,
    }
}

/// What a step means and what to do about it.
fn words(
    trunk: &TrunkConfig,
    stage: TestStage,
    fault: Option<TrunkFault>,
    sip_status: Option<u16>,
    addresses: &[SocketAddr],
) -> Message {
    let host = trunk.host.as_deref().unwrap_or_default();
    let status = sip_status.unwrap_or_default();
    let (zh, en) = match (stage, fault) {
        (TestStage::Resolve, None) if addresses.len() > 1 => {
            let all: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            return Message::new(
                format!("找到主机的多个地址，依次尝试：{}。", all.join("、")),
                format!("The host has several addresses, tried in this order: {}.", all.join(", ")),
            );
        }
        (TestStage::Resolve, None) => return Message::new("主机地址已找到。", "The host has an address."),
        (TestStage::Answer, None) => return Message::new("对端有应答。", "The other end answers."),
        (TestStage::SignIn, None) => {
            return Message::new("对端接受了账号和密码。", "The other end takes our user name and password.");
        }
        (_, Some(TrunkFault::NameUnknown)) => (
            format!("找不到主机名 {host}。请核对拼写，并检查本机的 DNS 设置。"),
            format!("The name {host} was not found. Check its spelling, and this machine's name server."),
        ),
        (_, Some(TrunkFault::Silent)) => {
            let way = match trunk.transport {
                TrunkTransport::Udp => "UDP",
                TrunkTransport::Tcp => "TCP",
                TrunkTransport::Tls => "TLS",
            };
            (
                format!(
                    "通过 {way} 没有收到应答。请核对地址和端口；如果无误，多半是防火墙挡住了往返的数据包，或运营商尚未放行本机的公网地址。"
                ),
                format!(
                    "No answer by {way}. Check the address and port; if they are right, a firewall probably stops packets on the way, or the carrier has not admitted this machine's public address."
                ),
            )
        }
        (_, Some(TrunkFault::Refused)) if trunk.transport == TrunkTransport::Tls => (
            format!(
                "无法建立 TLS 连接：该地址和端口无人接听，或对端的证书对 {host} 无效。请核对主机和端口；日志会说明是哪一种。"
            ),
            format!(
                "No TLS connection: nobody listens at this address and port, or its certificate is not valid for {host}. Check host and port; the log says which it is."
            ),
        ),
        (_, Some(TrunkFault::Refused)) => (
            "网络报告该地址和端口无人接听。请核对主机、端口和传输方式。".to_owned(),
            "The network says that nobody listens at this address and port. Check host, port and transport.".to_owned(),
        ),
        (_, Some(TrunkFault::Credentials)) => (
            format!("对端不接受用户名或密码（{status}）。请重新输入密码；有的运营商要求另一个认证用户名或 SIP 域。"),
            format!(
                "The other end does not take our user name or password ({status}). Enter the password again; some carriers want another name for authentication, or their SIP domain."
            ),
        ),
        (_, Some(TrunkFault::AccountUnknown)) => (
            format!("对端不认识这个账号（{status}）。请核对用户名和 SIP 域。"),
            format!("The other end does not know this account ({status}). Check the user name and the SIP domain."),
        ),
        (_, Some(TrunkFault::Rejected)) => (
            format!("对端拒绝了请求（{status}）。可能正在维护，或不允许这样使用；请询问运营商。"),
            format!(
                "The other end refused ({status}). It may be under maintenance or not allow this use: ask the carrier."
            ),
        ),
    };
    Message::new(zh, en)
}
