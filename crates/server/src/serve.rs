//! Starting, wiring and stopping: store, telephony, engine, API, web servers.
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::provisioning::{Elsewhere, PhoneDoors};
use axum::Router;
use axum::extract::ConnectInfo;
use domain::leg::Gap;
use domain::time::Timestamp;
use engine::port::{Down, PortClosed, TelephonyPort, Up};
use engine::{Engine, EngineConfig, Rendered};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use store::{HostScope, Options, Store, random};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{debug, error, info, warn};

use crate::banner::{Banner, PhoneAccount, lan_address};
use crate::settings::Settings;
use crate::side::Side;
use crate::tls::Certificates;
use crate::web_phones::{self, Way};
use crate::{measure, sample, tls, web_ui};

/// Leg events and device reports on their way to the engine; telephony keeps what does not fit.
const UP: usize = 65_536;
/// Web connections at the same time on one listener.
const CONNECTIONS_MAX: usize = 20_000;
/// Live calls end politely within this time at shutdown.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Name of this node: one per data directory.
const NODE: &str = "node-1";

/// Runs until it is told to stop (SIGINT, SIGTERM, SIGUSR2).
pub async fn serve(settings: Settings) -> Result<()> {
    // Ports first: a port in use is told before a database is made.
    let http = listen("HTTP", "http", settings.http).await?;
    let https = listen("HTTPS", "https", settings.https).await?;
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .context("metrics cannot be recorded")?;
    let side = Side::start("engine")?;
    let store = {
        let settings = settings.clone();
        side.run(async move { open_store(&settings).await }).await?
    };
    let now = random::wall_clock();
    let mut first_start = None;
    if store.tenants(HostScope::whole_installation().into()).await?.is_empty() {
        info!("first start: making the sample company and its week of history");
        let password = settings.sample_password.as_deref();
        first_start = Some(sample::seed(&store, &settings.data_dir, password, now).await?);
    }
    let sample = match first_start {
        Some(sample) => Some(sample),
        None => sample::find(&store, &settings.data_dir).await?,
    };

    let (up, up_receiver) = mpsc::channel(UP);
    let ending = Arc::new(AtomicBool::new(false));
    let lan = lan_address();
    let certificates = match (https.is_some(), settings.sip_tls) {
        (false, None) => None,
        _ => Some(certificates(&settings, lan)?),
    };
    let telephony_config = telephony_config(&settings, &store, certificates.as_ref(), up)?;
    let telephony = Arc::new(telephony::Telephony::start(telephony_config)?);
    let (sip, sip_tls) = (telephony.sip_addr(), telephony.sip_tls_addr());
    let config = EngineConfig {
        node: NODE.to_owned(),
        sip: SocketAddr::new(loopback_of(sip.ip()), sip.port()),
        recordings: settings.data_dir.join("spool"),
        render: Arc::new(render),
        demo_speech: sample::demo_speech(),
    };
    let outlived = telephony.outlived().clone();
    let port = TelephonyPort { down: down(&telephony, ending.clone()), up: up_receiver, outlived };
    let start = {
        let store = store.clone();
        async move { Engine::start(config, store, port).await.context("the engine cannot start") }
    };
    let engine = side.run(start).await?;

    // Weak, so that readiness does not keep telephony from its orderly end.
    let runs = Arc::downgrade(&telephony);
    let app = api::App::new(
        engine.clone(),
        api::Options {
            metrics: Some(metrics),
            telephony_ready: Some(Arc::new(move || runs.upgrade().is_some_and(|t| t.is_running()))),
            ogg: Some(Arc::new(ogg)),
            relays: settings.relays.clone(),
            signs_calls: settings.stir.is_some(),
            phone_doors: phone_doors(sip, sip_tls, address(&https), lan),
        },
    )
    .map_err(sample::plain)?;
    let phones = web_phones::router(telephony.web_door(), &settings.sip_origins);
    let router = api::router(app, Some(web_ui::router())).merge(phones);
    let (http_addr, https_addr) = (address(&http), address(&https));
    if let Some(listener) = http {
        tokio::spawn(accept(listener, None, router.clone()));
    }
    if let (Some(listener), Some(certificates)) = (https, &certificates) {
        let acceptor = TlsAcceptor::from(certificates.server(&[b"http/1.1", tls::PROOF_PROTOCOL])?);
        tokio::spawn(accept(listener, Some(acceptor), router));
    }
    let tenants = store.tenants(HostScope::whole_installation().into()).await?.into_iter().map(|t| t.id).collect();
    tokio::spawn(measure::run(Arc::downgrade(&telephony), engine.clone(), tenants));
    write_addresses(&settings.data_dir, http_addr, https_addr, sip, sip_tls)?;
    print_banner(&store, sample.as_ref(), http_addr, https_addr, sip, lan).await?;

    let (end, failure) = tokio::select! {
        signal = wait_for_signal() => (signal?, None),
        failure = engine.failed() => (Ending::Stop, Some(failure)),
    };
    // Telephony first: the engine takes the ends of the calls with their true cause.
    ending.store(true, Ordering::Relaxed);
    match end {
        Ending::Stop => {
            info!("stopping: calls are ended, floors are saved");
            end_telephony(telephony, telephony::Handle::shutdown).await;
        }
        Ending::HandOver => {
            info!("stopping: floors are saved, the next start goes on with the calls");
            end_telephony(telephony, |telephony, _| drop(telephony)).await;
        }
    }
    engine.stop().await;
    store.close().await;
    side.stop().await;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

/// Ends telephony so, unless a readiness check holds its share for longer than one can take.
async fn end_telephony(mut telephony: Arc<telephony::Handle>, end: fn(telephony::Handle, Duration)) {
    for _ in 0..100 {
        match Arc::try_unwrap(telephony) {
            Ok(telephony) => {
                let _ = tokio::task::spawn_blocking(move || end(telephony, SHUTDOWN)).await;
                return;
            }
            Err(shared) => telephony = shared,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    warn!("telephony is in use: its calls end with the process");
}

/// Empties the projections of every floor and folds its journal anew.
pub async fn rebuild_projections(settings: Settings) -> Result<()> {
    let store = open_store(&settings).await?;
    let now = random::wall_clock();
    for floor in store.floors(HostScope::whole_installation().into()).await? {
        let lease = store.lease(floor.id).await?;
        if lease.owner.is_some() && now - lease.heartbeat_at < 10_000 {
            bail!("the server is running (or stopped less than 10 s ago): stop it, then rebuild");
        }
        store.reset_projections(floor.id).await?;
        let (number, events) = (floor.floor_no, lease.last_seq);
        engine::Projector::new(store.clone(), floor).catch_up(events, now).await?;
        println!("floor {number}: {events} events folded");
    }
    store.close().await;
    Ok(())
}

async fn open_store(settings: &Settings) -> Result<Store> {
    let master_key = match std::env::var("CORDBOARD_MASTER_KEY") {
        Ok(hex) => {
            Some(store::Key::from_hex(hex.trim()).context("CORDBOARD_MASTER_KEY is not a key of 64 hex digits")?)
        }
        Err(_) => None,
    };
    let options = Options {
        data_dir: settings.data_dir.clone(),
        database_url: settings.database_url.clone(),
        master_key,
        spool_max: settings.spool_max,
    };
    Ok(Store::open(&options).await?)
}

/// What listeners show now; it is replaced when the operator or an authority has another.
fn certificates(settings: &Settings, lan: Option<IpAddr>) -> Result<Arc<Certificates>> {
    let names: Vec<IpAddr> = [IpAddr::from([127, 0, 0, 1])].into_iter().chain(lan).collect();
    let files = tls::Files::in_data_dir(&settings.data_dir, &names)?;
    let Some(wanted) = settings.acme.clone() else {
        let certificates = Certificates::new(files.load()?);
        tokio::spawn(files.watch(certificates.clone()));
        return Ok(certificates);
    };
    let keeper = tls::acme::Keeper::new(&settings.data_dir, wanted);
    let first = match keeper.kept() {
        Some(kept) => kept,
        None => files.load()?,
    };
    let certificates = Certificates::new(first);
    tokio::spawn(keeper.run(certificates.clone()));
    Ok(certificates)
}

fn telephony_config(
    settings: &Settings,
    store: &Store,
    certificates: Option<&Arc<Certificates>>,
    up: mpsc::Sender<Up>,
) -> Result<telephony::Config> {
    let key = store.keyring().local_key("call checkpoints")?;
    let sink = Box::new(move |value: telephony::Up| {
        let value = match value {
            telephony::Up::Leg(event) => Up::Leg(event),
            telephony::Up::Device(report) => Up::Device(report),
            telephony::Up::Trunk(report) => Up::Trunk(report),
        };
        up.try_send(value).err().map(|e| match e.into_inner() {
            Up::Leg(event) => telephony::Up::Leg(event),
            Up::Device(report) => telephony::Up::Device(report),
            Up::Trunk(report) => telephony::Up::Trunk(report),
        })
    });
    let mut config = telephony::Config::new(&settings.data_dir, key, sink);
    config.sip = settings.sip;
    if let (Some(addr), Some(certificates)) = (settings.sip_tls, certificates) {
        config.sip_tls = Some(telephony::SipTls { addr, server: certificates.server(&[])? });
    }
    if let Some((file, certificate)) = &settings.stir {
        let key = PrivateKeyDer::from_pem_file(file)
            .with_context(|| format!("{} is not a private key in PEM form: see --stir-key", file.display()))?;
        config.stir = Some(telephony::Stir { key, certificate: certificate.clone() });
    }
    config.dns = settings.dns;
    config.media_ip = settings.media_ip;
    config.media_advertise = settings.media_advertise.clone();
    config.media_ports = settings.media_ports.0..=settings.media_ports.1;
    config.media_io = settings.media_io;
    Ok(config)
}

/// While telephony is `ending`, what it no longer takes is no failure: its legs end by themselves.
fn down(
    telephony: &Arc<telephony::Handle>,
    ending: Arc<AtomicBool>,
) -> Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync> {
    let sender = telephony.sender();
    Arc::new(move |value| {
        let taken = match value {
            Down::Leg(command) => sender.command(command).is_ok(),
            Down::Device(signal) => sender.signal(signal).is_ok(),
            Down::Trunk(signal) => sender.trunk(signal).is_ok(),
            Down::Directory(directory) => sender.directory(directory).is_ok(),
        };
        if taken || ending.load(Ordering::Relaxed) { Ok(()) } else { Err(PortClosed) }
    })
}

/// Samples of a recording → Ogg Opus, piece by piece.
fn ogg(channels: usize, serial: u32) -> api::OggWriter {
    let mut file = media::ogg::OggOpus::new(channels, serial);
    Box::new(move |piece| match piece {
        Some(pcm) => {
            let samples: Vec<i16> = pcm.as_chunks::<2>().0.iter().map(|octets| i16::from_le_bytes(*octets)).collect();
            file.push(&samples)
        }
        None => file.finish(),
    })
}

/// Spool file → stereo WAV.
fn render(spool: &[u8]) -> Result<Rendered, String> {
    let recording = media::recorder::export::Recording::from_spool(spool).map_err(|e| e.to_string())?;
    let wav = recording.to_wav().map_err(|e| e.to_string())?;
    // A WAV header, then two channels of 16 bits at 8 kHz.
    let length_ms = (wav.len().saturating_sub(44) / 4 / 8) as u64;
    let gaps = recording.gaps.iter().map(|gap| Gap {
        from_ms: gap.start_ms,
        to_ms: gap.end_ms,
        why: telephony::gap_cause(gap.why),
    });
    Ok(Rendered {
        wav,
        length_ms,
        started_at: Timestamp(recording.start_unix_ms),
        is_complete: recording.complete,
        gaps: gaps.collect(),
        heard_ms: recording.heard_ms(),
    })
}

/// What is told to who sets up a phone. Others reach this machine by its network's address if both listeners are open to it.
fn phone_doors(
    sip: SocketAddr,
    sip_tls: Option<SocketAddr>,
    https: Option<SocketAddr>,
    lan: Option<IpAddr>,
) -> PhoneDoors {
    let https = https.filter(|https| !https.ip().is_loopback() && !sip.ip().is_loopback());
    let elsewhere = https.zip(lan).map(|(https, lan)| Elsewhere {
        host: lan.to_string(),
        url: format!("https://{}", SocketAddr::new(lan, https.port())),
    });
    PhoneDoors { sip: sip.port(), sip_tls: sip_tls.map(|tls| tls.port()), elsewhere }
}

/// Where this machine reaches a listener bound to `ip`.
fn loopback_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        other => other,
    }
}

async fn listen(what: &str, option: &str, addr: Option<SocketAddr>) -> Result<Option<TcpListener>> {
    let Some(addr) = addr else { return Ok(None) };
    match TcpListener::bind(addr).await {
        Ok(listener) => Ok(Some(listener)),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            bail!(
                "{what} port {addr} is in use by another program: stop that program or choose another port with --{option}"
            )
        }
        Err(e) => bail!("{what} port {addr} cannot be opened ({e}): choose another address with --{option}"),
    }
}

fn address(listener: &Option<TcpListener>) -> Option<SocketAddr> {
    listener.as_ref().and_then(|l| l.local_addr().ok())
}

/// Serves connections until the process ends; a connection's failure is its own.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of file descriptors, mostly: others will close.
                error!(error = %e, "a web connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            if let Err(e) = connection(stream, peer, tls, router).await {
                debug!(error = %e, "a web connection ended");
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>, router: Router) -> Result<()> {
    stream.set_nodelay(true)?;
    let way = Way { local: stream.local_addr()?, peer, is_secure: acceptor.is_some() };
    let service = TowerToHyperService::new(router.map_request(move |mut request: axum::http::Request<_>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(way);
        request
    }));
    let builder = Builder::new(TokioExecutor::new());
    let served = match acceptor {
        Some(acceptor) => {
            let stream = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream)).await??;
            if stream.get_ref().1.alpn_protocol() == Some(tls::PROOF_PROTOCOL) {
                // The handshake was all that an authority wanted.
                return Ok(());
            }
            builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await
        }
        None => builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await,
    };
    served.map_err(|e| anyhow::anyhow!("{e}"))
}

/// For scripts and tests: where this process listens.
fn write_addresses(
    dir: &Path,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    sip: SocketAddr,
    sip_tls: Option<SocketAddr>,
) -> Result<()> {
    let value =
        serde_json::json!({ "pid": std::process::id(), "http": http, "https": https, "sip": sip, "sip_tls": sip_tls });
    let (file, fresh) = (dir.join("addresses.json"), dir.join("addresses.json.new"));
    std::fs::write(&fresh, value.to_string())
        .and_then(|()| std::fs::rename(&fresh, &file))
        .with_context(|| format!("cannot write {}", file.display()))
}

async fn print_banner(
    store: &Store,
    sample: Option<&sample::Sample>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    sip: SocketAddr,
    lan: Option<IpAddr>,
) -> Result<()> {
    let now = random::wall_clock();
    let (local_token, lan_token) = match sample {
        Some(sample) => (Some(sample::link(store, sample, now).await?), Some(sample::link(store, sample, now).await?)),
        None => (None, None),
    };
    let customer_path = format!("/call/{}", sample::SLUG);
    Banner {
        http,
        https,
        sip,
        lan,
        local_token: local_token.as_deref(),
        lan_token: lan_token.as_deref(),
        phone: sample.map(|s| PhoneAccount { user: s.phone.0.clone(), password: s.phone.1.clone() }),
        customer_path: sample.map(|_| customer_path.as_str()),
    }
    .print();
    Ok(())
}

/// How the process is to end.
enum Ending {
    /// SIGINT, SIGTERM: calls are ended.
    Stop,
    /// SIGUSR2: the next process on this data directory goes on with them.
    HandOver,
}

async fn wait_for_signal() -> Result<Ending> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut user = signal(SignalKind::user_defined2())?;
    let ending = tokio::select! {
        _ = interrupt.recv() => Ending::Stop,
        _ = terminate.recv() => Ending::Stop,
        _ = user.recv() => Ending::HandOver,
    };
    // A second Ctrl-C ends at once.
    tokio::spawn(async move {
        if interrupt.recv().await.is_some() {
            warn!("stopping at once");
            std::process::exit(130);
        }
    });
    Ok(ending)
}
