//! The embedded web console: files under their hashed names, `index.html` for every other path of the console.
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// One embedded file.
pub struct Asset {
    pub path: &'static str,
    media_type: &'static str,
    /// Strong entity tag with its quotes.
    tag: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

/// The fallback of the API's router.
pub fn router() -> Router {
    Router::new().fallback(serve)
}

async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let find = |path: &str| ASSETS.iter().find(|a| a.path == path);
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let Some(asset) = find(path).or_else(|| if is_file { None } else { find("index.html") }) else {
        if ASSETS.is_empty() {
            return (StatusCode::NOT_FOUND, "This build carries no web console.").into_response();
        }
        return StatusCode::NOT_FOUND.into_response();
    };
    // Vite puts a hash of the content into the names under assets/.
    let cache = if asset.path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    if headers.get(header::IF_NONE_MATCH).is_some_and(|t| t.as_bytes() == asset.tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, asset.tag), (header::CACHE_CONTROL, cache)]).into_response();
    }
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (body, encoding) = match (asset.br, asset.gz) {
        (Some(br), _) if accepted.contains("br") => (br, Some("br")),
        (_, Some(gz)) if accepted.contains("gzip") => (gz, Some("gzip")),
        _ => (asset.plain, None),
    };
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, asset.media_type)
        .header(header::ETAG, asset.tag)
        .header(header::CACHE_CONTROL, cache)
        .header(header::VARY, "accept-encoding");
    if let Some(encoding) = encoding {
        response = response.header(header::CONTENT_ENCODING, encoding);
    }
    response.body(Body::from(body)).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
