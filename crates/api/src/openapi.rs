//! Operations as data, and the OpenAPI document made of them.
//!
//! An [`Operation`] says everything once: path, method, who may, parameters, bodies, and the handler. The router
//! (`crate::router`), the document (`web/openapi.json`), the permission gate and the two-tenant test all read the
//! same list, so none of them can forget one.
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use domain::access::Action;

use crate::App;

/// Who may call an operation; the router enforces it before the handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Nobody needs to be signed in.
    Anonymous,
    /// Any member of a tenant, about themselves.
    SignedIn,
    /// Some grant must hold the action; the handler asks `domain::access::may` with the resource.
    May(Action),
}

pub struct Operation {
    pub method: Method,
    /// Below `/api/v1`, with `{id}` parameters.
    pub path: String,
    /// `list_queues`; unique.
    pub id: String,
    pub summary: &'static str,
    pub tag: &'static str,
    pub gate: Gate,
    pub handler: MethodRouter<App>,
    params: Vec<Value>,
    body: Option<Value>,
    responses: Map<String, Value>,
    schemas: Vec<(String, Value)>,
    largest_body: usize,
}

/// Bodies are small JSON; prompts and bulk rows say otherwise.
pub const DEFAULT_BODY: usize = 256 * 1024;

macro_rules! verbs {
    ($($verb:ident = $method:ident;)*) => {
        impl Operation {$(
            pub fn $verb<H, T>(
                path: impl Into<String>,
                id: impl Into<String>,
                tag: &'static str,
                gate: Gate,
                handler: H,
            ) -> Self
            where
                H: Handler<T, App>,
                T: 'static,
            {
                let handler = on(MethodFilter::$method, handler);
                Self::new(Method::$method, path.into(), id.into(), tag, gate, handler)
            }
        )*}
    };
}

verbs! {
    get = GET;
    post = POST;
    put = PUT;
    patch = PATCH;
    delete = DELETE;
}

impl Operation {
    fn new(
        method: Method,
        path: String,
        id: String,
        tag: &'static str,
        gate: Gate,
        handler: MethodRouter<App>,
    ) -> Self {
        let params = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        Self {
            method,
            path,
            id,
            summary: "",
            tag,
            gate,
            handler,
            params,
            body: None,
            responses: Map::new(),
            schemas: vec![schema_of::<crate::error::Problem>()],
            largest_body: DEFAULT_BODY,
        }
        .nested::<crate::error::Problem>()
    }

    pub fn summary(mut self, text: &'static str) -> Self {
        self.summary = text;
        self
    }

    pub fn query(mut self, name: &str, kind: &str, description: &str) -> Self {
        self.params.push(json!({
            "name": name, "in": "query", "required": false, "description": description, "schema": {"type": kind},
        }));
        self
    }

    /// `limit` and `cursor`.
    pub fn paged(self) -> Self {
        self.query("limit", "integer", "1–200, 50 if left out").query(
            "cursor",
            "string",
            "`next_cursor` of the former page",
        )
    }

    /// A create: repeating it with the same key gives the first answer for 24 h.
    pub fn idempotent(mut self) -> Self {
        self.params.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "schema": {"type": "string", "maxLength": 100},
        }));
        self
    }

    pub fn is_idempotent(&self) -> bool {
        self.params.iter().any(|p| p["name"] == "Idempotency-Key")
    }

    /// Answers a GET by becoming a WebSocket.
    pub fn is_socket(&self) -> bool {
        self.responses.contains_key("101")
    }

    pub fn largest_body(mut self, bytes: usize) -> Self {
        self.largest_body = bytes;
        self
    }

    pub fn body_limit(&self) -> usize {
        self.largest_body
    }

    pub fn body<T: ToSchema>(self) -> Self {
        let mut this = self.with::<T>();
        this.body = Some(reference(&T::name()));
        this
    }

    /// A body whose schema is made by [`Fields`].
    pub fn body_named(mut self, name: &str) -> Self {
        self.body = Some(reference(name));
        self
    }

    pub fn returns<T: ToSchema>(self, status: StatusCode) -> Self {
        let this = self.with::<T>();
        let name = T::name();
        this.returns_named(status, &name)
    }

    pub fn returns_named(mut self, status: StatusCode, name: &str) -> Self {
        self.responses.insert(
            status.as_str().to_owned(),
            json!({"description": "", "content": {"application/json": {"schema": reference(name)}}}),
        );
        self
    }

    pub fn returns_page<T: ToSchema>(self) -> Self {
        let this = self.with::<T>();
        let name = T::name();
        this.returns_page_named(&name)
    }

    pub fn returns_page_named(mut self, item: &str) -> Self {
        let page = format!("{item}Page");
        self.schemas.push((
            page.clone(),
            json!({
                "type": "object",
                "required": ["items", "next_cursor"],
                "properties": {
                    "items": {"type": "array", "items": reference(item)},
                    "next_cursor": {"type": ["string", "null"]},
                },
            }),
        ));
        self.paged().returns_named(StatusCode::OK, &page)
    }

    pub fn returns_nothing(mut self) -> Self {
        self.responses.insert("204".to_owned(), json!({"description": ""}));
        self
    }

    pub fn returns_media(mut self, status: StatusCode, media_type: &str) -> Self {
        let media = json!({"schema": {"type": "string", "format": "binary"}});
        let entry = self.responses.entry(status.as_str().to_owned()).or_insert_with(|| json!({"description": ""}));
        entry["content"][media_type] = media;
        self
    }

    /// The three schemas of a configuration resource, made from the struct of its fields.
    pub fn resource<T: ToSchema>(mut self, name: &str) -> Self {
        let (_, fields) = schema_of::<T>();
        self.schemas.extend(resource_schemas(name, fields));
        self.nested::<T>()
    }

    /// Any subset of the fields of `T`.
    pub fn body_patch<T: ToSchema>(mut self, name: &str) -> Self {
        let (_, fields) = schema_of::<T>();
        self.schemas.push((name.to_owned(), patch_of(fields)));
        self.body_named(name).nested::<T>()
    }

    /// A schema that belongs to the document without being a body, such as a socket's message.
    pub fn with<T: ToSchema>(mut self) -> Self {
        self.schemas.push(schema_of::<T>());
        self.nested::<T>()
    }

    fn nested<T: ToSchema>(mut self) -> Self {
        let mut found = Vec::new();
        T::schemas(&mut found);
        self.schemas.extend(found.into_iter().map(|(name, schema)| (name, to_json(&schema))));
        self
    }

    fn to_value(&self) -> Value {
        let mut responses = self.responses.clone();
        responses.insert(
            "default".to_owned(),
            json!({"description": "", "content": {"application/json": {"schema": reference("Problem")}}}),
        );
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "parameters": self.params,
            "responses": responses,
        });
        if let Some(schema) = &self.body {
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        }
        if self.gate == Gate::Anonymous {
            operation["security"] = json!([]);
        }
        operation
    }
}

/// The document of all operations. Deterministic: keys are sorted.
pub fn document(operations: &[Operation]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for operation in operations {
        let path = paths.entry(format!("/api/v1{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = operation.to_value();
        for (name, schema) in &operation.schemas {
            schemas.insert(name.clone(), schema.clone());
        }
    }
    for schema in schemas.values_mut().filter(|s| has_read_only(s)) {
        keep_properties(schema, |p| p["readOnly"] != true);
    }
    require_what_is_always_sent(&mut schemas, operations);
    sorted(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cordboard",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"cookie": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": crate::auth::COOKIE},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "cbt_…"},
            },
        },
    }))
}

/// The document as committed: indented, with a final newline.
pub fn text(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn schema_of<T: ToSchema>() -> (String, Value) {
    (T::name().into_owned(), to_json(&T::schema()))
}

fn to_json(schema: &impl serde::Serialize) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// `Queue` (all fields and `id`), `QueueNew` (what may be written) and `QueuePatch` (the same, nothing required).
fn resource_schemas(name: &str, fields: Value) -> Vec<(String, Value)> {
    let mut new = fields.clone();
    keep_properties(&mut new, |p| p["readOnly"] != true);
    let mut view = fields;
    keep_properties(&mut view, |p| p["writeOnly"] != true);
    if let Some(properties) = view["properties"].as_object_mut() {
        properties.insert("id".to_owned(), json!({"type": "string"}));
        for property in properties.values_mut().filter_map(Value::as_object_mut) {
            property.remove("readOnly");
        }
    }
    require_all(&mut view);
    vec![(name.to_owned(), view), (format!("{name}Patch"), patch_of(new.clone())), (format!("{name}New"), new)]
}

fn patch_of(mut fields: Value) -> Value {
    keep_properties(&mut fields, |p| p["readOnly"] != true);
    if let Some(object) = fields.as_object_mut() {
        object.remove("required");
    }
    fields
}

/// A struct of fields seen through a body that holds it, such as a bulk request's rows.
fn has_read_only(schema: &Value) -> bool {
    schema["properties"].as_object().is_some_and(|p| p.values().any(|v| v["readOnly"] == true))
}

fn keep_properties(schema: &mut Value, keep: impl Fn(&Value) -> bool) {
    let Some(properties) = schema["properties"].as_object_mut() else { return };
    properties.retain(|_, p| keep(p));
    let kept: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|name| kept.contains(name));
    }
}

/// Answers always carry every property (null where there is nothing), which serde's `Option` does not tell utoipa.
/// Schemas that also occur in requests keep their optional properties.
fn require_what_is_always_sent(schemas: &mut Map<String, Value>, operations: &[Operation]) {
    let mut received = Vec::new();
    for operation in operations {
        references(&operation.body.clone().unwrap_or_default(), &mut received);
    }
    received.extend(["ClientMessage".to_owned(), "PublicClientMessage".to_owned()]);
    let mut next = 0;
    while let Some(name) = received.get(next).cloned() {
        let mut found = Vec::new();
        references(schemas.get(&name).unwrap_or(&Value::Null), &mut found);
        for name in found {
            if !received.contains(&name) {
                received.push(name);
            }
        }
        next += 1;
    }
    for (name, schema) in schemas.iter_mut() {
        if !received.contains(name) {
            require_all(schema);
        }
    }
}

fn require_all(schema: &mut Value) {
    if schema["type"] == "object"
        && let Some(properties) = schema["properties"].as_object()
    {
        let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
        schema["required"] = Value::Array(names);
    }
    for key in ["oneOf", "allOf"] {
        if let Some(parts) = schema.get_mut(key).and_then(Value::as_array_mut) {
            parts.iter_mut().for_each(require_all);
        }
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
                found.push(name.to_owned());
            }
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Keys in order, whichever map serde_json was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
