//! Calls to the outside: what a dialled number is, whether it may be called, and by which trunks it goes out.
//!
//! Pure functions of the configuration. The number itself is personal data and stays outside the floor: whoever asks
//! ([`plan`]) keeps it, the floor gets the class and the trunks.
use serde::{Deserialize, Deserializer, Serialize};

use crate::address::Address;
use crate::config::TenantConfig;
use crate::id::{NumberId, RouteId, TrunkId};
use crate::spend::SpendRules;

/// What a destination costs and what harm it can do; rules are by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallClass {
    /// Police, fire, ambulance: always let out, never counted against a limit.
    Emergency,
    National,
    International,
    /// By the route that says so.
    Premium,
}

/// The company's rules against toll fraud, and how its calls look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundRules {
    /// Classes that may be called, emergency calls apart.
    pub allowed: Vec<CallClass>,
    /// Outbound calls at the same time.
    pub concurrent: u32,
    /// Outbound calls begun within any minute.
    pub per_minute: u32,
    /// Shown to those who are called, where the caller chooses none.
    pub caller: Option<NumberId>,
    pub record: bool,
    /// What calls cost, and how much may be spent.
    #[serde(default)]
    pub spend: SpendRules,
}

impl Default for OutboundRules {
    /// As little as a fraudster could use: no country but one's own.
    fn default() -> Self {
        OutboundRules {
            allowed: vec![CallClass::National],
            concurrent: 50,
            per_minute: 120,
            caller: None,
            record: true,
            spend: SpendRules::default(),
        }
    }
}

/// Numbers that begin so go out by these trunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteConfig {
    pub id: RouteId,
    pub name: String,
    /// Beginnings of numbers as [`plan`] writes them (`+86`, `+8610`, `95`); an empty one takes every number. The longest
    /// that fits decides.
    pub prefixes: Vec<String>,
    /// See [`in_order`].
    #[serde(deserialize_with = "route_trunks")]
    pub trunks: Vec<RouteTrunk>,
    #[serde(default)]
    pub format: NumberFormat,
    /// Overrides what the number itself says. No route makes an emergency of a number.
    #[serde(default)]
    pub class: Option<CallClass>,
    /// Number of ours that is shown where the agent chooses none; none: the company's choice.
    #[serde(default)]
    pub caller: Option<NumberId>,
}

/// A trunk among those of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTrunk {
    pub trunk: TrunkId,
    /// The lowest is tried first.
    pub priority: u8,
    /// Its share of the calls among trunks of equal priority; at least 1.
    pub weight: u16,
}

/// Reads trunks of a route, bare ones too: as routes were once written, each gives way to the one behind it.
///
/// # Errors
/// Those of the format.
pub fn route_trunks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<RouteTrunk>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Bare(TrunkId),
        Whole(RouteTrunk),
    }
    let all = Vec::<Written>::deserialize(from)?;
    let read = |(at, written)| match written {
        Written::Bare(trunk) => RouteTrunk { trunk, priority: u8::try_from(at + 1).unwrap_or(u8::MAX), weight: 1 },
        Written::Whole(whole) => whole,
    };
    Ok(all.into_iter().enumerate().map(read).collect())
}

/// The order of trying for one call: by priority; among equals by lot, each as likely to come next as its weight says, so
/// that whoever cannot carry the call gives way to the others. `draw` decides the lot: equal draws give equal orders.
pub fn in_order(trunks: &[RouteTrunk], draw: u64) -> Vec<TrunkId> {
    let mut left = trunks.to_vec();
    left.sort_by_key(|t| t.priority);
    let mut order = Vec::with_capacity(left.len());
    let mut lot = draw;
    while let Some(first) = left.first() {
        let equals = left.iter().take_while(|t| t.priority == first.priority).count();
        let sum: u64 = left[..equals].iter().map(|t| u64::from(t.weight.max(1))).sum();
        // SplitMix64: neighbouring draws fall far apart.
        lot = lot.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mut at = (z ^ (z >> 31)) % sum;
        let chosen = left[..equals].iter().position(|t| {
            let weight = u64::from(t.weight.max(1));
            let hit = at < weight;
            at = at.saturating_sub(weight);
            hit
        });
        order.push(left.remove(chosen.unwrap_or(0)).trunk);
    }
    order
}

/// How a trunk wants numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    /// `+8613800138000`
    #[default]
    E164,
    /// `8613800138000`
    Digits,
    /// As dialled within the country: `13800138000`, `01088886666`; others behind what is dialled for abroad there.
    National,
}

/// A call that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whom it is to.
    pub address: Address,
    pub class: CallClass,
    /// The number as these trunks want it.
    pub number: String,
    /// The ways out.
    pub trunks: Vec<RouteTrunk>,
    /// Shown where the agent chooses none.
    pub caller: Option<NumberId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("not a number that can be called")]
    Invalid,
    #[error("an extension of the company itself")]
    Internal,
    #[error("the company's rules forbid this class of destination")]
    Forbidden,
    #[error("no route leads there")]
    NoRoute,
}

/// Country calling codes (ITU-T E.164 annex, as assigned) of the regions that companies have been set up in.
const COUNTRY_CODES: &[(&str, &str)] = &[
    ("CN", "86"),
    ("HK", "852"),
    ("MO", "853"),
    ("TW", "886"),
    ("SG", "65"),
    ("MY", "60"),
    ("JP", "81"),
    ("KR", "82"),
    ("TH", "66"),
    ("VN", "84"),
    ("ID", "62"),
    ("PH", "63"),
    ("IN", "91"),
    ("AU", "61"),
    ("NZ", "64"),
    ("US", "1"),
    ("CA", "1"),
    ("GB", "44"),
    ("IE", "353"),
    ("DE", "49"),
    ("AT", "43"),
    ("CH", "41"),
    ("FR", "33"),
    ("ES", "34"),
    ("PT", "351"),
    ("IT", "39"),
    ("NL", "31"),
    ("BE", "32"),
    ("SE", "46"),
    ("NO", "47"),
    ("DK", "45"),
    ("FI", "358"),
    ("PL", "48"),
    ("BR", "55"),
    ("MX", "52"),
];

fn country_code(region: Option<&str>) -> Option<&'static str> {
    COUNTRY_CODES.iter().find(|(r, _)| Some(*r) == region).map(|(_, code)| *code)
}

/// The numbers of police, fire and ambulance; 112 in most of the world (ITU-T E.161.1) and on mobile networks everywhere.
fn is_emergency(digits: &str, region: Option<&str>) -> bool {
    let own: &[&str] = match region {
        Some("CN") => &["110", "119", "120", "122"],
        Some("US" | "CA" | "MX" | "PH") => &["911"],
        Some("GB" | "IE" | "HK" | "MO" | "MY") => &["999"],
        Some("SG") => &["999", "995"],
        Some("JP" | "TW") => &["110", "119"],
        Some("KR") => &["119"],
        Some("AU") => &["000"],
        Some("NZ") => &["111"],
        Some("DE") => &["110"],
        Some("TH") => &["191", "199", "1669"],
        Some("VN") => &["113", "114", "115"],
        Some("ID") => &["110", "113", "118", "119"],
        Some("IN") => &["100", "101", "102", "108"],
        Some("BR") => &["190", "192", "193"],
        Some("FR") => &["15", "17", "18"],
        Some("AT") => &["122", "133", "144"],
        Some("CH") => &["117", "118", "144"],
        Some("ES") => &["091", "061", "080"],
        Some("IT") => &["113", "115", "118"],
        Some("NO") => &["110", "113"],
        Some("PL") => &["997", "998", "999"],
        _ => &[],
    };
    digits == "112" || own.contains(&digits)
}

/// What calling this text would be. `text` may hold blanks, hyphens, dots and parentheses; What is dialled for
/// abroad in the company's region begins an international number.
///
/// # Errors
/// [`PlanError`]; nothing of it names the number.
pub fn plan(config: &TenantConfig, text: &str) -> Result<Plan, PlanError> {
    let region = config.region.as_deref();
    let mut bare: String =
        text.trim().chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ' | '\u{a0}')).collect();
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    if digits.len() < 2 || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PlanError::Invalid);
    }
    let emergency = is_emergency(&bare, region);
    if !emergency && config.agents.values().any(|a| a.active && a.extension == bare) {
        return Err(PlanError::Internal);
    }
    let home = country_code(region);
    if !emergency && let Some(e164) = normalised(&bare, region, home) {
        bare = e164;
    }
    if let Some(rest) = bare.strip_prefix('+') {
        // What begins with a trunk prefix behind the country code would be dialled as another country's number.
        let twice = home.and_then(|home| rest.strip_prefix(home)).is_some_and(|rest| rest.starts_with('0'));
        if !(7..=15).contains(&rest.len()) || rest.starts_with('0') || twice || !is_north_american(rest) {
            return Err(PlanError::Invalid);
        }
    }
    let e164 = bare.starts_with('+').then(|| bare.clone());
    let fits = |r: &&RouteConfig| r.prefixes.iter().filter(|p| bare.starts_with(p.as_str())).map(String::len).max();
    let route = config
        .routes
        .values()
        .filter_map(|r| Some((fits(&r)?, r)))
        .max_by_key(|(len, r)| (*len, std::cmp::Reverse(r.id)));
    let Some((fitting, route)) = route else { return Err(PlanError::NoRoute) };
    let class = match route.class.filter(|c| *c != CallClass::Emergency) {
        _ if emergency => CallClass::Emergency,
        Some(class) => class,
        None => class_of(&bare, home, region, fitting > 0),
    };
    if class != CallClass::Emergency && !config.outbound.allowed.contains(&class) {
        return Err(PlanError::Forbidden);
    }
    let number = written(&bare, route.format, home, region);
    let known = |t: &&RouteTrunk| config.trunks.get(&t.trunk).is_some_and(|t| t.active && t.host.is_some());
    let trunks: Vec<_> = route.trunks.iter().filter(known).copied().collect();
    let address = Address::Phone { raw: bare, e164, region: config.region.clone() };
    if trunks.is_empty() {
        Err(PlanError::NoRoute)
    } else {
        Ok(Plan { address, class, number, trunks, caller: route.caller })
    }
}

/// Regions whose numbers are dialled whole, with no trunk prefix.
const WHOLE: &[&str] = &["HK", "MO", "SG", "DK", "NO", "ES", "PT", "PL", "MX", "IT"];

/// What is dialled before another country's code.
fn international_prefix(region: Option<&str>) -> &'static str {
    match region {
        Some("US" | "CA") => "011",
        Some("AU") => "0011",
        Some("JP") => "010",
        Some("HK" | "SG" | "KR" | "ID") => "001",
        Some("TW") => "002",
        _ => "00",
    }
}

/// `+` and the whole number, of what a person of this region dials for it; none for short codes and the like.
fn normalised(dialled: &str, region: Option<&str>, home: Option<&str>) -> Option<String> {
    if dialled.starts_with('+') {
        return None;
    }
    if let Some(rest) = dialled.strip_prefix(international_prefix(region)) {
        return (rest.len() >= 7).then(|| format!("+{rest}"));
    }
    let home = home?;
    // The whole number without its plus, as address books of other systems have it.
    if home.len() > 1 && dialled.len() >= (home.len() + 8).max(11) && dialled.starts_with(home) {
        return Some(format!("+{dialled}"));
    }
    match region? {
        "CN" if dialled.len() == 11 && dialled.starts_with('1') => Some(format!("+86{dialled}")),
        "US" | "CA" => match dialled.len() {
            10 => Some(format!("+1{dialled}")),
            11 => dialled.starts_with('1').then(|| format!("+{dialled}")),
            _ => None,
        },
        region if WHOLE.contains(&region) => (dialled.len() >= 8).then(|| format!("+{home}{dialled}")),
        _ => dialled.strip_prefix('0').filter(|rest| rest.len() >= 8).map(|rest| format!("+{home}{rest}")),
    }
}

/// Numbers of the North American plan have ten digits, of which the first is none of 0 and 1; others pass.
fn is_north_american(digits: &str) -> bool {
    digits.strip_prefix('1').is_none_or(|rest| rest.len() == 10 && !rest.starts_with(['0', '1']))
}

/// Area codes of the North American plan outside the United States and Canada, where much fraud goes.
const NANP_ABROAD: &[&str] = &[
    "242", "246", "264", "268", "284", "340", "345", "441", "473", "649", "658", "664", "670", "671", "684", "721",
    "758", "767", "784", "787", "809", "829", "849", "868", "869", "876", "939",
];

/// `by_prefix`: the company itself named how such a number begins.
fn class_of(number: &str, home: Option<&str>, region: Option<&str>, by_prefix: bool) -> CallClass {
    let Some(digits) = number.strip_prefix('+') else {
        // Short codes, China's 400 and 800 numbers, and what a route names. Whatever else cannot be read as a number of a
        // country may be anything to the carrier.
        let freephone = number.len() == 10 && (number.starts_with("400") || number.starts_with("800"));
        let national = number.len() <= 6 || (region == Some("CN") && freephone) || by_prefix;
        return if national { CallClass::National } else { CallClass::International };
    };
    match home {
        Some("1") if digits.starts_with("1900") => CallClass::Premium,
        Some("1") if digits.starts_with('1') && !NANP_ABROAD.iter().any(|area| digits[1..].starts_with(area)) => {
            CallClass::National
        }
        Some("1") | None => CallClass::International,
        Some(home) if digits.starts_with(home) => CallClass::National,
        Some(_) => CallClass::International,
    }
}

/// As the trunk wants it.
fn written(canonical: &str, format: NumberFormat, home: Option<&str>, region: Option<&str>) -> String {
    let Some(digits) = canonical.strip_prefix('+') else { return canonical.to_owned() };
    match format {
        NumberFormat::E164 => canonical.to_owned(),
        NumberFormat::Digits => digits.to_owned(),
        NumberFormat::National => match home.and_then(|home| digits.strip_prefix(home)) {
            // Mobile numbers have no trunk prefix in China; North America has none at all.
            Some(rest) if region == Some("CN") && rest.len() == 11 && rest.starts_with('1') => rest.to_owned(),
            Some(rest) if region.is_some_and(|r| matches!(r, "US" | "CA") || WHOLE.contains(&r)) => rest.to_owned(),
            Some(rest) => format!("0{rest}"),
            None => format!("{}{digits}", international_prefix(region)),
        },
    }
}
