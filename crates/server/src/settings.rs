//! What the operator may set: defaults, a TOML file, environment (`CORDBOARD_…`) and flags, later ones winning.
//!
//! Every value is checked here, before anything starts, with a sentence that says what to do.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use api::relays::{Access, Relays};
use clap::Args;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use telephony::MediaIo;

use crate::tls::acme::Wanted;

/// Browsers take longer to connect with each.
const RELAYS_MAX: usize = 8;
/// Names in one certificate.
const NAMES_MAX: usize = 20;

/// The flags; the same names (with `_`) serve in the file and, as `CORDBOARD_…`, in the environment.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct Flags {
    /// Where everything is kept: database, recordings, keys, certificate [default: ./cordboard-data]
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// HTTP for this machine, `off` for none [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    /// HTTPS for other machines, with a certificate made at the first start; `off` for none [default: 0.0.0.0:8443]
    #[arg(long, global = true, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<String>,
    /// SIP over UDP and TCP [default: 0.0.0.0:5060]
    #[arg(long, global = true, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sip: Option<String>,
    /// SIP over TLS, with the certificate of `--https`; `off` for none [default: 0.0.0.0:5061]
    #[arg(long, global = true, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sip_tls: Option<String>,
    /// Other sites whose pages may hold SIP phones that connect to `/sip` by WebSocket, separated by commas; `*` is all [default: none]
    #[arg(long, global = true, value_name = "ORIGIN,…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sip_origins: Option<String>,
    /// Name server asked for trunks and dialled names, as `192.0.2.53:53` [default: the machine's]
    #[arg(long, global = true, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<String>,
    /// Address that media sockets are bound to [default: 0.0.0.0]
    #[arg(long, global = true, value_name = "IP")]
    #[serde(skip_serializing_if = "Option::is_none")]
    media_ip: Option<String>,
    /// Addresses told to phones and browsers, separated by commas [default: those of this machine]
    #[arg(long, global = true, value_name = "IP,…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    media_advertise: Option<String>,
    /// UDP ports for sound; the first one serves all browsers [default: 40000-40999]
    #[arg(long, global = true, value_name = "FROM-TO")]
    #[serde(skip_serializing_if = "Option::is_none")]
    media_ports: Option<String>,
    /// How sound packets are got: `io-uring`, `epoll`, or `auto` for the first that the kernel allows [default: auto]
    #[arg(long, global = true, value_name = "WAY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    media_io: Option<String>,
    /// Relays for browsers whose firewall lets no UDP to us, as `turn:relay.example,turns:relay.example:443?transport=tcp`; also
    /// `stun:…`. The relays' secret is CORDBOARD_TURN_SECRET, or CORDBOARD_TURN_USER and CORDBOARD_TURN_PASSWORD [default: none]
    #[arg(long, global = true, value_name = "URL,…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<String>,
    /// Browsers send sound through the relays of `--turn` alone
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "is_false")]
    turn_only: bool,
    /// Private key (PEM, P-256) that signs calls to trunks that want it (STIR/SHAKEN) [default: none]
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    stir_key: Option<PathBuf>,
    /// Where others find that key's certificate, as `https://certs.example/cordboard.pem`
    #[arg(long, global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    stir_certificate: Option<String>,
    /// Names of this server, as `calls.example,sip.calls.example`, for which a certificate is fetched from an authority (ACME,
    /// proved over HTTPS on port 443) and renewed; setting it agrees to the authority's terms [default: none]
    #[arg(long, global = true, value_name = "NAME,…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    acme: Option<String>,
    /// E-mail address to which the authority writes about these certificates
    #[arg(long, global = true, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    acme_contact: Option<String>,
    /// The authority's directory [default: Let's Encrypt's]
    #[arg(long, global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    acme_directory: Option<String>,
    /// `postgres://user:password@host/database`; without it an SQLite database in the data directory
    #[arg(long, global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    database_url: Option<String>,
    /// Bytes of calls' events kept on this machine's disk while the database is away [default: 1073741824]
    #[arg(long, global = true, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    spool_max: Option<u64>,
    /// Configuration file (TOML) with the same names as the flags [default: <data-dir>/cordboard.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// A flag that is not given leaves the environment and the file their say.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    data_dir: PathBuf,
    http: String,
    https: String,
    sip: String,
    sip_tls: String,
    sip_origins: Option<String>,
    dns: Option<String>,
    media_ip: String,
    media_advertise: Option<String>,
    media_ports: String,
    media_io: String,
    turn: Option<String>,
    turn_only: bool,
    turn_secret: Option<String>,
    turn_user: Option<String>,
    turn_password: Option<String>,
    stir_key: Option<PathBuf>,
    stir_certificate: Option<String>,
    acme: Option<String>,
    acme_contact: Option<String>,
    acme_directory: Option<String>,
    database_url: Option<String>,
    spool_max: u64,
    sample_password: Option<String>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            data_dir: "cordboard-data".into(),
            http: "127.0.0.1:8080".into(),
            https: "0.0.0.0:8443".into(),
            sip: "0.0.0.0:5060".into(),
            sip_tls: "0.0.0.0:5061".into(),
            sip_origins: None,
            dns: None,
            media_ip: Ipv4Addr::UNSPECIFIED.to_string(),
            media_advertise: None,
            media_ports: "40000-40999".into(),
            media_io: "auto".into(),
            turn: None,
            turn_only: false,
            turn_secret: None,
            turn_user: None,
            turn_password: None,
            stir_key: None,
            stir_certificate: None,
            acme: None,
            acme_contact: None,
            acme_directory: None,
            database_url: None,
            spool_max: store::SPOOL_MAX,
            sample_password: None,
        }
    }
}

/// Checked settings.
#[derive(Clone)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub http: Option<SocketAddr>,
    pub https: Option<SocketAddr>,
    pub sip: SocketAddr,
    pub sip_tls: Option<SocketAddr>,
    /// Sites whose pages may connect phones by WebSocket.
    pub sip_origins: Vec<String>,
    /// The name server asked in the place of the machine's.
    pub dns: Option<SocketAddr>,
    pub media_ip: IpAddr,
    pub media_advertise: Vec<IpAddr>,
    pub media_ports: (u16, u16),
    pub media_io: MediaIo,
    /// For browsers.
    pub relays: Relays,
    /// The file of the key that signs calls, and where its certificate is.
    pub stir: Option<(PathBuf, String)>,
    /// For which names a certificate is fetched, and where.
    pub acme: Option<Wanted>,
    pub database_url: Option<String>,
    /// Bytes that the journal's spool may take.
    pub spool_max: u64,
    /// Fixes the sample users' password, so that scripts can sign in.
    pub sample_password: Option<String>,
}

/// One plain sentence with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadSetting(String);

impl Settings {
    pub fn load(flags: &Flags) -> Result<Self, BadSetting> {
        let figment = Figment::from(Serialized::defaults(Raw::default()));
        let env = || Env::prefixed("CORDBOARD_").ignore(&["config", "skip_web", "log", "master_key"]);
        let with = |f: Figment| f.merge(env()).merge(Serialized::defaults(flags));
        let config_env = std::env::var_os("CORDBOARD_CONFIG").map(PathBuf::from);
        let file = match flags.config.clone().or(config_env) {
            Some(file) if !file.is_file() => {
                return Err(BadSetting(format!(
                    "The configuration file {} does not exist: create it or leave out --config.",
                    file.display()
                )));
            }
            Some(file) => Some(file),
            None => {
                let dir: PathBuf = with(figment.clone()).extract_inner("data_dir").map_err(plain)?;
                Some(dir.join("cordboard.toml")).filter(|f| f.is_file())
            }
        };
        let figment = match file {
            Some(file) => figment.merge(Toml::file_exact(file)),
            None => figment,
        };
        let raw: Raw = with(figment).extract().map_err(plain)?;
        raw.check()
    }
}

impl Raw {
    fn check(self) -> Result<Settings, BadSetting> {
        let media_ip: IpAddr = self.media_ip.parse().map_err(|_| {
            BadSetting(format!("media-ip is `{}`: give one IP address of this machine, or 0.0.0.0.", self.media_ip))
        })?;
        let media_advertise = match &self.media_advertise {
            Some(list) => list
                .split(',')
                .map(|ip| ip.trim().parse().map_err(|_| bad_ip(ip)))
                .collect::<Result<Vec<IpAddr>, _>>()?,
            None => Vec::new(),
        };
        let relays = relays(
            self.turn.as_deref().unwrap_or_default(),
            access(self.turn_secret, self.turn_user.zip(self.turn_password))?,
            self.turn_only,
        )?;
        let https = listen("https", &self.https)?;
        let acme =
            acme(self.acme.as_deref().unwrap_or_default(), self.acme_contact, self.acme_directory, https.is_some())?;
        Ok(Settings {
            data_dir: self.data_dir,
            http: listen("http", &self.http)?,
            https,
            sip: listen("sip", &self.sip)?
                .ok_or_else(|| BadSetting("sip cannot be off: give an address such as 0.0.0.0:5060.".into()))?,
            sip_tls: listen("sip-tls", &self.sip_tls)?,
            sip_origins: origins(self.sip_origins.as_deref().unwrap_or_default())?,
            dns: self.dns.as_deref().map(name_server).transpose()?,
            media_ip,
            media_advertise,
            media_ports: ports(&self.media_ports)?,
            media_io: media_io(&self.media_io)?,
            relays,
            stir: stir(self.stir_key, self.stir_certificate)?,
            acme,
            database_url: self.database_url,
            spool_max: self.spool_max,
            sample_password: self.sample_password.map(password).transpose()?,
        })
    }
}

fn bad_ip(ip: &str) -> BadSetting {
    BadSetting(format!("media-advertise contains `{}`: give IP addresses separated by commas.", ip.trim()))
}

fn password(text: String) -> Result<String, BadSetting> {
    if text.chars().count() < 10 {
        return Err(BadSetting("CORDBOARD_SAMPLE_PASSWORD is too short: use at least 10 characters.".into()));
    }
    Ok(text)
}

fn listen(name: &str, text: &str) -> Result<Option<SocketAddr>, BadSetting> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        BadSetting(format!("{name} is `{text}`: give an address and port such as 127.0.0.1:8080, or `off`."))
    })
}

fn ports(text: &str) -> Result<(u16, u16), BadSetting> {
    let parsed = text.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    match parsed {
        Some((from, to)) if from >= 1024 && to > from && to - from >= 9 => Ok((from, to)),
        _ => Err(BadSetting(format!(
            "media-ports is `{text}`: give a range of at least 10 ports above 1023, such as 40000-40999."
        ))),
    }
}

fn name_server(text: &str) -> Result<SocketAddr, BadSetting> {
    let ip = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    ip.or_else(|_| text.parse()).map_err(|_| {
        BadSetting(format!("dns is `{text}`: give the address of a name server, such as 192.0.2.53 or 192.0.2.53:53."))
    })
}

fn stir(key: Option<PathBuf>, certificate: Option<String>) -> Result<Option<(PathBuf, String)>, BadSetting> {
    let (key, certificate) = match (key, certificate) {
        (None, None) => return Ok(None),
        (Some(key), Some(certificate)) => (key, certificate),
        _ => {
            return Err(BadSetting(
                "stir-key and stir-certificate belong together: give the key's file and the https address of its certificate."
                    .into(),
            ));
        }
    };
    // It stands in a header between angle brackets and in JSON.
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"<>\"\\".contains(&b);
    let is_address = certificate.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    match is_address && certificate.len() <= 500 && certificate.bytes().all(is_plain) {
        true => Ok(Some((key, certificate))),
        false => Err(BadSetting(format!(
            "stir-certificate is `{certificate}`: give an address such as https://certs.example/cordboard.pem."
        ))),
    }
}

fn acme(
    names: &str,
    contact: Option<String>,
    directory: Option<String>,
    has_https: bool,
) -> Result<Option<Wanted>, BadSetting> {
    let names: Vec<String> =
        names.split(',').map(|n| n.trim().to_ascii_lowercase()).filter(|n| !n.is_empty()).collect();
    if names.is_empty() {
        return match contact.or(directory) {
            Some(_) => Err(BadSetting("acme names no host: give this server's names, such as calls.example.".into())),
            None => Ok(None),
        };
    }
    if let Some(bad) = names.iter().find(|n| !is_host_name(n)) {
        return Err(BadSetting(format!(
            "acme contains `{bad}`: give host names such as calls.example, separated by commas; neither addresses nor `*`."
        )));
    }
    if names.len() > NAMES_MAX {
        return Err(BadSetting(format!("acme has {} names: give {NAMES_MAX} at most.", names.len())));
    }
    if !has_https {
        return Err(BadSetting("acme proves names over HTTPS: set https to an address such as 0.0.0.0:443.".into()));
    }
    let is_mail = |c: &String| {
        c.is_ascii() && c.len() <= 254 && c.split_once('@').is_some_and(|(u, h)| !u.is_empty() && is_host_name(h))
    };
    if let Some(bad) = contact.as_ref().filter(|c| !is_mail(c)) {
        return Err(BadSetting(format!("acme-contact is `{bad}`: give an e-mail address.")));
    }
    let directory = directory.unwrap_or_else(|| instant_acme::LetsEncrypt::Production.url().to_owned());
    match directory.starts_with("https://") {
        true => Ok(Some(Wanted { names, contact, directory })),
        false => Err(BadSetting(format!("acme-directory is `{directory}`: give an https address."))),
    }
}

/// As certificates have them: labels of letters, digits and hyphens, the last no number (RFC 1123 §2.1).
fn is_host_name(name: &str) -> bool {
    let is_label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(is_label)
        && name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()))
}

fn origins(text: &str) -> Result<Vec<String>, BadSetting> {
    let is_origin = |o: &str| {
        o == "*" || o.strip_prefix("https://").or(o.strip_prefix("http://")).is_some_and(|site| !site.contains('/'))
    };
    let origins: Vec<String> = text.split(',').map(str::trim).filter(|o| !o.is_empty()).map(str::to_owned).collect();
    match origins.iter().find(|o| !is_origin(o)) {
        Some(bad) => Err(BadSetting(format!(
            "sip-origins contains `{bad}`: give sites such as https://phones.example, separated by commas, or `*`."
        ))),
        None => Ok(origins),
    }
}

fn media_io(text: &str) -> Result<MediaIo, BadSetting> {
    match text {
        "auto" => Ok(MediaIo::Auto),
        "epoll" => Ok(MediaIo::Epoll),
        "io-uring" => Ok(MediaIo::IoUring),
        _ => Err(BadSetting(format!("media-io is `{text}`: give auto, epoll or io-uring."))),
    }
}

fn access(secret: Option<String>, account: Option<(String, String)>) -> Result<Access, BadSetting> {
    match (secret, account) {
        (Some(_), Some(_)) => Err(BadSetting(
            "The relays have both a secret and an account: set either CORDBOARD_TURN_SECRET or CORDBOARD_TURN_USER and \
             CORDBOARD_TURN_PASSWORD."
                .into(),
        )),
        (Some(secret), None) => Ok(Access::Secret(secret)),
        (None, Some((user, password))) => Ok(Access::Account { user, password }),
        (None, None) => Ok(Access::Open),
    }
}

/// RFC 7064, RFC 7065. A browser refuses all of them for one that it cannot read.
fn relays(text: &str, access: Access, is_only_way: bool) -> Result<Relays, BadSetting> {
    let urls: Vec<String> = text.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect();
    if let Some(bad) = urls.iter().find(|url| !is_ice_url(url)) {
        return Err(BadSetting(format!(
            "turn contains `{bad}`: give addresses such as turn:relay.example:3478, turns:relay.example:443?transport=tcp or \
             stun:relay.example, separated by commas."
        )));
    }
    if urls.len() > RELAYS_MAX {
        return Err(BadSetting(format!("turn names {} servers: give {RELAYS_MAX} at most.", urls.len())));
    }
    let has_relay = urls.iter().any(|url| url.starts_with("turn"));
    if has_relay && matches!(access, Access::Open) {
        return Err(BadSetting(
            "turn names a relay and nothing that lets browsers in there: set CORDBOARD_TURN_SECRET (coturn's \
             static-auth-secret), or CORDBOARD_TURN_USER and CORDBOARD_TURN_PASSWORD."
                .into(),
        ));
    }
    if is_only_way && !has_relay {
        return Err(BadSetting("turn-only is set without a relay: name one with --turn turn:relay.example.".into()));
    }
    Ok(Relays { urls, access, is_only_way })
}

fn is_ice_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let (place, transport) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let transport_fits = match scheme {
        "turn" | "turns" => matches!(transport, None | Some("transport=udp" | "transport=tcp")),
        "stun" | "stuns" => transport.is_none(),
        _ => false,
    };
    let (host, port) = match place.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((host, "")) => (host.parse::<Ipv6Addr>().is_ok(), None),
        Some((host, port)) => (host.parse::<Ipv6Addr>().is_ok(), Some(port.strip_prefix(':').unwrap_or("none"))),
        None => {
            let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            (!host.is_empty() && host.chars().all(fits), port)
        }
    };
    transport_fits && host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn plain(e: figment::Error) -> BadSetting {
    BadSetting(format!("The configuration cannot be read: {e}. See `cordboard --help` for the names and forms."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Raw)) -> Result<Settings, String> {
        let mut raw = Raw::default();
        change(&mut raw);
        raw.check().map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_valid() {
        let s = check(|_| {}).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(s.media_ports, (40000, 40999));
        assert_eq!(s.http.map(|a| a.port()), Some(8080));
    }

    #[test]
    fn relays_are_read_as_browsers_read_them() {
        let urls =
            "turn:relay.example:3478, turns:192.0.2.7:443?transport=tcp,turn:[2001:db8::7]:3478,stun:[2001:db8::7]";
        let account = |r: &mut Raw| (r.turn_user, r.turn_password) = (Some("u".into()), Some("p".into()));
        let s = check(|r| {
            r.turn = Some(urls.into());
            account(r);
        });
        assert_eq!(s.unwrap_or_else(|e| panic!("{e}")).relays.urls.len(), 4);
        for bad in [
            "turn:",
            "turn:a:0",
            "turn:a:b",
            "turn:a?transport=sctp",
            "stun:a?transport=udp",
            "turn://a",
            "turn:u@a",
            "http:a",
            "turn:[::1",
            "turn:[a]",
            "turn:2001:db8::7",
        ] {
            let error = check(|r| {
                r.turn = Some(bad.into());
                account(r);
            });
            assert!(error.is_err(), "{bad}");
        }
        let both = check(|r| {
            account(r);
            r.turn_secret = Some("s".into());
        });
        assert!(both.is_err());
    }

    #[test]
    fn bad_values_are_named_with_a_remedy() {
        for (change, word) in [
            (Box::new(|r: &mut Raw| r.sip = "off".into()) as Box<dyn FnOnce(&mut Raw)>, "0.0.0.0:5060"),
            (Box::new(|r: &mut Raw| r.http = "8080".into()), "127.0.0.1:8080"),
            (Box::new(|r: &mut Raw| r.media_ports = "5-9".into()), "40000-40999"),
            (Box::new(|r: &mut Raw| r.media_advertise = Some("1.2.3.4,x".into())), "`x`"),
            (Box::new(|r: &mut Raw| r.dns = Some("ns.example".into())), "192.0.2.53"),
            (Box::new(|r: &mut Raw| r.sip_origins = Some("phones.example".into())), "https://phones.example"),
            (Box::new(|r: &mut Raw| r.turn = Some("relay.example".into())), "turn:relay.example:3478"),
            (Box::new(|r: &mut Raw| r.turn = Some("turn:relay.example".into())), "CORDBOARD_TURN_SECRET"),
            (Box::new(|r: &mut Raw| r.turn_only = true), "--turn"),
            (Box::new(|r: &mut Raw| r.stir_key = Some("key.pem".into())), "stir-certificate"),
            (
                Box::new(|r: &mut Raw| {
                    r.stir_key = Some("key.pem".into());
                    r.stir_certificate = Some("http://certs.example/a.pem".into());
                }),
                "https://certs.example/cordboard.pem",
            ),
            (Box::new(|r: &mut Raw| r.acme = Some("calls.example,*.calls.example".into())), "`*.calls.example`"),
            (Box::new(|r: &mut Raw| r.acme = Some("203.0.113.7".into())), "`203.0.113.7`"),
            (Box::new(|r: &mut Raw| r.acme_contact = Some("it@calls.example".into())), "names no host"),
            (
                Box::new(|r: &mut Raw| {
                    r.acme = Some("calls.example".into());
                    r.https = "off".into();
                }),
                "0.0.0.0:443",
            ),
            (
                Box::new(|r: &mut Raw| {
                    r.acme = Some("calls.example".into());
                    r.acme_contact = Some("nobody".into());
                }),
                "`nobody`",
            ),
            (Box::new(|r: &mut Raw| r.sample_password = Some("short".into())), "10 characters"),
        ] {
            let error = check(change).err().unwrap_or_default();
            assert!(error.contains(word), "{error}");
        }
    }
}
