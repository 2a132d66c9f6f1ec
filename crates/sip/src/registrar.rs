//! The registrar's table (RFC 3261 §10.3): which contacts are reachable under which address of record, and until when.
//!
//! Called by `endpoint` for each authenticated REGISTER. Keeps the address a REGISTER came from with each binding, because
//! behind NAT that is where calls must be sent. Time is since start; [`BindingRecord`] carries what is left to live, so that
//! bindings survive a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::hop::{ConnId, Hop};
use crate::msg::{ContactList, NameAddr, Uri};

/// The directory's own key of an account; opaque here.
pub type UserKey = Arc<str>;

/// Limits of the table and of binding lifetimes.
#[derive(Debug, Clone)]
pub struct RegistrarLimits {
    /// Shorter wishes get a 423.
    pub min_expires: Duration,
    /// Longer wishes are cut.
    pub max_expires: Duration,
    /// When nothing is wished.
    pub default_expires: Duration,
    /// Contacts under one address of record.
    pub contacts_per_aor: usize,
    /// Contacts altogether.
    pub contacts: usize,
}

/// Proxies between us and a phone, and octets of their addresses together; a longer way is refused.
pub const PATH_MAX: usize = 5;
pub const PATH_OCTETS_MAX: usize = 1_024;

impl Default for RegistrarLimits {
    fn default() -> Self {
        Self {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            default_expires: Duration::from_secs(600),
            // A desk phone, a soft phone, a mobile, and spares while an old one expires.
            contacts_per_aor: 10,
            contacts: 100_000,
        }
    }
}

/// A phone's way to us by its own numbering (RFC 5626 §4.1): the newer replaces the older, whatever it is addressed by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Which phone: `+sip.instance`, without its quotes.
    pub instance: String,
    /// Which of its ways: `reg-id`.
    pub number: u32,
}

/// A URN with a UUID has 45 octets.
const INSTANCE_MAX: usize = 256;

impl Flow {
    fn of(contact: &NameAddr) -> Option<Self> {
        let instance = contact.params.get("+sip.instance")?.trim_matches('"');
        let number = contact.params.get("reg-id")?.parse().ok().filter(|number| *number > 0)?;
        let fits = !instance.is_empty() && instance.len() <= INSTANCE_MAX && !instance.contains(['"', '\\']);
        fits.then(|| Self { instance: instance.to_owned(), number })
    }
}

/// One reachable contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Request-URI for calls to it.
    pub contact: Uri,
    /// Preference in thousandths, 1000 is best.
    pub q_milli: u16,
    /// When it lapses.
    pub expires_at: Duration,
    pub call_id: String,
    pub cseq: u32,
    /// Where the REGISTER came from, and so where requests go.
    pub hop: Hop,
    pub user: UserKey,
    pub user_agent: Option<String>,
    /// Route values of requests to it: the proxies between us and the phone (RFC 3327 §5.3).
    pub path: Vec<String>,
    /// Set where phone and proxies have agreed on flows.
    pub flow: Option<Flow>,
}

impl Binding {
    /// Whether a registration with this flow and contact renews it. Different flows of one phone may have one contact.
    pub fn is_way(&self, flow: Option<&Flow>, contact: &Uri) -> bool {
        match (&self.flow, flow) {
            (Some(own), Some(other)) => own == other,
            (None, _) | (_, None) => self.contact.same_contact(contact),
        }
    }
}

/// A binding to be kept over a restart: plain values, lifetime as what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRecord {
    pub aor: String,
    pub contact: String,
    pub q_milli: u16,
    pub remaining: Duration,
    pub call_id: String,
    pub cseq: u32,
    /// Its `conn` means nothing after a restart and is dropped.
    pub hop: Hop,
    pub user: String,
    pub user_agent: Option<String>,
    pub path: Vec<String>,
}

/// What happened to a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindingChange {
    /// New or refreshed.
    Bound(Binding),
    /// The peer withdrew it.
    Removed(Binding),
    /// Its time ran out.
    Expired(Binding),
    /// The connection it lived on closed.
    Disconnected(Binding),
}

/// Why a REGISTER changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    #[error("interval too brief")]
    TooBrief { min: Duration },
    #[error("out of order")]
    OutOfOrder,
    #[error("too many contacts")]
    TooMany,
    #[error("registrar is full")]
    Full,
    #[error("malformed contact")]
    Malformed,
}

/// A REGISTER as the table sees it.
#[derive(Debug)]
pub struct Registration<'a> {
    /// Key, as [`Uri::aor`] gives it.
    pub aor: &'a str,
    pub user: &'a UserKey,
    pub hop: Hop,
    pub call_id: &'a str,
    pub cseq: u32,
    pub user_agent: Option<&'a str>,
    pub contacts: &'a ContactList,
    /// The proxies between us and the phone, ours first.
    pub path: &'a [String],
    /// The Expires header, seconds.
    pub expires: Option<u32>,
    /// Phone and proxies speak RFC 5626.
    pub has_flows: bool,
}

/// The table.
#[derive(Debug)]
pub struct Registrar {
    limits: RegistrarLimits,
    aors: BTreeMap<String, Vec<Binding>>,
    /// (expiry, aor) of every binding; entries may repeat an aor.
    expiries: BTreeSet<(Duration, String)>,
    /// Bindings that live on a connection.
    conns: BTreeSet<(ConnId, String)>,
    count: usize,
}

impl Registrar {
    pub fn new(limits: RegistrarLimits) -> Self {
        Self { limits, aors: BTreeMap::new(), expiries: BTreeSet::new(), conns: BTreeSet::new(), count: 0 }
    }

    /// Carries out one REGISTER, all of it or nothing.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing has changed then.
    pub fn register(&mut self, now: Duration, wish: &Registration<'_>) -> Result<Vec<BindingChange>, RegisterError> {
        let old = self.aors.get(wish.aor).cloned().unwrap_or_default();
        let fresh = |binding: &Binding| binding.call_id != wish.call_id || wish.cseq > binding.cseq;
        let contacts = match wish.contacts {
            ContactList::Addresses(contacts) => contacts,
            ContactList::Star => {
                if wish.expires != Some(0) {
                    return Err(RegisterError::Malformed);
                }
                if !old.iter().all(fresh) {
                    return Err(RegisterError::OutOfOrder);
                }
                self.replace(wish.aor, Vec::new());
                return Ok(old.into_iter().map(BindingChange::Removed).collect());
            }
        };
        let mut list = old;
        let mut changes = Vec::new();
        for contact in contacts {
            if !contact.uri.is_sip() || contact.uri.host.is_empty() {
                return Err(RegisterError::Malformed);
            }
            let lifetime = self.lifetime(contact, wish.expires)?;
            let flow = Flow::of(contact).filter(|_| wish.has_flows);
            let is_meant = |b: &Binding| b.is_way(flow.as_ref(), &contact.uri);
            if list.iter().any(|binding| is_meant(binding) && !fresh(binding)) {
                return Err(RegisterError::OutOfOrder);
            }
            // A flow may come back with another address, or its phone without flows.
            let is_other = |b: &Binding| !b.contact.same_contact(&contact.uri) || (flow.is_none() && b.flow.is_some());
            let is_over = |b: &Binding| is_meant(b) && (lifetime.is_none() || is_other(b));
            changes.extend(list.extract_if(.., |b| is_over(b)).map(BindingChange::Removed));
            let Some(lifetime) = lifetime else { continue };
            let known = list.iter().position(is_meant);
            let binding = Binding {
                contact: contact.uri.clone(),
                q_milli: q_milli(contact),
                expires_at: now + lifetime,
                call_id: wish.call_id.to_owned(),
                cseq: wish.cseq,
                hop: wish.hop,
                user: wish.user.clone(),
                user_agent: wish.user_agent.map(str::to_owned),
                path: wish.path.to_vec(),
                flow,
            };
            changes.push(BindingChange::Bound(binding.clone()));
            match known {
                Some(at) => list[at] = binding,
                None => list.push(binding),
            }
        }
        let before = self.aors.get(wish.aor).map_or(0, Vec::len);
        if list.len() > self.limits.contacts_per_aor && list.len() > before {
            return Err(RegisterError::TooMany);
        }
        if self.count - before + list.len() > self.limits.contacts && list.len() > before {
            return Err(RegisterError::Full);
        }
        self.replace(wish.aor, list);
        Ok(changes)
    }

    /// Lifetime of one contact; `None` to remove it.
    fn lifetime(&self, contact: &NameAddr, header: Option<u32>) -> Result<Option<Duration>, RegisterError> {
        let wished = match contact.params.get("expires") {
            // Malformed values count as the default (§10.2.1.1: 3600; ours is configured).
            Some(text) => crate::msg::parse_digits(text).map(Duration::from_secs),
            None => header.map(u64::from).map(Duration::from_secs),
        };
        let wished = wished.unwrap_or(self.limits.default_expires);
        if wished.is_zero() {
            return Ok(None);
        }
        if wished < self.limits.min_expires {
            return Err(RegisterError::TooBrief { min: self.limits.min_expires });
        }
        Ok(Some(wished.min(self.limits.max_expires)))
    }

    /// Bindings of an address of record, best first: by q, then the most recently refreshed.
    pub fn bindings(&self, aor: &str) -> Vec<&Binding> {
        let mut list: Vec<&Binding> = self.aors.get(aor).map(|list| list.iter().collect()).unwrap_or_default();
        list.sort_by_key(|b| (std::cmp::Reverse(b.q_milli), std::cmp::Reverse(b.expires_at)));
        list
    }

    /// Number of bindings.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// When the next binding lapses.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Removes what has lapsed: (aor, change).
    pub fn expire(&mut self, now: Duration) -> Vec<(String, BindingChange)> {
        let mut changes = Vec::new();
        while let Some((at, aor)) = self.expiries.first().cloned() {
            if at > now {
                break;
            }
            self.take_out(&aor, |b| b.expires_at <= now, BindingChange::Expired, &mut changes);
        }
        changes
    }

    /// Removes the bindings that lived on a closed connection: (aor, change).
    pub fn disconnect(&mut self, conn: ConnId) -> Vec<(String, BindingChange)> {
        let mut changes = Vec::new();
        let from = (conn, String::new());
        while let Some((found, aor)) = self.conns.range(&from..).next().cloned() {
            if found != conn {
                break;
            }
            self.take_out(&aor, |b| b.hop.conn == Some(conn), BindingChange::Disconnected, &mut changes);
        }
        changes
    }

    fn take_out(
        &mut self,
        aor: &str,
        doomed: impl Fn(&Binding) -> bool,
        change: fn(Binding) -> BindingChange,
        changes: &mut Vec<(String, BindingChange)>,
    ) {
        let list = self.aors.get(aor).cloned().unwrap_or_default();
        let (gone, kept): (Vec<_>, Vec<_>) = list.into_iter().partition(doomed);
        self.replace(aor, kept);
        changes.extend(gone.into_iter().map(|binding| (aor.to_owned(), change(binding))));
    }

    /// The only place that changes the table: keeps indexes and count in step.
    fn replace(&mut self, aor: &str, list: Vec<Binding>) {
        for binding in self.aors.remove(aor).unwrap_or_default() {
            self.count -= 1;
            self.expiries.remove(&(binding.expires_at, aor.to_owned()));
            if let Some(conn) = binding.hop.conn {
                self.conns.remove(&(conn, aor.to_owned()));
            }
        }
        for binding in &list {
            self.count += 1;
            self.expiries.insert((binding.expires_at, aor.to_owned()));
            if let Some(conn) = binding.hop.conn {
                self.conns.insert((conn, aor.to_owned()));
            }
        }
        if !list.is_empty() {
            self.aors.insert(aor.to_owned(), list);
        }
    }

    /// Everything, to be stored.
    pub fn export(&self, now: Duration) -> Vec<BindingRecord> {
        let records = self.aors.iter().flat_map(|(aor, list)| list.iter().map(move |binding| (aor, binding)));
        records
            .map(|(aor, b)| BindingRecord {
                aor: aor.clone(),
                contact: b.contact.to_string(),
                q_milli: b.q_milli,
                remaining: b.expires_at.saturating_sub(now),
                call_id: b.call_id.clone(),
                cseq: b.cseq,
                hop: b.hop,
                user: b.user.to_string(),
                user_agent: b.user_agent.clone(),
                path: b.path.clone(),
            })
            .collect()
    }

    /// Takes stored bindings back after `away` of being down. What has lapsed or does not fit is left out.
    pub fn import(&mut self, now: Duration, away: Duration, records: Vec<BindingRecord>) {
        for record in records {
            let remaining = record.remaining.saturating_sub(away);
            let Ok(contact) = Uri::parse(&record.contact) else { continue };
            let mut list = self.aors.get(&record.aor).cloned().unwrap_or_default();
            let full = self.count >= self.limits.contacts || list.len() >= self.limits.contacts_per_aor;
            if remaining.is_zero() || full || list.iter().any(|b| b.contact.same_contact(&contact)) {
                continue;
            }
            list.push(Binding {
                contact,
                q_milli: record.q_milli,
                expires_at: now + remaining,
                call_id: record.call_id,
                cseq: record.cseq,
                hop: Hop { conn: None, ..record.hop },
                user: record.user.into(),
                user_agent: record.user_agent,
                path: record.path,
                flow: None,
            });
            self.replace(&record.aor, list);
        }
    }
}

/// `q` in thousandths; absent or malformed means 1.
fn q_milli(contact: &NameAddr) -> u16 {
    let parse = |text: &str| -> Option<u16> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits: String = part.chars().chain("000".chars()).take(3).collect();
        let value = whole.parse::<u16>().ok()?.checked_mul(1000)? + digits.parse::<u16>().ok()?;
        (value <= 1000 && part.len() <= 3).then_some(value)
    };
    contact.params.get("q").and_then(parse).unwrap_or(1000)
}
