//! Devices: the common operations, secrets shown once, and up to 1,000 at a time.
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::access::Action;
use domain::config::DeviceConfig;
use domain::id::DeviceId;
use serde_json::Value;
use store::{AdminTx, Scope};

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::voice::{DeviceCreated, DeviceFields, DeviceKind, DevicesBulk, DevicesBulkResult, DevicesBulkRow};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::{JsonBody, PathId, nothing};
use crate::openapi::{Gate, Operation as Op};
use crate::routes::admin::resource_consts;
use crate::routes::resource::{self, Problems, Resource, TAG, patched, view, with_revision, writer};

const BULK_MAX: usize = 1_000;

pub fn operations() -> Vec<Op> {
    let mut all = resource::reading::<DeviceFields>();
    all.extend([
        resource::create_op::<DeviceFields, _, _>("DeviceCreated", create)
            .summary("A SIP device's secret is given or generated, and shown in this answer only")
            .with::<DeviceCreated>(),
        resource::patch_op::<DeviceFields, _, _>(patch),
        Op::delete("/devices/{id}", "delete_device", TAG, Gate::May(Action::DeviceManage), delete)
            .summary("Its registration ends")
            .returns_nothing(),
        Op::post("/devices/bulk", "create_devices", TAG, Gate::May(Action::DeviceManage), bulk)
            .summary("Up to 1,000 devices; one result or error per row, secrets shown once")
            .idempotent()
            .largest_body(2 * 1024 * 1024)
            .body::<DevicesBulk>()
            .returns::<DevicesBulkResult>(StatusCode::OK),
    ]);
    all
}

impl Resource for DeviceFields {
    type Item = DeviceConfig;
    resource_consts!(DeviceId, "Device", "device", "devices", "/devices", DeviceManage);

    fn from_item(item: DeviceConfig, known: &Known) -> Self {
        let kind = item.kind.into();
        let realm = matches!(kind, DeviceKind::Sip { .. }).then(|| known.settings.sip_domain.clone());
        Self { name: item.name, agent: item.agent, kind, srtp: item.srtp, codecs: item.codecs, secret: None, realm }
    }

    fn into_item(self, id: DeviceId, _: Option<&DeviceConfig>) -> DeviceConfig {
        DeviceConfig {
            id,
            name: self.name,
            agent: self.agent,
            kind: self.kind.into(),
            srtp: self.srtp,
            codecs: self.codecs,
        }
    }

    fn check(&self, problems: &mut Problems) {
        problems.text("name", &self.name, 100);
        problems.codecs("codecs", &self.codecs);
        match &self.kind {
            DeviceKind::Browser => {
                if self.agent.is_none() {
                    problems.add("agent", "required");
                }
            }
            DeviceKind::Sip { user } => {
                let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
                if !(2..=40).contains(&user.len()) || !user.bytes().all(ok) {
                    problems.add("kind.user", "invalid");
                }
            }
            DeviceKind::Uri { uri } => {
                let rest = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"));
                if uri.len() > 200
                    || rest.is_none_or(|r| r.is_empty() || r.chars().any(|c| c.is_whitespace() || c.is_control()))
                {
                    problems.add("kind.uri", "invalid");
                }
            }
        }
        if let Some(secret) = &self.secret {
            if !matches!(self.kind, DeviceKind::Sip { .. }) {
                problems.add("secret", "invalid");
            } else {
                check_secret(secret, problems);
            }
        }
    }
}

pub(super) fn check_secret(secret: &str, problems: &mut Problems) {
    if secret.len() < 12 {
        problems.add("secret", "too_short");
    } else if secret.len() > 128 || secret.chars().any(char::is_control) {
        problems.add("secret", "invalid");
    }
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(fields): JsonBody<DeviceFields>,
) -> ApiResult<Response> {
    writer(&caller, Action::DeviceManage)?;
    let mut tx = resource::checked_tx(&app, &caller, &fields).await?;
    let device = put_new(&app, &mut tx, fields).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision((StatusCode::CREATED, Json(device)), rev))
}

async fn put_new(app: &App, tx: &mut AdminTx, fields: DeviceFields) -> ApiResult<DeviceCreated> {
    let given = fields.secret.clone();
    let id = DeviceId::from_parts(app.now().0, rand::random());
    let device = tx.put(fields.into_item(id, None), None).await?.value;
    let mut created = DeviceCreated {
        id,
        name: device.name,
        agent: device.agent,
        kind: device.kind.into(),
        srtp: device.srtp,
        codecs: device.codecs,
        realm: None,
        secret: None,
    };
    if matches!(created.kind, DeviceKind::Sip { .. }) {
        let secret = given.unwrap_or_else(generate);
        created.realm = Some(tx.set_device_secret(id, &secret).await?);
        created.secret = Some(secret);
    }
    Ok(created)
}

/// 120 bits in characters that cannot be mistaken for one another when typed into a phone.
pub(super) fn generate() -> String {
    const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bits: u128 = rand::random();
    (0..24).map(|i| char::from(CHARACTERS[((bits >> (i * 5)) & 31) as usize])).collect()
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<DeviceId>,
    JsonBody(change): JsonBody<Value>,
) -> ApiResult<Response> {
    let scope = writer(&caller, Action::DeviceManage)?;
    let known = app.known(caller.tenant).await?;
    let present = app.store().item::<DeviceConfig>(scope, id).await?;
    let fields: DeviceFields = patched(&DeviceFields::from_item(present.value.clone(), &known), change)?;
    let secret = fields.secret.clone();
    // The stored digests contain the user: another user needs its secret again.
    let renamed = DeviceKind::from(present.value.kind.clone()) != fields.kind;
    if renamed && secret.is_none() && matches!(fields.kind, DeviceKind::Sip { .. }) {
        return Err(ApiError::field("secret", "required"));
    }
    let mut tx = resource::checked_tx(&app, &caller, &fields).await?;
    let item = tx.put(fields.into_item(id, Some(&present.value)), Some(present.rev)).await?;
    let is_changed = secret.is_some();
    if let Some(secret) = secret {
        tx.set_device_secret(id, &secret).await?;
    }
    let rev = app.commit(caller.tenant, tx).await?;
    if is_changed {
        app.phone_links().forget(caller.tenant, id);
    }
    Ok(with_revision(Json(view::<DeviceFields>(item, &known)), rev))
}

async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId<DeviceId>) -> ApiResult<Response> {
    writer(&caller, Action::DeviceManage)?;
    let mut tx = app.admin(&caller, "").await?;
    tx.delete::<DeviceConfig>(id, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    app.phone_links().forget(caller.tenant, id);
    Ok(with_revision(nothing(), rev))
}

/// Rows are checked one by one first; the good ones are made in one change.
async fn bulk(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody<DevicesBulk>) -> ApiResult<Response> {
    let scope = writer(&caller, Action::DeviceManage)?;
    if body.devices.len() > BULK_MAX {
        return Err(Code::BulkTooMany.into());
    }
    let known = app.known(caller.tenant).await?;
    let mut users: std::collections::HashSet<String> = known
        .config
        .devices
        .values()
        .filter_map(|d| match &d.kind {
            domain::config::DeviceKind::Sip { user } => Some(user.clone()),
            domain::config::DeviceKind::Browser | domain::config::DeviceKind::Uri { .. } => None,
        })
        .collect();
    let mut rows = Vec::with_capacity(body.devices.len());
    let mut good = Vec::new();
    for (row, fields) in body.devices.into_iter().enumerate() {
        match check_row(&app, scope, &known, &mut users, &fields).await {
            Ok(()) => {
                good.push((row, fields));
                rows.push(None);
            }
            Err(error) => rows.push(Some(error)),
        }
    }
    let mut made = std::collections::HashMap::new();
    let mut rev = None;
    if !good.is_empty() {
        let mut tx = app.admin(&caller, "bulk").await?;
        for (row, fields) in good {
            made.insert(row, put_new(&app, &mut tx, fields).await?);
        }
        rev = app.commit(caller.tenant, tx).await?;
    }
    let rows: Vec<DevicesBulkRow> = rows
        .into_iter()
        .enumerate()
        .map(|(row, error)| DevicesBulkRow {
            row: u32::try_from(row).unwrap_or(u32::MAX),
            device: made.remove(&row),
            error: error.map(|e| e.problem("")),
        })
        .collect();
    let failed = rows.iter().filter(|r| r.error.is_some()).count();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let result = DevicesBulkResult { created: count(rows.len() - failed), failed: count(failed), rows };
    Ok(with_revision(Json(result), rev))
}

/// What would make the whole change fail at commit is found here, so that one bad row costs only itself.
async fn check_row(
    app: &App,
    scope: Scope,
    known: &Known,
    users: &mut std::collections::HashSet<String>,
    fields: &DeviceFields,
) -> ApiResult<()> {
    let mut problems = Problems::default();
    fields.check(&mut problems);
    if let Some(agent) = fields.agent
        && !known.config.agents.contains_key(&agent)
    {
        problems.add("agent", "not_found");
    }
    if let DeviceKind::Sip { user } = &fields.kind {
        let taken =
            !users.insert(user.clone()) || app.store().item_by_key::<DeviceConfig>(scope, user).await?.is_some();
        if taken {
            problems.add("kind.user", "taken");
        }
    }
    problems.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_are_long_and_differ() {
        let (a, b) = (generate(), generate());
        assert_eq!(a.len(), 24);
        assert_ne!(a, b);
    }
}
