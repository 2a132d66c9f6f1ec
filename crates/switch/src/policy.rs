//! Who may call what: pure questions to the directory. Asked by `inbound` and `registrar`.
//!
//! Contract: an outsider cannot tell an existing user from an unknown one, nor another tenant's number from none.
use std::net::IpAddr;

use domain::config::Srtp;
use domain::directory::{Directory, NumberEntry, SipAccount};
use domain::id::{NumberId, TenantId};
use domain::leg::Via;

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
    /// 401
    Challenge,
    /// 404
    NotFound,
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

/// Decides about an INVITE from `source` for `user` at `host`.
pub(crate) fn admit(directory: &Directory, source: IpAddr, host: &str, user: &str, caller: Caller<'_>) -> Verdict {
    let source = source.to_canonical();
    if let Caller::Account(account) = caller {
        let via = Via::Device { device: account.device };
        return match number(directory, account.tenant, user) {
            Some(entry) => Verdict::Accept { tenant: account.tenant, number: entry.number, via, region: None },
            None => Verdict::NotFound,
        };
    }
    if let Some(trunk) = directory.trunks.iter().find(|t| t.addresses.iter().any(|a| a.to_canonical() == source)) {
        let via = Via::Trunk { trunk: trunk.trunk };
        return match number(directory, trunk.tenant, user) {
            Some(entry) => {
                Verdict::Accept { tenant: trunk.tenant, number: entry.number, via, region: trunk.region.clone() }
            }
            None => Verdict::NotFound,
        };
    }
    if source.is_loopback()
        && let Some(tenant) = tenant_of(directory, host)
        && let Some(entry) = number(directory, tenant, user)
        && entry.sample
    {
        return Verdict::Accept { tenant, number: entry.number, via: Via::Loopback, region: None };
    }
    Verdict::Challenge
}

/// The account a registration or call authenticated as.
pub(crate) fn account<'a>(directory: &'a Directory, user: &str, realm: &str) -> Option<&'a SipAccount> {
    directory.accounts.get(&(user.to_owned(), realm.to_owned()))
}

/// Whether sound with whoever calls is encrypted.
pub(crate) fn srtp(directory: &Directory, via: Via) -> Srtp {
    let found = match via {
        Via::Device { device } => directory.devices.get(&device).map(|d| d.srtp),
        Via::Trunk { trunk } => directory.trunks.iter().find(|t| t.trunk == trunk).map(|t| t.srtp),
        Via::Loopback | Via::Guest => None,
    };
    found.unwrap_or_default()
}

/// Whose number a guest may dial: any of its own tenant's.
pub(crate) fn owns_number(directory: &Directory, tenant: TenantId, number: NumberId) -> bool {
    directory.numbers.iter().any(|((owner, _), entry)| *owner == tenant && entry.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::directory::TrunkEntry;
    use domain::id::{DeviceId, TrunkId};

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
            srtp: Default::default(),
        });
        d
    }

    fn ask(source: &str, host: &str, user: &str) -> Verdict {
        admit(&directory(), source.parse().unwrap(), host, user, Caller::Unknown)
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

    #[test]
    fn an_account_reaches_its_own_tenant_whatever_host_it_names() {
        let account =
            SipAccount { tenant: OTHERS, device: DeviceId(5), ha1_md5: String::new(), ha1_sha256: String::new() };
        let verdict = admit(&directory(), NOBODY.parse().unwrap(), "ours.example", "3000", Caller::Account(&account));
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
