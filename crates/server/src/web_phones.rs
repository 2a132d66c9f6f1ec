//! SIP over WebSocket (RFC 7118): softphones in browsers and programs connect to `/sip` of the web ports with the sub-protocol
//! `sip`. This carries whole messages between them and telephony and reads none; who may call is decided there, by digest.
//!
//! Bounds: one message is at most what SIP takes in a datagram; a phone that does not take [`WAITING`] messages, says nothing
//! at first or answers no pings is closed. Pages of other sites may connect only if the operator names them.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use telephony::{WebDoor, WebPhone};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};

/// The sub-protocol (RFC 7118 §4).
const PROTOCOL: &str = "sip";
/// As a datagram.
const LARGEST: usize = 65_535;
/// Messages to one phone that the network has not taken yet: a call is a dozen.
const WAITING: usize = 64;
/// Bytes of them in the connection's own buffer.
const UNSENT_MAX: usize = 256 * 1024;
/// NATs and proxies forget connections after a minute of silence.
const PING: Duration = Duration::from_secs(25);
/// Two pings unanswered.
const SILENT: Duration = Duration::from_secs(60);
/// Strangers who connect and say nothing (as with TCP).
const FIRST_WORD: Duration = Duration::from_secs(32);
/// A message not taken by the network in this time.
const SLOW: Duration = Duration::from_secs(5);
/// Telephony is behind: tried again this often.
const AGAIN: Duration = Duration::from_millis(5);

/// The two ends of the connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub is_secure: bool,
}

#[derive(Clone)]
struct Phones {
    door: WebDoor,
    /// Sites whose pages may connect, beside our own.
    origins: Arc<[String]>,
}

/// `/sip`. `origins`: other sites whose pages may connect, as `https://phones.example`; `*` is all.
pub fn router(door: WebDoor, origins: &[String]) -> Router {
    Router::new().route("/sip", any(connect)).with_state(Phones { door, origins: origins.into() })
}

async fn connect(
    State(phones): State<Phones>,
    Extension(way): Extension<Way>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_welcome(&headers, &phones.origins) {
        return (StatusCode::FORBIDDEN, "pages of this site may not connect: see --sip-origins\n").into_response();
    }
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .max_write_buffer_size(UNSENT_MAX);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the sub-protocol is sip (RFC 7118)\n").into_response();
    }
    upgrade.on_upgrade(async move |socket| serve(socket, &phones.door, way).await)
}

/// A browser names the page's site; programs name none.
fn is_welcome(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let is_ours = origin.split_once("://").is_some_and(|(_, site)| !host.is_empty() && site.eq_ignore_ascii_case(host));
    is_ours || origins.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
}

async fn serve(mut socket: WebSocket, door: &WebDoor, way: Way) {
    let (to_phone, mut waiting) = mpsc::channel::<Bytes>(WAITING);
    let send = Box::new(move |bytes: &[u8]| to_phone.try_send(Bytes::copy_from_slice(bytes)).is_ok());
    let Ok(phone) = door.open(way.local, way.peer, way.is_secure, send) else { return };
    let mut ping = interval(PING);
    ping.reset();
    let (mut heard, mut has_spoken) = (Instant::now(), false);
    loop {
        let patience = if has_spoken { SILENT } else { FIRST_WORD };
        tokio::select! {
            came = timeout(patience.saturating_sub(heard.elapsed()), socket.recv()) => {
                let Ok(Some(Ok(message))) = came else { break };
                let bytes = match message {
                    Message::Text(text) => Bytes::from(text),
                    Message::Binary(bytes) => bytes,
                    Message::Ping(_) | Message::Pong(_) => {
                        // Who never said a word of SIP is not kept by pongs.
                        if has_spoken {
                            heard = Instant::now();
                        }
                        continue;
                    }
                    Message::Close(_) => break,
                };
                (heard, has_spoken) = (Instant::now(), true);
                if !pass_on(&phone, bytes.into()).await {
                    break;
                }
            }
            message = waiting.recv() => {
                // Given up by telephony.
                let Some(bytes) = message else { break };
                let message = match String::from_utf8(bytes.to_vec()) {
                    Ok(text) => Message::Text(text.into()),
                    Err(_) => Message::Binary(bytes),
                };
                if !sent(&mut socket, message).await {
                    return;
                }
            }
            _ = ping.tick() => {
                if !sent(&mut socket, Message::Ping(Bytes::new())).await {
                    return;
                }
            }
        }
    }
    sent(&mut socket, Message::Close(None)).await;
}

async fn sent(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(SLOW, socket.send(message)).await, Ok(Ok(())))
}

/// While telephony is behind, the connection is read no further. False if that takes too long.
async fn pass_on(phone: &WebPhone, mut bytes: Vec<u8>) -> bool {
    let since = Instant::now();
    while let Err(telephony::Busy(back)) = phone.message(bytes) {
        if since.elapsed() > SLOW {
            return false;
        }
        bytes = back;
        sleep(AGAIN).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_other_sites_are_welcome_only_by_name() {
        let headers = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("desk.example:8443"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            headers
        };
        let named = ["https://phones.example".to_owned()];
        assert!(is_welcome(&headers(None), &[]));
        assert!(is_welcome(&headers(Some("https://desk.example:8443")), &[]));
        assert!(!is_welcome(&headers(Some("https://phones.example")), &[]));
        assert!(is_welcome(&headers(Some("https://Phones.example")), &named));
        assert!(!is_welcome(&headers(Some("null")), &named));
        assert!(is_welcome(&headers(Some("https://any.example")), &["*".to_owned()]));
    }
}
