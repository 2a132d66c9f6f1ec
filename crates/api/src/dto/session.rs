//! Signing in and out, who I am, the customer page's guest sessions.
use domain::id::{AgentId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::{Lang, Localized};
use super::people::Grant;

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SignIn {
    #[schema(max_length = 200)]
    pub email: String,
    #[schema(max_length = 200, format = "password")]
    pub password: String,
    /// Which membership, for a login with several; else the first by name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub tenant: Option<TenantId>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SignInLink {
    #[schema(max_length = 200)]
    pub token: String,
}

/// The signed-in person. Also the answer to signing in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Me {
    pub login: MeLogin,
    #[schema(value_type = String)]
    pub user: UserId,
    pub name: String,
    pub lang: Lang,
    /// IANA name: the user's, else the tenant's.
    pub time_zone: String,
    pub tenant: MeTenant,
    /// Every tenant this login may choose at sign-in.
    pub tenants: Vec<MeTenant>,
    pub grants: Vec<Grant>,
    /// The actions these grants allow somewhere, for showing and hiding; the server checks each request anyway.
    pub actions: Vec<String>,
    /// Customers' numbers are shown to this person in part.
    pub numbers_masked: bool,
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    /// To be sent as `X-CSRF-Token`; null with an API token.
    pub csrf_token: Option<String>,
    pub languages: Vec<Lang>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeLogin {
    #[schema(value_type = String)]
    pub id: domain::id::LoginId,
    pub email: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeTenant {
    #[schema(value_type = String)]
    pub id: TenantId,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct MePatch {
    #[serde(default)]
    pub lang: Option<Lang>,
    /// Change of one's own password wants the present one.
    #[serde(default)]
    pub password: Option<PasswordChange>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct PasswordChange {
    #[schema(max_length = 200, format = "password")]
    pub current: String,
    #[schema(min_length = 10, max_length = 200, format = "password")]
    pub new: String,
}

/// What the customer page of a tenant offers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublicTenant {
    #[schema(value_type = String)]
    pub id: TenantId,
    pub name: String,
    pub lang: Lang,
    pub numbers: Vec<PublicNumber>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublicNumber {
    #[schema(value_type = String)]
    pub id: domain::id::NumberId,
    pub number: String,
    pub name: Localized,
}

/// A guest: the token opens `/public/socket` until `expires_at`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GuestSession {
    pub token: String,
    pub expires_at: i64,
}
