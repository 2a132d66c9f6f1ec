//! What the operator may set: defaults, a TOML file, environment (`CORDBOARD_…`) and flags, later ones winning.
//!
//! Every value is checked here, before anything starts, with a sentence that says what to do.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use telephony::MediaIo;

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
        Ok(Settings {
            data_dir: self.data_dir,
            http: listen("http", &self.http)?,
            https: listen("https", &self.https)?,
            sip: listen("sip", &self.sip)?
                .ok_or_else(|| BadSetting("sip cannot be off: give an address such as 0.0.0.0:5060.".into()))?,
            sip_tls: listen("sip-tls", &self.sip_tls)?,
            sip_origins: origins(self.sip_origins.as_deref().unwrap_or_default())?,
            dns: self.dns.as_deref().map(name_server).transpose()?,
            media_ip,
            media_advertise,
            media_ports: ports(&self.media_ports)?,
            media_io: media_io(&self.media_io)?,
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
    fn bad_values_are_named_with_a_remedy() {
        for (change, word) in [
            (Box::new(|r: &mut Raw| r.sip = "off".into()) as Box<dyn FnOnce(&mut Raw)>, "0.0.0.0:5060"),
            (Box::new(|r: &mut Raw| r.http = "8080".into()), "127.0.0.1:8080"),
            (Box::new(|r: &mut Raw| r.media_ports = "5-9".into()), "40000-40999"),
            (Box::new(|r: &mut Raw| r.media_advertise = Some("1.2.3.4,x".into())), "`x`"),
            (Box::new(|r: &mut Raw| r.dns = Some("ns.example".into())), "192.0.2.53"),
            (Box::new(|r: &mut Raw| r.sip_origins = Some("phones.example".into())), "https://phones.example"),
            (Box::new(|r: &mut Raw| r.sample_password = Some("short".into())), "10 characters"),
        ] {
            let error = check(change).err().unwrap_or_default();
            assert!(error.contains(word), "{error}");
        }
    }
}
