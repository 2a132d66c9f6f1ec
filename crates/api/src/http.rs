//! Provisional.
pub async fn unwritten() -> axum::http::StatusCode {
    axum::http::StatusCode::NOT_IMPLEMENTED
}
