//! The five operations of a configuration resource, written once: list, create, get, patch (fields given replace), delete.
//!
//! A resource says how its fields become the stored value and back, and what it checks; references to other objects are
//! checked by the store at commit.
use axum::Json;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::access::Action;
use domain::id::TenantId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AdminTx, ConfigItem, Item, Scope};
use utoipa::ToSchema;

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::common::{Localized, Page};
use crate::error::{ApiError, ApiResult, Code, FieldProblem};
use crate::http::{JsonBody, Params, PathId, nothing};
use crate::openapi::{Gate, Operation as Op};

pub static REVISION: HeaderName = HeaderName::from_static("x-config-revision");
pub const TAG: &str = "configuration";
pub const READ: Gate = Gate::May(Action::ConfigView);

/// Fields of a configuration resource on the wire.
pub trait Resource: Serialize + DeserializeOwned + ToSchema + Send + Sync + 'static {
    type Item: ConfigItem<Id: std::str::FromStr + Sync + 'static> + 'static;
    /// `Queue`, `queue`, `queues`, `/queues`.
    const NAME: &'static str;
    const ONE: &'static str;
    const MANY: &'static str;
    const PATH: &'static str;
    /// Wanted for every change.
    const MANAGE: Action;

    fn new_id(unix_ms: i64, random: u128) -> <Self::Item as ConfigItem>::Id;
    fn from_item(item: Self::Item, known: &Known) -> Self;
    /// `previous` keeps what the fields do not carry.
    fn into_item(self, id: <Self::Item as ConfigItem>::Id, previous: Option<&Self::Item>) -> Self::Item;
    fn check(&self, _problems: &mut Problems) {}
    /// Checks that need the store, or what this server can do.
    fn check_stored(&self, _app: &App, _tenant: TenantId) -> impl Future<Output = ApiResult<()>> + Send {
        async { Ok(()) }
    }
}

/// Collects what is wrong with fields.
#[derive(Default)]
pub struct Problems(Vec<FieldProblem>);

impl Problems {
    pub fn add(&mut self, path: impl Into<String>, code: &'static str) {
        self.0.push(FieldProblem::new(path, code));
    }

    pub fn text(&mut self, path: &str, text: &str, longest: usize) {
        if text.trim().is_empty() {
            self.add(path, "required");
        } else if text.chars().count() > longest {
            self.add(path, "too_long");
        }
    }

    pub fn localized(&mut self, path: &str, text: &Localized) {
        let given: Vec<&String> = [&text.zh, &text.en].into_iter().flatten().collect();
        if given.iter().all(|t| t.trim().is_empty()) {
            self.add(path, "required");
        } else if given.iter().any(|t| t.chars().count() > 200) {
            self.add(path, "too_long");
        }
    }

    pub fn range<T: PartialOrd>(&mut self, path: &str, value: T, range: std::ops::RangeInclusive<T>) {
        if !range.contains(&value) {
            self.add(path, "out_of_range");
        }
    }

    /// Each at most once.
    pub fn codecs(&mut self, path: &str, codecs: &[domain::leg::Codec]) {
        if codecs.iter().enumerate().any(|(at, codec)| codecs[..at].contains(codec)) {
            self.add(path, "invalid");
        }
    }

    pub fn time_zone(&mut self, path: &str, name: &str) {
        if domain::calendar::time_zone(name).is_none() {
            self.add(path, "invalid");
        }
    }

    pub fn into_result(self) -> ApiResult<()> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::fields(self.0)) }
    }
}

/// A stored object on the wire: its id and its fields.
#[derive(Serialize)]
pub struct View<T> {
    id: String,
    #[serde(flatten)]
    fields: T,
}

#[derive(Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    pub limit: Option<u32>,
    #[serde(default)]
    pub cursor: Option<String>,
    #[serde(default)]
    pub q: Option<String>,
}

impl ListQuery {
    pub fn page(&self) -> ApiResult<store::PageRequest> {
        page_request(self.limit, self.cursor.clone())
    }
}

pub fn page_request(limit: Option<u32>, cursor: Option<String>) -> ApiResult<store::PageRequest> {
    let limit = limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(ApiError::field("limit", "out_of_range"));
    }
    if cursor.as_ref().is_some_and(|c| c.len() > 2_000) {
        return Err(ApiError::field("cursor", "invalid"));
    }
    Ok(store::PageRequest { cursor, limit })
}

pub fn operations<R: Resource>() -> Vec<Op> {
    let mut all = reading::<R>();
    all.extend([
        create_op::<R, _, _>(R::NAME, create::<R>),
        patch_op::<R, _, _>(patch::<R>),
        Op::delete(item_path::<R>(), format!("delete_{}", R::ONE), TAG, Gate::May(R::MANAGE), delete::<R>)
            .summary("Refused while other configuration names it")
            .returns_nothing(),
    ]);
    all
}

pub fn item_path<R: Resource>() -> String {
    format!("{}/{{id}}", R::PATH)
}

/// List and get.
pub fn reading<R: Resource>() -> Vec<Op> {
    vec![
        Op::get(R::PATH, format!("list_{}", R::MANY), TAG, READ, list::<R>)
            .summary("By name")
            .resource::<R>(R::NAME)
            .query("q", "string", "searches names")
            .returns_page_named(R::NAME),
        Op::get(item_path::<R>(), format!("get_{}", R::ONE), TAG, READ, get::<R>)
            .returns_named(StatusCode::OK, R::NAME),
    ]
}

pub fn create_op<R: Resource, H: Handler<T, App>, T: 'static>(answer: &str, handler: H) -> Op {
    Op::post(R::PATH, format!("create_{}", R::ONE), TAG, Gate::May(R::MANAGE), handler)
        .idempotent()
        .body_named(&format!("{}New", R::NAME))
        .returns_named(StatusCode::CREATED, answer)
}

pub fn patch_op<R: Resource, H: Handler<T, App>, T: 'static>(handler: H) -> Op {
    Op::patch(item_path::<R>(), format!("patch_{}", R::ONE), TAG, Gate::May(R::MANAGE), handler)
        .summary("Fields given replace the present ones; null resets")
        .body_named(&format!("{}Patch", R::NAME))
        .returns_named(StatusCode::OK, R::NAME)
}

/// Whoever may see configuration somewhere sees the whole tenant's: screens of a team or queue show its names.
pub fn reader(caller: &Caller) -> ApiResult<Scope> {
    if caller.may_somewhere(Action::ConfigView) {
        Ok(Scope::Tenant(caller.tenant))
    } else {
        Err(Code::Forbidden.into())
    }
}

/// Configuration belongs to the tenant: changing it wants the right in the whole tenant.
pub fn writer(caller: &Caller, action: Action) -> ApiResult<Scope> {
    caller.require(action, &caller.tenant_resource())?;
    Ok(Scope::Tenant(caller.tenant))
}

pub fn view<R: Resource>(item: Item<R::Item>, known: &Known) -> View<R> {
    View { id: item.value.id().to_string(), fields: R::from_item(item.value, known) }
}

async fn list<R: Resource>(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Page<View<R>>>> {
    let scope = reader(&caller)?;
    let known = app.known(caller.tenant).await?;
    let page = app.store().items::<R::Item>(scope, query.q.as_deref(), &query.page()?).await?;
    let items = page.items.into_iter().map(|item| view(item, &known)).collect();
    Ok(Json(Page { items, next_cursor: page.next }))
}

async fn get<R: Resource>(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<<R::Item as ConfigItem>::Id>,
) -> ApiResult<Json<View<R>>> {
    let item = app.store().item::<R::Item>(reader(&caller)?, id).await?;
    Ok(Json(view(item, &*app.known(caller.tenant).await?)))
}

async fn create<R: Resource>(
    State(app): State<App>,
    caller: Caller,
    JsonBody(fields): JsonBody<R>,
) -> ApiResult<Response> {
    writer(&caller, R::MANAGE)?;
    let known = app.known(caller.tenant).await?;
    let mut tx = checked_tx(&app, &caller, &fields).await?;
    let item = tx.put(fields.into_item(R::new_id(app.now().0, rand::random()), None), None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision((StatusCode::CREATED, Json(view::<R>(item, &known))), rev))
}

/// Checks the fields, then begins the change.
pub async fn checked_tx<R: Resource>(app: &App, caller: &Caller, fields: &R) -> ApiResult<AdminTx> {
    let mut problems = Problems::default();
    fields.check(&mut problems);
    problems.into_result()?;
    fields.check_stored(app, caller.tenant).await?;
    app.admin(caller, "").await
}

async fn patch<R: Resource>(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<<R::Item as ConfigItem>::Id>,
    JsonBody(change): JsonBody<Value>,
) -> ApiResult<Response> {
    let scope = writer(&caller, R::MANAGE)?;
    let known = app.known(caller.tenant).await?;
    let present = app.store().item::<R::Item>(scope, id).await?;
    let fields: R = patched(&R::from_item(present.value.clone(), &known), change)?;
    let mut tx = checked_tx(&app, &caller, &fields).await?;
    let item = tx.put(fields.into_item(id, Some(&present.value)), Some(present.rev)).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(Json(view::<R>(item, &known)), rev))
}

async fn delete<R: Resource>(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<<R::Item as ConfigItem>::Id>,
) -> ApiResult<Response> {
    writer(&caller, R::MANAGE)?;
    let mut tx = app.admin(&caller, "").await?;
    tx.delete::<R::Item>(id, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(nothing(), rev))
}

/// `present` with each field that is given replaced; null resets a field to its default. Nested values (a name in two
/// languages, a flow's steps) are replaced whole, so that what a form sends is what is stored.
pub fn patched<T: Serialize + DeserializeOwned>(present: &T, change: Value) -> ApiResult<T> {
    let Value::Object(change) = change else { return Err(Code::Malformed.into()) };
    let mut value = serde_json::to_value(present).map_err(|e| ApiError::internal(&e))?;
    if let Some(fields) = value.as_object_mut() {
        for (key, value) in change {
            if value.is_null() {
                fields.remove(&key);
            } else {
                fields.insert(key, value);
            }
        }
    }
    crate::http::from_value(value)
}

/// Says which revision the change made.
pub fn with_revision(response: impl IntoResponse, rev: Option<u64>) -> Response {
    let mut response = response.into_response();
    if let Some(rev) = rev {
        response.headers_mut().insert(REVISION.clone(), HeaderValue::from(rev));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Fields {
        name: String,
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[test]
    fn fields_given_replace_null_resets_and_the_rest_stays() {
        let present = Fields { name: "a".into(), limit: Some(3), tags: vec!["x".into(), "y".into()] };
        let change = serde_json::json!({"limit": null, "tags": ["z"]});
        let wanted = Fields { name: "a".into(), limit: None, tags: vec!["z".into()] };
        assert_eq!(patched(&present, change).unwrap(), wanted);
        let error = patched(&present, serde_json::json!({"limit": "many"})).unwrap_err();
        assert_eq!(error.fields, [FieldProblem::new("limit", "invalid")]);
        let error = patched(&present, serde_json::json!({"name": null})).unwrap_err();
        assert_eq!(error.fields, [FieldProblem::new("name", "required")]);
        assert_eq!(patched(&present, serde_json::json!([])).unwrap_err().code, "request.malformed");
    }
}
