//! Setting up phones: where they reach this server, a link that carries a phone's settings, the phone's fetch.
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::access::Action;
use domain::config::{DeviceConfig, DeviceKind};
use domain::id::DeviceId;

use crate::App;
use crate::auth::Caller;
use crate::dto::voice::{PhoneElsewhere, PhoneLink, PhoneLinkRequest, PhoneService, PhoneTransport};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::{JsonBody, PathId, Peer, created};
use crate::openapi::{Gate, Operation as Op};
use crate::provisioning::{Account, REGISTRATION_S, host_of, linphone};
use crate::routes::devices::{check_secret, generate};
use crate::routes::resource::{Problems, TAG, with_revision, writer};

pub fn operations() -> Vec<Op> {
    vec![
        Op::get("/devices/service", "get_phone_service", TAG, Gate::May(Action::DeviceManage), service)
            .summary("Where phones reach this server")
            .returns::<PhoneService>(StatusCode::OK),
        Op::post("/devices/{id}/link", "create_phone_link", TAG, Gate::May(Action::DeviceManage), make)
            .summary(
                "Sets a SIP device's password, given or generated, and makes a link from which a phone takes its \
                 settings: for one fetch within ten minutes",
            )
            .body::<PhoneLinkRequest>()
            .returns::<PhoneLink>(StatusCode::CREATED),
        Op::get("/provision/{token}", "provision_phone", TAG, Gate::Anonymous, fetch)
            .summary("A phone's settings as Linphone's remote provisioning (XML); the link ends with this answer")
            .returns_media(StatusCode::OK, "application/xml"),
    ]
}

async fn service(State(app): State<App>, caller: Caller) -> ApiResult<Json<PhoneService>> {
    writer(&caller, Action::DeviceManage)?;
    let doors = &app.options().phone_doors;
    let elsewhere = doors.elsewhere.clone();
    Ok(Json(PhoneService {
        sip: doors.sip,
        sip_tls: doors.sip_tls,
        elsewhere: elsewhere.map(|e| PhoneElsewhere { host: e.host, url: e.url }),
        registration_s: REGISTRATION_S,
    }))
}

async fn make(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<DeviceId>,
    JsonBody(request): JsonBody<PhoneLinkRequest>,
) -> ApiResult<Response> {
    let scope = writer(&caller, Action::DeviceManage)?;
    let present = app.store().item::<DeviceConfig>(scope, id).await?;
    let device = present.value;
    let mut problems = Problems::default();
    if let Some(secret) = &request.secret {
        check_secret(secret, &mut problems);
    }
    let doors = &app.options().phone_doors;
    let port = match request.transport {
        PhoneTransport::Udp | PhoneTransport::Tcp => Some(doors.sip),
        PhoneTransport::Tls => doors.sip_tls,
    };
    if port.is_none() {
        problems.add("transport", "invalid");
    }
    problems.into_result()?;
    let (DeviceKind::Sip { user }, Some(port)) = (device.kind.clone(), port) else {
        return Err(ApiError::field("kind", "invalid"));
    };
    let secret = request.secret.unwrap_or_else(generate);
    let mut tx = app.admin(&caller, "").await?;
    // A revision like any change of the device: telephony learns the password by it.
    let device = tx.put(device, Some(present.rev)).await?.value;
    let realm = tx.set_device_secret(id, &secret).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    let account = Account {
        user,
        realm: realm.clone(),
        secret: secret.clone(),
        srtp: device.srtp,
        transport: request.transport,
        port,
    };
    let (token, expires) = app.phone_links().make(caller.tenant, id, account, app.now());
    let link = PhoneLink { realm, secret, path: format!("/api/v1/provision/{token}"), expires_at: expires.0 };
    Ok(with_revision(secretly(created(link)), rev))
}

async fn fetch(
    State(app): State<App>,
    peer: Peer,
    method: Method,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> ApiResult<Response> {
    app.may_try_link(peer.address.ip())?;
    // Who only looks does not use it up.
    if method == Method::HEAD {
        return Err(Code::MethodNotAllowed.into());
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).and_then(host_of).ok_or(Code::Malformed)?;
    let account = app.phone_links().take(&token, app.now()).ok_or(Code::NotFound)?;
    Ok(secretly(([(header::CONTENT_TYPE, "application/xml")], linphone(&account, host)).into_response()))
}

fn secretly(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
