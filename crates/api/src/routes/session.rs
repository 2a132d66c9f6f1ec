//! Signing in and out, who I am, API tokens.
use axum::http::StatusCode;

use crate::dto::people::{ApiToken, ApiTokenCreated, ApiTokenNew};
use crate::dto::session::{Me, MePatch, SignIn, SignInLink};
use crate::http::unwritten as u;
use crate::openapi::{Action, Gate, Operation as Op};

const TAG: &str = "session";

pub fn operations() -> Vec<Op> {
    vec![
        Op::post("/sign-in", "sign_in", TAG, Gate::Anonymous, u)
            .summary("Sign in with e-mail and password; sets the session cookie")
            .body::<SignIn>()
            .returns::<Me>(StatusCode::OK),
        Op::post("/sign-in/link", "sign_in_by_link", TAG, Gate::Anonymous, u)
            .summary("Sign in with a one-time link's token")
            .body::<SignInLink>()
            .returns::<Me>(StatusCode::OK),
        Op::post("/sign-out", "sign_out", TAG, Gate::SignedIn, u).summary("End this session").returns_nothing(),
        Op::get("/me", "get_me", TAG, Gate::SignedIn, u)
            .summary("Who I am and what I may do")
            .returns::<Me>(StatusCode::OK),
        Op::patch("/me", "patch_me", TAG, Gate::SignedIn, u)
            .summary("Change my language or password")
            .body::<MePatch>()
            .returns::<Me>(StatusCode::OK),
        Op::get("/tokens", "list_tokens", TAG, Gate::May(Action::Configure), u)
            .summary("API tokens")
            .returns_page::<ApiToken>(),
        Op::post("/tokens", "create_token", TAG, Gate::May(Action::Configure), u)
            .summary("Make an API token with my rights; its secret is shown once")
            .idempotent()
            .body::<ApiTokenNew>()
            .returns::<ApiTokenCreated>(StatusCode::CREATED),
        Op::delete("/tokens/{id}", "delete_token", TAG, Gate::May(Action::Configure), u)
            .summary("Revoke an API token")
            .returns_nothing(),
    ]
}
