//! The one catalogue of errors that outsiders see: stable code, HTTP status, plain cause in both languages.
//!
//! Handlers return [`ApiError`]; the router gives it the request's id. Internals stay in the log: a store or engine
//! failure is `internal` outside and an ERROR line inside. Refusals of the floor keep the floor's own code and text
//! ([`domain::input::RejectCode`]).
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::input::RejectCode;
use domain::localized::Lang;
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Stable; see the catalogue.
    pub code: String,
    pub message: Message,
    /// Which fields are wrong, for `request.invalid`.
    pub fields: Vec<FieldProblem>,
    pub request_id: String,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Message {
    #[serde(rename = "zh-CN")]
    pub zh: String,
    pub en: String,
}

impl Message {
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Such as `members[0].agent`.
    pub path: String,
    /// `required`, `invalid`, `too_long`, `too_short`, `out_of_range`, `not_found`, `taken`, `duplicate` or `unavailable`.
    pub code: String,
}

impl FieldProblem {
    pub fn new(path: impl Into<String>, code: &'static str) -> Self {
        Self { path: path.into(), code: code.to_owned() }
    }
}

macro_rules! catalogue {
    ($($name:ident = $code:literal, $status:ident, $zh:literal, $en:literal;)*) => {
        /// Codes of the API itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($name,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)* }
            }

            pub fn message(self) -> Message {
                match self { $(Code::$name => Message::new($zh, $en),)* }
            }
        }
    };
}

catalogue! {
    NotSignedIn = "auth.not_signed_in", UNAUTHORIZED, "请先登录。", "Sign in first.";
    BadCredentials = "auth.bad_credentials", UNAUTHORIZED, "邮箱或密码不正确。", "The e-mail address or password is wrong.";
    BadLink = "auth.bad_link", UNAUTHORIZED, "登录链接无效、已使用或已过期。", "The sign-in link is unknown, used or expired.";
    BadToken = "auth.bad_token", UNAUTHORIZED, "令牌无效或已过期。", "The token is unknown or expired.";
    Csrf = "auth.csrf", FORBIDDEN, "页面已过期，请刷新后重试。", "The page is out of date: reload and try again.";
    BadOrigin = "auth.bad_origin", FORBIDDEN, "不接受来自其他网站的连接。", "Connections from other sites are not accepted.";
    Forbidden = "auth.forbidden", FORBIDDEN, "你没有这项权限。", "You are not allowed to do this.";
    TooManyTries = "auth.too_many_tries", TOO_MANY_REQUESTS, "尝试次数过多，请稍后再试。", "Too many tries: wait a while.";
    NotFound = "not_found", NOT_FOUND, "没有找到。", "Not found.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "不支持这种请求方法。", "This method is not supported here.";
    Invalid = "request.invalid", UNPROCESSABLE_ENTITY, "有些内容不正确，请检查标出的字段。", "Some values are wrong: see the fields named.";
    Malformed = "request.malformed", BAD_REQUEST, "请求不是有效的 JSON 或参数有误。", "The request is not valid JSON, or a parameter is wrong.";
    TooLarge = "request.too_large", PAYLOAD_TOO_LARGE, "请求过大。", "The request is too large.";
    MediaType = "request.media_type", UNSUPPORTED_MEDIA_TYPE, "请求应为 application/json。", "Send application/json.";
    Timeout = "request.timeout", GATEWAY_TIMEOUT, "处理超时，请重试。", "This took too long: try again.";
    TooManyRequests = "request.too_many", TOO_MANY_REQUESTS, "请求过于频繁，请稍后再试。", "Too many requests: wait a while.";
    RangeNotSatisfiable = "request.range", RANGE_NOT_SATISFIABLE, "请求的范围超出文件。", "The range asked for lies outside the file.";
    IdempotencyMismatch = "idempotency.mismatch", CONFLICT, "该幂等键已用于另一个请求。", "This idempotency key was used for another request.";
    InUse = "resource.in_use", CONFLICT, "仍被其他配置引用，不能删除。", "Other configuration still refers to it.";
    Taken = "resource.taken", CONFLICT, "该名称或号码已被使用。", "This name or number is taken.";
    Stale = "resource.changed", CONFLICT, "内容已被其他人修改，请刷新后重试。", "Somebody else changed it meanwhile: reload and try again.";
    LoginShared = "login.shared", FORBIDDEN, "该登录账号也属于其他企业，只能由本人修改。", "This login belongs to other companies too: only its owner can change it.";
    PasswordWeak = "login.password_weak", UNPROCESSABLE_ENTITY, "密码至少 10 个字符。", "A password has at least 10 characters.";
    FlowInvalid = "flow.invalid", UNPROCESSABLE_ENTITY, "流程有问题，不能发布。", "The flow has problems and cannot be published.";
    BulkTooMany = "bulk.too_many", UNPROCESSABLE_ENTITY, "一次最多 1,000 行。", "At most 1,000 rows at once.";
    NumbersMasked = "numbers.masked", FORBIDDEN, "客户号码已隐藏，不能按号码查找。", "Customers' numbers are hidden: they cannot be searched for.";
    RecordingDeleted = "recording.deleted", GONE, "录音已到保存期，已被删除。", "The recording was deleted because its time was over.";
    LegalHold = "recording.legal_hold", CONFLICT, "录音依法保留，不能删除。", "The recording is kept for legal reasons and cannot be deleted.";
    RecordingNotReady = "recording.not_ready", CONFLICT, "录音仍在保存。", "The recording is still being stored.";
    ReportRange = "report.range", UNPROCESSABLE_ENTITY, "时间范围过大或颠倒。", "The range is reversed or too long.";
    NotAnAgent = "agent.none", CONFLICT, "当前用户不是座席。", "The signed-in user is no agent.";
    NotLeading = "tab.not_leading", CONFLICT, "另一个标签页正在接听，本页只读。", "Another tab is leading; this one is read-only.";
    LeadTaken = "tab.lead_taken", CONFLICT, "另一个标签页接管了通话，本页变为只读。", "Another tab has taken over; this one is read-only now.";
    NoMicrophone = "microphone.unavailable", CONFLICT, "麦克风不可用，暂不派单。", "The microphone cannot be used: no offers come.";
    DeviceBadSdp = "device.bad_sdp", UNPROCESSABLE_ENTITY, "浏览器的媒体描述无法识别。", "The browser's media description was not understood.";
    DeviceUnavailable = "device.unavailable", SERVICE_UNAVAILABLE, "媒体服务暂不可用，请稍后重试。", "Media is not available at the moment: try again.";
    DemoUnavailable = "demo.unavailable", CONFLICT, "没有可用于演示的技能组。", "There is no queue for the demo call.";
    SocketProtocol = "socket.protocol", BAD_REQUEST, "消息不符合协议。", "The message does not follow the protocol.";
    SocketSlow = "socket.slow", TOO_MANY_REQUESTS, "连接过慢，请重新连接。", "The connection is too slow: reconnect.";
    Overloaded = "system.overloaded", SERVICE_UNAVAILABLE, "系统繁忙，请稍后重试。", "The system is busy: try again shortly.";
    NotSaved = "system.not_saved", SERVICE_UNAVAILABLE, "数据库和本地缓冲都无法写入，暂不接受新的会话。", "Neither the database nor the spool can be written: nothing new is accepted for now.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "系统出错，请凭请求编号联系管理员。", "Something went wrong: tell the administrator the request id.";
}

/// What a handler returns when it cannot do what was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: Message,
    pub fields: Vec<FieldProblem>,
    pub retry_after_s: Option<u64>,
}

pub type ApiResult<T> = Result<T, ApiError>;

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self {
            status: code.status(),
            code: code.as_str(),
            message: code.message(),
            fields: Vec::new(),
            retry_after_s: None,
        }
    }
}

impl From<RejectCode> for ApiError {
    fn from(code: RejectCode) -> Self {
        let status = match code {
            RejectCode::AgentUnknown
            | RejectCode::DeviceUnknown
            | RejectCode::InteractionUnknown
            | RejectCode::NumberUnknown
            | RejectCode::QueueUnknown
            | RejectCode::RouteMissing
            | RejectCode::TargetUnknown
            | RejectCode::TrunkUnknown => StatusCode::NOT_FOUND,
            RejectCode::BreakReasonUnknown
            | RejectCode::DigitsInvalid
            | RejectCode::DispositionUnknown
            | RejectCode::NumberInternal
            | RejectCode::NumberInvalid => StatusCode::UNPROCESSABLE_ENTITY,
            RejectCode::NumberForbidden => StatusCode::FORBIDDEN,
            RejectCode::LimitCalls
            | RejectCode::LimitOutbound
            | RejectCode::LimitSeats
            | RejectCode::LimitSpend
            | RejectCode::LimitSpendAgent => StatusCode::TOO_MANY_REQUESTS,
            RejectCode::InputUnexpected => StatusCode::INTERNAL_SERVER_ERROR,
            RejectCode::AgentNotSignedIn
            | RejectCode::AgentBusy
            | RejectCode::DeviceNotReady
            | RejectCode::DeviceNotYours
            | RejectCode::DispositionRequired
            | RejectCode::LegDuplicate
            | RejectCode::OfferGone
            | RejectCode::ParkFull
            | RejectCode::QueueFull
            | RejectCode::RecordingRuled
            | RejectCode::RouteDown
            | RejectCode::SegmentNotYours
            | RejectCode::SegmentState
            | RejectCode::SupervisorNotSignedIn
            | RejectCode::TargetUnavailable => StatusCode::CONFLICT,
        };
        Self {
            status,
            code: code.as_str(),
            message: Message::new(code.text(Lang::Zh), code.text(Lang::En)),
            fields: Vec::new(),
            retry_after_s: None,
        }
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        match error {
            E::NotFound { .. } => Code::NotFound.into(),
            E::Stale { .. } => Code::Stale.into(),
            E::Conflict { .. } => Code::Taken.into(),
            // The message says which side is wrong; a missing object may be another tenant's, so no more is told.
            E::Reference { what, object } if what.starts_with("refers") => ApiError::field(object, "not_found"),
            E::Reference { .. } => Code::InUse.into(),
            E::Invalid { what, .. } => ApiError::field(what, "invalid"),
            E::Full { .. } => ApiError::from(Code::Overloaded).retry_after(5),
            e if e.is_unavailable() => {
                tracing::warn!(error = %e, "the store is unavailable");
                ApiError::from(Code::Overloaded).retry_after(2)
            }
            e => ApiError::internal(&e),
        }
    }
}

impl From<engine::CommandError> for ApiError {
    fn from(error: engine::CommandError) -> Self {
        use engine::CommandError as E;
        match error {
            E::Rejected(code) => code.into(),
            E::Store(e) => e.into(),
            E::NoFloor => Code::NotFound.into(),
            E::NoDemoNumber => Code::DemoUnavailable.into(),
            E::NotSaved => ApiError::from(Code::NotSaved).retry_after(5),
            E::Stopping => ApiError::from(Code::Overloaded).retry_after(5),
            E::Telephony => ApiError::from(Code::DeviceUnavailable).retry_after(5),
            E::DemoBusy | E::TestsBusy => ApiError::from(Code::TooManyRequests).retry_after(30),
        }
    }
}

impl ApiError {
    /// `request.invalid` with the fields named.
    pub fn fields(fields: Vec<FieldProblem>) -> Self {
        Self { fields, ..Code::Invalid.into() }
    }

    pub fn field(path: impl Into<String>, code: &'static str) -> Self {
        Self::fields(vec![FieldProblem::new(path, code)])
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Logs the cause, tells the outside only `internal`.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        let mut text = cause.to_string();
        let mut next = cause.source();
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        tracing::error!(cause = %text, "request failed");
        Code::Internal.into()
    }

    pub fn problem(&self, request_id: &str) -> Problem {
        Problem {
            code: self.code.to_owned(),
            message: self.message.clone(),
            fields: self.fields.clone(),
            request_id: request_id.to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    /// The router's outermost layer writes the body, since it knows the request's id ([`crate::http::finish`]).
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem(""))).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_told_in_both_languages() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            let message = code.message();
            assert!(!message.zh.is_empty() && !message.en.is_empty());
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
        for code in RejectCode::ALL {
            assert!(seen.insert(code.as_str()), "{} stands in both catalogues", code.as_str());
            assert!(ApiError::from(*code).status.as_u16() >= 400);
        }
    }
}
