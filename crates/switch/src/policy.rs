//! Who may call what: pure questions to the directory. Asked by `inbound` and `registrar`.
//!
//! Contract: an outsider cannot tell an existing user from an unknown one, nor another tenant's number from none.
use std::net::SocketAddr;

use domain::directory::{Directory, NumberEntry, SipAccount, TrunkEntry};
use domain::id::{DeviceId, NumberId, TenantId};
use domain::leg::{Codec, Via};
use sip::msg::{Message, Name, NameAddr};

use crate::negotiate::Terms;
use crate::trunks::Carrier;

/// Who sent a request, as far as it is proved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    /// No credentials (or none that verified).
    Unknown,
    Account(&'a SipAccount),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept {
        tenant: TenantId,
        number: NumberId,
        via: Via,
        /// Of the trunk, for national numbers.
        region: Option<String>,
    },
    /// A registered phone dials what is no number of ours: the engine and the floor may know it.
    Keys { tenant: TenantId, device: DeviceId },
    /// 401
    Challenge,
    /// 404
    NotFound,
    /// 503: the trunk is being drained.
    Drained,
}

/// What policy looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Book<'a> {
    pub(crate) directory: &'a Directory,
    /// At which we are registered.
    pub(crate) carriers: &'a [Carrier],
}

/// Whom a request is for: the user and host of its Request-URI, and who else it may be that a carrier means by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) user: String,
    pub(crate) host: String,
    /// In the order of their worth.
    pub(crate) others: Vec<String>,
}

impl Called {
    /// `None` if the Request-URI names nobody.
    ///
    /// A carrier that calls our Contact names the number in P-Called-Party-ID (RFC 7315 §4.2) or in To.
    pub(crate) fn of(invite: &Message) -> Option<Called> {
        let uri = invite.uri().unwrap_or(&invite.to.uri);
        let party =
            invite.get(Name::PCalledPartyId).and_then(|v| NameAddr::parse(v).ok()).and_then(|a| a.uri.user_decoded());
        let others = party.into_iter().chain(invite.to.uri.user_decoded()).collect();
        Some(Called { user: uri.user_decoded()?, host: uri.host.clone(), others })
    }
}

/// The tenant a request addressed to `host` concerns.
pub(crate) fn tenant_of(directory: &Directory, host: &str) -> Option<TenantId> {
    directory.domains.get(&host.to_ascii_lowercase()).copied().or(directory.default_tenant)
}

/// The digest realm for requests addressed to `host`: the SIP domain itself, else a domain of the default tenant (the
/// first by name, so that it stays the same), else `fallback`.
pub(crate) fn realm_of(directory: &Directory, host: &str, fallback: &str) -> String {
    let host = host.to_ascii_lowercase();
    if directory.domains.contains_key(&host) {
        return host;
    }
    directory
        .domains
        .iter()
        .filter(|(_, tenant)| Some(**tenant) == directory.default_tenant)
        .map(|(domain, _)| domain)
        .min()
        .cloned()
        .unwrap_or_else(|| fallback.to_owned())
}

/// A number by its dialled digits; people and trunks disagree about the leading `+`.
pub(crate) fn number<'a>(directory: &'a Directory, tenant: TenantId, user: &str) -> Option<&'a NumberEntry> {
    let bare: String = user.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
    let other = match bare.strip_prefix('+') {
        Some(digits) => digits.to_owned(),
        None => format!("+{bare}"),
    };
    directory.numbers.get(&(tenant, bare)).or_else(|| directory.numbers.get(&(tenant, other)))
}

/// Decides about an INVITE from `source`.
pub(crate) fn admit(book: Book<'_>, source: SocketAddr, called: &Called, caller: Caller<'_>) -> Verdict {
    let directory = book.directory;
    if let Caller::Account(account) = caller {
        let via = Via::Device { device: account.device };
        return match number(directory, account.tenant, &called.user) {
            Some(entry) => Verdict::Accept { tenant: account.tenant, number: entry.number, via, region: None },
            None if is_dialled(&called.user) => Verdict::Keys { tenant: account.tenant, device: account.device },
            None => Verdict::NotFound,
        };
    }
    if let Some(verdict) = admit_trunk(book, source, called) {
        return verdict;
    }
    if source.ip().to_canonical().is_loopback()
        && let Some(tenant) = tenant_of(directory, &called.host)
        && let Some(entry) = number(directory, tenant, &called.user)
        && entry.sample
    {
        return Verdict::Accept { tenant, number: entry.number, via: Via::Loopback, region: None };
    }
    Verdict::Challenge
}

/// What a keypad or an address book can dial: keys, numbers as people write them, names of phones.
fn is_dialled(user: &str) -> bool {
    (1..=40).contains(&user.len()) && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"*#+-._() ".contains(&b))
}

/// None if `source` is no trunk's. Several trunks, of several companies even, may share a carrier's address: that whose
/// Contact is called, else one that has the number.
fn admit_trunk(book: Book<'_>, source: SocketAddr, called: &Called) -> Option<Verdict> {
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    let at = |trunk: &TrunkEntry| {
        let listed = trunk.addresses.iter().any(|a| a.to_canonical() == source.ip());
        let carrier = book.carriers.iter().find(|c| c.trunk == trunk.trunk);
        let contact = carrier.is_some_and(|c| c.user == called.user);
        // Others at the carrier's address are the carrier only if they call from its port or know our Contact.
        let at_carrier = carrier.is_some_and(|c| {
            c.remotes.iter().any(|r| r.ip().to_canonical() == source.ip() && (contact || r.port() == source.port()))
        });
        (listed || at_carrier).then_some(contact)
    };
    let mut trunks: Vec<(bool, &TrunkEntry)> =
        book.directory.trunks.iter().filter_map(|trunk| Some((!at(trunk)?, trunk))).collect();
    trunks.sort_by_key(|(is_other, _)| *is_other);
    let mut first = None;
    for (is_other, trunk) in trunks {
        // Our Contact may stand for a number of its own name.
        let meant = std::iter::once(&called.user).chain(&called.others);
        let found = meant.filter_map(|user| number(book.directory, trunk.tenant, user)).next();
        let verdict = match found {
            _ if !trunk.active => Verdict::Drained,
            Some(entry) => Verdict::Accept {
                tenant: trunk.tenant,
                number: entry.number,
                via: Via::Trunk { trunk: trunk.trunk },
                region: trunk.region.clone(),
            },
            None => Verdict::NotFound,
        };
        if !is_other || found.is_some() {
            return Some(verdict);
        }
        first.get_or_insert(verdict);
    }
    first
}

/// The account a registration or call authenticated as.
pub(crate) fn account<'a>(directory: &'a Directory, user: &str, realm: &str) -> Option<&'a SipAccount> {
    directory.accounts.get(&(user.to_owned(), realm.to_owned()))
}

/// What sound is agreed on with whoever calls.
pub(crate) fn terms(directory: &Directory, tenant: TenantId, via: Via) -> Terms {
    let found = match via {
        Via::Device { device } => directory.devices.get(&device).map(|d| Terms::new(d.srtp, &d.codecs)),
        Via::Trunk { trunk } => {
            directory.trunks.iter().find(|t| t.trunk == trunk).map(|t| Terms::new(t.srtp, &t.codecs))
        }
        Via::Loopback | Via::Guest => None,
    };
    Terms { browsers: browser_codecs(directory, tenant).to_vec(), ..found.unwrap_or_default() }
}

/// What the company's browsers shall speak, the best first; empty where it has no wish.
pub(crate) fn browser_codecs(directory: &Directory, tenant: TenantId) -> &[Codec] {
    directory.browser_codecs.get(&tenant).map_or(&[], Vec::as_slice)
}

/// Whose number a guest may dial: any of its own tenant's.
pub(crate) fn owns_number(directory: &Directory, tenant: TenantId, number: NumberId) -> bool {
    directory.numbers.iter().any(|((owner, _), entry)| *owner == tenant && entry.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::TrunkId;

    const OURS: TenantId = TenantId(1);
    const OTHERS: TenantId = TenantId(2);
    const NOBODY: &str = "203.0.113.9";

    fn directory() -> Directory {
        let mut d = Directory { default_tenant: Some(OURS), ..Default::default() };
        d.domains.insert("ours.example".into(), OURS);
        d.domains.insert("others.example".into(), OTHERS);
        let entry = |n, sample| NumberEntry { number: NumberId(n), sample };
        d.numbers.insert((OURS, "3000".into()), entry(3000, true));
        d.numbers.insert((OURS, "+861088886666".into()), entry(6666, false));
        d.numbers.insert((OTHERS, "3000".into()), entry(13000, false));
        d.trunks.push(TrunkEntry {
            trunk: TrunkId(1),
            tenant: OURS,
            addresses: vec!["198.51.100.7".parse().unwrap()],
            region: Some("CN".into()),
            host: None,
            transport: Default::default(),
            check_certificate: true,
            identity: Default::default(),
            srtp: Default::default(),
            codecs: Vec::new(),
            account: None,
            check: Default::default(),
            active: true,
        });
        d
    }

    fn called(host: &str, user: &str) -> Called {
        Called { user: user.into(), host: host.into(), others: Vec::new() }
    }

    fn ask(source: &str, host: &str, user: &str) -> Verdict {
        let source = SocketAddr::new(source.parse().unwrap(), 5060);
        admit(Book { directory: &directory(), carriers: &[] }, source, &called(host, user), Caller::Unknown)
    }

    fn number_of(verdict: Verdict) -> Option<u128> {
        match verdict {
            Verdict::Accept { number, .. } => Some(number.0),
            _ => None,
        }
    }

    #[test]
    fn strangers_reach_sample_numbers_from_loopback_only() {
        assert_eq!(number_of(ask("127.0.0.1", "192.0.2.1", "3000")), Some(3000));
        assert_eq!(number_of(ask("::ffff:127.0.0.1", "192.0.2.1", "3000")), Some(3000));
        assert_eq!(ask("127.0.0.1", "192.0.2.1", "+861088886666"), Verdict::Challenge);
        assert_eq!(ask("127.0.0.1", "others.example", "3000"), Verdict::Challenge);
        assert_eq!(ask(NOBODY, "ours.example", "3000"), Verdict::Challenge);
        assert_eq!(ask(NOBODY, "ours.example", "no-such-number"), Verdict::Challenge);
    }

    #[test]
    fn trunks_reach_all_numbers_of_their_tenant_with_or_without_plus() {
        assert_eq!(number_of(ask("198.51.100.7", "any.host", "861088886666")), Some(6666));
        assert_eq!(number_of(ask("198.51.100.7", "others.example", "3000")), Some(3000));
        assert_eq!(ask("198.51.100.7", "any.host", "4000"), Verdict::NotFound);
    }

    /// Two companies at one carrier, the first registered there as 1001, the second as 1002.
    #[test]
    fn a_carrier_calls_our_contact_or_one_of_our_numbers() {
        let mut d = directory();
        let second = TrunkEntry { trunk: TrunkId(2), tenant: OTHERS, addresses: vec![], ..d.trunks[0].clone() };
        d.trunks[0].addresses.clear();
        d.trunks.push(second);
        let remotes = vec!["203.0.113.5:5060".parse().unwrap()];
        let carrier = |n, user: &str| Carrier { trunk: TrunkId(n), remotes: remotes.clone(), user: user.into() };
        let carriers = [carrier(1, "1001"), carrier(2, "1002")];
        let ask = |d: &Directory, source: &str, user: &str, others: &[&str]| {
            let others = others.iter().map(|o| (*o).to_owned()).collect();
            let called = Called { others, ..called("192.0.2.1", user) };
            admit(Book { directory: d, carriers: &carriers }, source.parse().unwrap(), &called, Caller::Unknown)
        };
        let from = "203.0.113.5:5060";
        assert_eq!(number_of(ask(&d, from, "1001", &["861088886666"])), Some(6666), "our Contact, the number in To");
        assert_eq!(number_of(ask(&d, from, "861088886666", &[])), Some(6666), "the number itself");
        assert_eq!(number_of(ask(&d, from, "1002", &["3000"])), Some(13000), "the other company's Contact");
        assert_eq!(ask(&d, from, "1002", &["861088886666"]), Verdict::NotFound, "which has no such number");
        assert_eq!(number_of(ask(&d, "203.0.113.5:9999", "1001", &["3000"])), Some(3000), "from another port");
        assert_eq!(ask(&d, "203.0.113.5:9999", "3000", &[]), Verdict::Challenge, "a stranger at that address");
        assert_eq!(ask(&d, "203.0.113.6:5060", "1001", &["3000"]), Verdict::Challenge);
        d.trunks[0].active = false;
        assert_eq!(ask(&d, from, "1001", &["3000"]), Verdict::Drained);
    }

    #[test]
    fn an_account_reaches_its_own_tenant_whatever_host_it_names() {
        let account =
            SipAccount { tenant: OTHERS, device: DeviceId(5), ha1_md5: String::new(), ha1_sha256: String::new() };
        let source = SocketAddr::new(NOBODY.parse().unwrap(), 5060);
        let book = Book { directory: &directory(), carriers: &[] };
        let verdict = admit(book, source, &called("ours.example", "3000"), Caller::Account(&account));
        assert_eq!(number_of(verdict), Some(13000));
    }

    #[test]
    fn the_realm_is_the_domain_asked_or_one_of_the_default_tenant() {
        let d = directory();
        assert_eq!(realm_of(&d, "Others.Example", "x"), "others.example");
        assert_eq!(realm_of(&d, "192.0.2.1", "x"), "ours.example");
        assert_eq!(realm_of(&Directory::default(), "192.0.2.1", "x"), "x");
    }
}
