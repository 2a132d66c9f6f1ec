//! What an INVITE says of its caller beside From: the identity a trusted network vouches for (RFC 3325), the wish to stay
//! unknown (RFC 3323), whose call it was first (RFC 5806, RFC 7044), and what is known of the number's truth (RFC 8224,
//! RFC 8588, 3GPP TS 24.229 §7.2A.20).
use crate::msg::{Message, Name, NameAddr, Scheme, Uri};
use crate::passport;

/// What of it is believed: each only from a network whose operator answers for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust {
    /// P-Asserted-Identity, Remote-Party-ID, Diversion, History-Info.
    pub identity: bool,
    /// What the network says it has checked.
    pub verification: bool,
}

/// Who calls, as far as the message says and is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// User part without parameters, unescaped; empty if there is none.
    pub user: String,
    pub host: String,
    pub display: Option<String>,
    /// He wants to stay unknown to whom he calls. The other fields are what the message says all the same.
    pub withheld: bool,
    /// Who was called first, before somebody sent the call here.
    pub diverted: Option<Party>,
    pub verified: Option<Verified>,
}

/// Somebody named by a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// As [`Caller::user`].
    pub user: String,
    pub host: String,
    pub withheld: bool,
}

/// What is known of whether the caller may use his number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// By the network that brings the call; `None`: it does not say, or is not asked.
    pub passed: Option<bool>,
    /// What the network where the call began says of itself.
    pub attested: Option<Attestation>,
}

/// RFC 8588 §4: how well the network where the call began knows the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestation {
    /// A: the caller, and that the number is his.
    Full,
    /// B: the caller, not the number.
    Partial,
    /// C: only where the call came in.
    Gateway,
}

impl Attestation {
    pub(crate) fn of(letter: &str) -> Option<Self> {
        match letter {
            "A" | "a" => Some(Self::Full),
            "B" | "b" => Some(Self::Partial),
            "C" | "c" => Some(Self::Gateway),
            _ => None,
        }
    }

    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Full => "A",
            Self::Partial => "B",
            Self::Gateway => "C",
        }
    }
}

/// Reads an INVITE. A header that is no use is passed over.
pub fn caller(invite: &Message, trust: Trust) -> Caller {
    let asserted = || {
        let all: Vec<NameAddr> =
            invite.list(Name::PAssertedIdentity).filter_map(|v| NameAddr::parse(v).ok()).filter(is_somebody).collect();
        // One is for the telephone network, one for SIP (RFC 3325 §9.1): the number says more.
        let number = all.iter().position(|a| is_number(&user_of(&a.uri)));
        all.into_iter().nth(number.unwrap_or(0))
    };
    let remote = || {
        let all = invite.list(Name::RemotePartyId).filter_map(|v| NameAddr::parse(v).ok());
        all.filter(is_somebody).find(|a| a.params.get("party").is_none_or(|p| p.eq_ignore_ascii_case("calling")))
    };
    let remote = if trust.identity { remote() } else { None };
    let vouched = if trust.identity { asserted().or_else(|| remote.clone()) } else { None };
    let wishes = privacy(invite);
    let asks = |what: &str| wishes.iter().any(|w| w.eq_ignore_ascii_case(what));
    let from_user = user_of(&invite.from.uri);
    let is_anonymous =
        from_user.eq_ignore_ascii_case("anonymous") || invite.from.uri.host.ends_with("anonymous.invalid");
    let hides = |a: &NameAddr, how: &str| a.params.get("privacy").is_some_and(|p| p.eq_ignore_ascii_case(how));
    // §4.2 of RFC 3323: `none` takes it all back.
    let withheld = !asks("none")
        && (asks("id")
            || asks("user")
            || is_anonymous
            || remote.as_ref().is_some_and(|r| hides(r, "full") || hides(r, "uri")));
    let verified = verified(invite, vouched.as_ref(), trust);
    let who = vouched.as_ref().unwrap_or(&invite.from);
    let display = who.display.clone().or_else(|| invite.from.display.clone().filter(|_| !is_anonymous));
    let nameless = remote.as_ref().is_some_and(|r| hides(r, "name"));
    Caller {
        user: user_of(&who.uri),
        host: who.uri.host.clone(),
        display: display.filter(|_| !nameless),
        withheld,
        diverted: trust.identity.then(|| diverted(invite)).flatten(),
        verified,
    }
}

fn is_somebody(a: &NameAddr) -> bool {
    (a.uri.is_sip() || a.uri.scheme == Scheme::Tel) && !user_of(&a.uri).is_empty()
}

/// Parameters of a number may stand in the user part (RFC 3261 §19.1.6).
fn user_of(uri: &Uri) -> String {
    let user = uri.user_decoded().unwrap_or_default();
    user.split(';').next().unwrap_or_default().to_owned()
}

fn is_number(user: &str) -> bool {
    let digits = user.strip_prefix('+').unwrap_or(user);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b"-.()".contains(&b))
}

fn privacy(invite: &Message) -> Vec<String> {
    let values = invite.all(Name::Privacy).flat_map(|v| v.split([';', ',']));
    values.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect()
}

/// The last Diversion is the first in time (RFC 5806 §4); else the first entry of History-Info, if the call left it.
fn diverted(invite: &Message) -> Option<Party> {
    let diversions: Vec<NameAddr> =
        invite.list(Name::Diversion).filter_map(|v| NameAddr::parse(v).ok()).filter(is_somebody).collect();
    if let Some(first) = diversions.last() {
        let hidden = first
            .params
            .get("privacy")
            .is_some_and(|p| p.eq_ignore_ascii_case("full") || p.eq_ignore_ascii_case("uri"));
        return Some(Party { user: user_of(&first.uri), host: first.uri.host.clone(), withheld: hidden });
    }
    let entries: Vec<NameAddr> =
        invite.list(Name::HistoryInfo).filter_map(|v| NameAddr::parse(v).ok()).filter(is_somebody).collect();
    let (first, later) = entries.split_first()?;
    let user = user_of(&first.uri);
    // Not every step is a diversion: a server that looks up where somebody is writes one too (RFC 7044 §5). A reason says so.
    let says_why = |a: &NameAddr| {
        let headers = a.uri.headers.as_deref().unwrap_or_default().to_ascii_lowercase();
        a.uri.params.has("cause") || a.params.has("mp") || headers.contains("reason=")
    };
    let moved = later.iter().any(|a| user_of(&a.uri) != user) && entries.iter().any(says_why);
    let hides = |text: &str| text.to_ascii_lowercase().contains("privacy=history");
    let hidden = privacy(invite).iter().any(|p| p.eq_ignore_ascii_case("history"))
        || first.uri.headers.as_deref().is_some_and(hides);
    moved.then(|| Party { user, host: first.uri.host.clone(), withheld: hidden })
}

fn verified(invite: &Message, vouched: Option<&NameAddr>, trust: Trust) -> Option<Verified> {
    let stated = trust.verification.then(|| vouched.and_then(verstat).or_else(|| verstat(&invite.from))).flatten();
    let indicated = || invite.get_named("P-Attestation-Indicator").and_then(|v| Attestation::of(v.trim()));
    let attested = stated.and_then(|s| s.attested).or_else(|| trust.verification.then(indicated).flatten());
    let attested = attested.or_else(|| invite.all(Name::Identity).find_map(passport::claimed));
    let passed = stated.and_then(|s| s.passed);
    (stated.is_some() || attested.is_some()).then_some(Verified { passed, attested })
}

/// The `verstat` of an address: of a tel URI, of the number in a SIP URI, or of the header.
fn verstat(a: &NameAddr) -> Option<Verified> {
    let user = a.uri.user_decoded().unwrap_or_default();
    let in_user = user.split(';').skip(1).find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.eq_ignore_ascii_case("verstat").then(|| value.to_owned())
    });
    let outside = || a.uri.params.get("verstat").or_else(|| a.params.get("verstat")).map(str::to_owned);
    let value = in_user.or_else(outside)?.to_ascii_lowercase();
    let (result, letter) = match value.strip_suffix(['a', 'b', 'c']).and_then(|v| v.strip_suffix('-')) {
        Some(result) => (result, value.get(value.len() - 1..)),
        None => (value.as_str(), None),
    };
    let passed = match result {
        "tn-validation-passed" => Some(true),
        "tn-validation-failed" => Some(false),
        "no-tn-validation" => None,
        _ => return None,
    };
    Some(Verified { passed, attested: letter.and_then(Attestation::of) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUSTED: Trust = Trust { identity: true, verification: true };

    fn read(from: &str, headers: &str, trust: Trust) -> Caller {
        let text = format!(
            "INVITE sip:95588@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag=1\r\nTo: <sip:95588@pbx.example>\r\nCall-ID: a@b\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:203.0.113.5>\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        caller(&Message::parse(text.as_bytes()).unwrap(), trust)
    }

    #[test]
    fn what_a_network_asserts_counts_only_where_it_is_trusted() {
        let headers = "P-Asserted-Identity: \"Wang Fang\" <sip:wang@ims.example>, <tel:+86-138-0013-8000>\r\n";
        let from = "\"Bank\" <sip:95588@evil.example>";
        let told = read(from, headers, TRUSTED);
        assert_eq!((told.user.as_str(), told.display.as_deref()), ("+86-138-0013-8000", Some("Bank")));
        let told = read(from, headers, Trust::default());
        assert_eq!((told.user.as_str(), told.host.as_str()), ("95588", "evil.example"));
        let older = "Remote-Party-ID: \"Li\" <sip:+8613900139000@ims.example>;party=calling;privacy=off\r\n";
        let told = read(from, older, TRUSTED);
        assert_eq!((told.user.as_str(), told.display.as_deref()), ("+8613900139000", Some("Li")));
        assert_eq!(read(from, "P-Asserted-Identity: nonsense <\r\n", TRUSTED).user, "95588");
    }

    #[test]
    fn who_wants_to_stay_unknown_does() {
        let asserted = "P-Asserted-Identity: <sip:+8613800138000@ims.example>\r\n";
        let with = |privacy: &str| format!("{asserted}{privacy}");
        let from = "<sip:+8613800138000@a.example>";
        for (privacy, withheld) in
            [("", false), ("Privacy: id\r\n", true), ("Privacy: user;critical\r\n", true), ("Privacy: none\r\n", false)]
        {
            assert_eq!(read(from, &with(privacy), TRUSTED).withheld, withheld, "{privacy}");
            assert_eq!(read(from, privacy, Trust::default()).withheld, withheld, "{privacy}, untrusted");
        }
        let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
        assert!(read(anonymous, asserted, TRUSTED).withheld);
        assert!(!read(anonymous, &with("Privacy: none\r\n"), TRUSTED).withheld);
        let older = "Remote-Party-ID: <sip:+8613800138000@ims.example>;privacy=full\r\n";
        assert!(read(from, older, TRUSTED).withheld);
    }

    #[test]
    fn the_one_called_first_is_told() {
        let first = |headers: &str| read("<sip:1@a.example>", headers, TRUSTED).diverted.map(|d| (d.user, d.withheld));
        let two = "Diversion: <sip:1002@a.example>;reason=no-answer\r\n\
                   Diversion: <sip:+861012345678@a.example;user=phone>;reason=unconditional;counter=1\r\n";
        assert_eq!(first(two), Some(("+861012345678".into(), false)));
        assert_eq!(first("Diversion: <tel:+861012345678>;privacy=full\r\n"), Some(("+861012345678".into(), true)));
        let history = "History-Info: <sip:1001@a.example?Reason=SIP%3Bcause%3D302>;index=1, \
                       <sip:95588@pbx.example;cause=302>;index=1.1;mp=1\r\n";
        assert_eq!(first(history), Some(("1001".into(), false)));
        let looked_up = "History-Info: <sip:95588@a.example>;index=1,<sip:95588@192.0.2.1>;index=1.1;rc=1\r\n";
        assert_eq!(first(looked_up), None);
        assert_eq!(first(""), None);
        assert_eq!(read("<sip:1@a.example>", two, Trust::default()).diverted, None);
    }

    #[test]
    fn what_a_network_has_verified_is_read_where_it_is_believed() {
        let of = |pai: &str, more: &str| {
            let headers = format!("P-Asserted-Identity: {pai}\r\n{more}");
            read("<sip:1@a.example>", &headers, TRUSTED).verified.map(|v| (v.passed, v.attested))
        };
        let passed = "<tel:+12155551212;verstat=TN-Validation-Passed>";
        assert_eq!(of(passed, "P-Attestation-Indicator: A\r\n"), Some((Some(true), Some(Attestation::Full))));
        let failed = "<sip:+12155551212;verstat=TN-Validation-Failed@ims.example;user=phone>";
        assert_eq!(of(failed, ""), Some((Some(false), None)));
        assert_eq!(
            read("<sip:1@a.example>", &format!("P-Asserted-Identity: {failed}\r\n"), TRUSTED).user,
            "+12155551212"
        );
        assert_eq!(of("<tel:+1;verstat=TN-Validation-Passed-B>", ""), Some((Some(true), Some(Attestation::Partial))));
        assert_eq!(of("<tel:+1;verstat=No-TN-Validation>", ""), Some((None, None)));
        assert_eq!(of("<tel:+1;verstat=Fine>", ""), None);
        let headers = format!("P-Asserted-Identity: {passed}\r\n");
        let careful = Trust { verification: false, ..TRUSTED };
        assert_eq!(read("<sip:1@a.example>", &headers, careful).verified, None);
    }
}
