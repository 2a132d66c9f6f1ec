//! The same message in our parser and in another maker's (crate `sipx-sip`). Asserts: both accept it or both refuse it, and
//! what both accept means the same to both: method or status, request-URI, top Via, tags, Call-ID, CSeq, body. Where they
//! are known to differ, [`super::known`] says who is right; any other difference fails.

use bytes::Bytes;
use sip::msg::{Message, Scheme, StartLine, Uri};
use sipx_sip::headers::{CSeq, CallId, From, To, Via};
use sipx_sip::validate::{Finding, validate};
use sipx_sip::{Limits, parser};

use super::known::{self, Kind};
use crate::{Target, corpus};

pub const TARGET: Target = Target {
    name: "sip_other",
    run,
    seeds: corpus::torture,
    max_len: 16_384,
    is_text: true,
    // Two parsers, and the other one is not ours to bound.
    bytes_per_octet: 400,
    bytes_besides: 256 * 1024,
};

fn run(bytes: &[u8]) {
    for (kind, what) in differences(bytes) {
        assert!(
            known::is_known(kind, &what, bytes),
            "unknown disagreement: {kind:?} {what}\n{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

/// Where the two do not agree.
pub fn differences(bytes: &[u8]) -> Vec<(Kind, String)> {
    let theirs = parser::parse_datagram(Bytes::copy_from_slice(bytes), &Limits::datagram());
    match (Message::parse(bytes), theirs) {
        (Err(_), Err(_)) => Vec::new(),
        (Err(reject), Ok(theirs)) => match refusal(&theirs) {
            Some(_) => Vec::new(),
            None => vec![(Kind::WeRefuse, reject.reason.to_owned())],
        },
        (Ok(_), Err(error)) => vec![(Kind::TheyRefuse, format!("{error:?}"))],
        (Ok(ours), Ok(theirs)) => match refusal(&theirs) {
            Some(finding) => vec![(Kind::TheyRefuse, format!("{finding:?}"))],
            None => compare(&ours, &theirs).into_iter().map(|what| (Kind::Differ, what)).collect(),
        },
    }
}

/// Why the other one would not act on a message that it could read. That a proxy may repair a missing Max-Forwards is its
/// own word (RFC 3261 §16.6).
fn refusal(theirs: &sipx_sip::Message) -> Option<Finding> {
    validate(theirs).into_iter().find(|finding| !finding.is_repairable())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn compare(ours: &Message, theirs: &sipx_sip::Message) -> Vec<String> {
    let mut out = Vec::new();
    let mut same = |what: &str, ours: Option<String>, theirs: Option<String>| {
        if ours != theirs {
            out.push(format!("{what}: {ours:?} and {theirs:?}"));
        }
    };
    match (&ours.start, theirs) {
        (StartLine::Request { method, uri }, sipx_sip::Message::Request(request)) => {
            same("method", Some(method.text().to_owned()), Some(lossy(request.method.as_bytes())));
            uris("request-uri", uri, &request.uri, &mut same);
        }
        (StartLine::Response { code, .. }, sipx_sip::Message::Response(response)) => {
            same("status", Some(code.to_string()), Some(response.status.code().to_string()));
        }
        _ => same("kind", Some("one".to_owned()), Some("other".to_owned())),
    }
    let headers = theirs.headers();
    if let Some(Ok(to)) = headers.typed::<To>() {
        same("to-tag", ours.to.tag().map(str::to_owned), to.0.tag().map(lossy));
        uris("to-uri", &ours.to.uri, &to.0.uri, &mut same);
    }
    if let Some(Ok(from)) = headers.typed::<From>() {
        same("from-tag", ours.from.tag().map(str::to_owned), from.0.tag().map(lossy));
        uris("from-uri", &ours.from.uri, &from.0.uri, &mut same);
    }
    if let Some(Ok(id)) = headers.typed::<CallId>() {
        same("call-id", Some(ours.call_id().to_owned()), Some(lossy(&id.0)));
    }
    if let Some(Ok(cseq)) = headers.typed::<CSeq>() {
        same("cseq-number", Some(ours.cseq.number.to_string()), Some(cseq.sequence.to_string()));
        same("cseq-method", Some(ours.cseq.method.text().to_owned()), Some(lossy(cseq.method.as_bytes())));
    }
    if let Some(Ok(via)) = headers.typed_all::<Via>().next() {
        same("via-transport", Some(ours.via.transport.clone()), Some(lossy(&via.transport).to_ascii_uppercase()));
        same("via-host", Some(ours.via.host.clone()), Some(lossy(&via.host.to_bytes()).to_ascii_lowercase()));
        same("via-port", ours.via.port.map(|p| p.to_string()), via.port.map(|p| p.to_string()));
        same(
            "via-branch",
            ours.via.params.get("branch").filter(|b| !b.is_empty()).map(str::to_owned),
            via.branch().map(lossy),
        );
    }
    same("body", Some(lossy(ours.body())), Some(lossy(theirs.body())));
    out
}

fn uris(
    what: &str,
    ours: &Uri,
    theirs: &sipx_sip::uri::Uri,
    same: &mut impl FnMut(&str, Option<String>, Option<String>),
) {
    let scheme = match &ours.scheme {
        Scheme::Sip => "sip",
        Scheme::Sips => "sips",
        Scheme::Tel => "tel",
        Scheme::Other(name) => name,
    };
    same(
        &format!("{what}-scheme"),
        Some(scheme.to_owned()),
        Some(lossy(theirs.scheme().as_bytes()).to_ascii_lowercase()),
    );
    if !ours.is_sip() || !theirs.scheme().is_sip() {
        return;
    }
    same(&format!("{what}-user"), ours.user.clone(), theirs.user().map(lossy));
    same(&format!("{what}-password"), ours.password.clone(), theirs.password().map(lossy));
    same(
        &format!("{what}-host"),
        Some(ours.host.clone()),
        theirs.host().map(|host| lossy(&host.to_bytes()).to_ascii_lowercase()),
    );
    same(&format!("{what}-port"), ours.port.map(|p| p.to_string()), theirs.port().map(|p| p.to_string()));
}
