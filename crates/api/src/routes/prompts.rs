//! Prompts: the common operations with sound as base64 WAV, and the sound itself.
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::access::Action;
use domain::id::{BlobId, PromptId};
use domain::localized::Lang;
use serde_json::Value;
use store::{NewBlob, PromptConfig};

use crate::App;
use crate::app::Known;
use crate::auth::Caller;
use crate::dto::voice::{PromptAudio, PromptFields};
use crate::error::{ApiError, ApiResult, Code};
use crate::http::JsonBody;
use crate::http::PathId;
use crate::openapi::{Gate, Operation as Op};
use crate::routes::admin::resource_consts;
use crate::routes::resource::{self, Problems, READ, Resource, TAG, patched, reader, view, with_revision, writer};
use crate::routes::wav;

/// Two languages of 4 MiB each, in base64.
const LARGEST_BODY: usize = 12 * 1024 * 1024;
/// About four minutes at 8 kHz.
const LARGEST_WAV: usize = 4 * 1024 * 1024;

pub fn operations() -> Vec<Op> {
    let mut all = resource::reading::<PromptFields>();
    all.extend([
        resource::create_op::<PromptFields, _, _>("Prompt", create).largest_body(LARGEST_BODY),
        resource::patch_op::<PromptFields, _, _>(patch).largest_body(LARGEST_BODY),
        Op::delete("/prompts/{id}", "delete_prompt", TAG, Gate::May(Action::PromptManage), delete)
            .summary("Refused while a queue or flow plays it")
            .returns_nothing(),
        Op::get("/prompts/{id}/audio/{lang}", "get_prompt_audio", TAG, READ, audio)
            .summary("The sound of a prompt")
            .returns_media(StatusCode::OK, "audio/wav"),
    ]);
    all
}

impl Resource for PromptFields {
    type Item = PromptConfig;
    resource_consts!(PromptId, "Prompt", "prompt", "prompts", "/prompts", PromptManage);

    fn from_item(item: PromptConfig, _: &Known) -> Self {
        Self {
            name: item.name.into(),
            audio: None,
            source: item.source,
            licence: item.licence,
            languages: item.audio.keys().map(|lang| (*lang).into()).collect(),
        }
    }

    fn into_item(self, id: PromptId, previous: Option<&PromptConfig>) -> PromptConfig {
        PromptConfig {
            id,
            name: self.name.into(),
            audio: previous.map(|p| p.audio.clone()).unwrap_or_default(),
            source: self.source,
            licence: self.licence,
        }
    }

    fn check(&self, problems: &mut Problems) {
        problems.localized("name", &self.name);
        for (path, text) in [("source", &self.source), ("licence", &self.licence)] {
            if text.chars().count() > 300 {
                problems.add(path, "too_long");
            }
        }
    }
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(mut fields): JsonBody<PromptFields>,
) -> ApiResult<Response> {
    writer(&caller, Action::PromptManage)?;
    let known = app.known(caller.tenant).await?;
    let audio = store_audio(&app, &caller, fields.audio.take()).await?;
    let mut tx = resource::checked_tx(&app, &caller, &fields).await?;
    let mut item = fields.into_item(PromptId::from_parts(app.now().0, rand::random()), None);
    item.audio.extend(audio);
    let item = tx.put(item, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision((StatusCode::CREATED, Json(view::<PromptFields>(item, &known))), rev))
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<PromptId>,
    JsonBody(change): JsonBody<Value>,
) -> ApiResult<Response> {
    let scope = writer(&caller, Action::PromptManage)?;
    let known = app.known(caller.tenant).await?;
    let present = app.store().item::<PromptConfig>(scope, id).await?;
    let mut fields: PromptFields = patched(&PromptFields::from_item(present.value.clone(), &known), change)?;
    let audio = store_audio(&app, &caller, fields.audio.take()).await?;
    let mut tx = resource::checked_tx(&app, &caller, &fields).await?;
    let mut item = fields.into_item(id, Some(&present.value));
    item.audio.extend(audio);
    let item = tx.put(item, Some(present.rev)).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(Json(view::<PromptFields>(item, &known)), rev))
}

async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId<PromptId>) -> ApiResult<Response> {
    writer(&caller, Action::PromptManage)?;
    let mut tx = app.admin(&caller, "").await?;
    tx.delete::<PromptConfig>(id, None).await?;
    let rev = app.commit(caller.tenant, tx).await?;
    Ok(with_revision(crate::http::nothing(), rev))
}

/// Converts to what telephony plays (mono, 8 kHz, 16 bit) and keeps it as blobs.
async fn store_audio(app: &App, caller: &Caller, audio: Option<PromptAudio>) -> ApiResult<BTreeMap<Lang, BlobId>> {
    let mut stored = BTreeMap::new();
    let Some(audio) = audio else { return Ok(stored) };
    for (lang, path, text) in [(Lang::Zh, "audio.zh-CN", audio.zh), (Lang::En, "audio.en", audio.en)] {
        let Some(text) = text else { continue };
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| ApiError::field(path, "invalid"))?;
        if bytes.len() > LARGEST_WAV {
            return Err(ApiError::field(path, "too_long"));
        }
        let wav = wav::to_prompt(&bytes).ok_or_else(|| ApiError::field(path, "invalid"))?;
        let new = NewBlob {
            tenant: caller.tenant,
            kind: "prompt",
            content_type: "audio/wav".to_owned(),
            retain_until: None,
            sample_floor: None,
        };
        stored.insert(lang, app.store().blobs().put_bytes(new, wav, app.now()).await?.id);
    }
    Ok(stored)
}

async fn audio(
    State(app): State<App>,
    caller: Caller,
    Path((id, lang)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let scope = reader(&caller)?;
    let id: PromptId = id.parse().map_err(|_| ApiError::from(Code::NotFound))?;
    let lang = [Lang::Zh, Lang::En].into_iter().find(|l| l.as_str() == lang).ok_or(Code::NotFound)?;
    let prompt = app.store().item::<PromptConfig>(scope, id).await?;
    let blob = prompt.value.audio.get(&lang).ok_or(Code::NotFound)?;
    crate::routes::sound::serve(&app, scope, *blob, &headers).await
}
