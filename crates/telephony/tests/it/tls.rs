//! SIP over TLS from outside: strangers at the door, phones, trunks that prove who they are and such that do not.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use domain::config::TrunkTransport;
use domain::directory::TrunkEntry;
use domain::id::{LegId, TrunkId};
use domain::leg::{CallerId, Dial, EndCause, LegCommand, LegEvent};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConnection, SignatureScheme, Stream};

use crate::calls::in_echo;
use crate::floor::{Floor, Options, PATIENCE, TENANT, directory, eventually, server_config};
use crate::phone::Phone;

/// A phone that does not look at certificates.
#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// Asks by OPTIONS over TLS whether anybody is there.
fn options(at: SocketAddr) -> std::io::Result<String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Careless))
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = TcpStream::connect(at)?;
    tcp.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut stream = Stream::new(&mut tls, &mut tcp);
    stream.write_all(
        b"OPTIONS sips:me@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
          From: <sips:me@127.0.0.1>;tag=1\r\nTo: <sips:me@127.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n\
          Content-Length: 0\r\n\r\n",
    )?;
    let mut buffer = [0; 4096];
    let len = stream.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
}

#[test]
fn strangers_at_the_tls_door_are_let_go_and_no_call_suffers() {
    let mut floor = Floor::with(Options { tls: true, ..Options::default() });
    let door = floor.handle().sip_tls_addr().unwrap();
    assert!(options(door).unwrap().starts_with("SIP/2.0 200"));
    let phone = Phone::new(1000.0);
    in_echo(&mut floor, &phone);
    phone.wait_hears(1000.0, 440.0);
    let began = Instant::now();
    // A record's first octets, and then nothing; one sends an octet now and then.
    let mut strangers: Vec<TcpStream> = (0..260).map(|_| TcpStream::connect(door).unwrap()).collect();
    for stranger in &mut strangers {
        let _ = stranger.write_all(&[22, 3, 1, 2]);
    }
    eventually("those above one source's share are turned away", || floor.handle().stats().tcp_refused >= 60);
    phone.forget();
    phone.wait_hears(1000.0, 440.0);
    // Who speaks no TLS is told at once.
    eventually("all handshakes have been given up", || {
        for stranger in strangers.iter_mut().step_by(10) {
            let _ = stranger.write_all(&[1]);
        }
        floor.handle().stats().tls_failed >= 200
    });
    assert!(began.elapsed() < PATIENCE);
    for stranger in &mut strangers {
        stranger.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut left = Vec::new();
        let end = stranger.read_to_end(&mut left);
        let is_over = end.map_or_else(|e| e.kind() == std::io::ErrorKind::ConnectionReset, |_| true);
        assert!(is_over, "a stranger still holds a place");
    }
    assert!(options(door).unwrap().starts_with("SIP/2.0 200"), "a phone finds room again");
    phone.forget();
    phone.wait_hears(1000.0, 440.0);
}

/// A trunk's server: shows a certificate that nobody vouches for, and what it is told by who is content with that.
fn exchange() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (told, heard) = channel();
    std::thread::spawn(move || {
        let config = server_config();
        while let Ok((mut tcp, _)) = listener.accept() {
            let mut tls = ServerConnection::new(config.clone()).unwrap();
            let mut buffer = [0; 8192];
            if let Ok(len) = Stream::new(&mut tls, &mut tcp).read(&mut buffer)
                && told.send(String::from_utf8_lossy(&buffer[..len]).into_owned()).is_err()
            {
                return;
            }
        }
    });
    (addr, heard)
}

#[test]
fn a_trunk_must_prove_who_it_is_unless_the_operator_waives_that() {
    let mut floor = Floor::start();
    let (addr, heard) = exchange();
    let trunk = |number, check_certificate| TrunkEntry {
        trunk: TrunkId(number),
        tenant: TENANT,
        addresses: Vec::new(),
        region: None,
        host: Some(format!("localhost:{}", addr.port())),
        transport: TrunkTransport::Tls,
        check_certificate,
        identity: Default::default(),
        srtp: Default::default(),
        codecs: Vec::new(),
        account: None,
        check: Duration::ZERO,
        active: true,
    };
    let mut directory = directory();
    directory.trunks = vec![trunk(1, true), trunk(2, false)];
    floor.handle().sender().directory(Arc::new(directory)).unwrap();
    let dial = |floor: &Floor, leg, trunk| {
        floor.command(LegCommand::Originate {
            leg,
            tenant: TENANT,
            interaction: None,
            to: Dial::Trunk { trunk: TrunkId(trunk), address: domain::id::AddressId(1), number: "13800138000".into() },
            from: CallerId::default(),
            ring_timeout: PATIENCE,
            beside: None,
        });
    };
    dial(&floor, LegId(1), 1);
    let LegEvent::Ended { cause, .. } = floor.ended(LegId(1)) else { unreachable!() };
    assert_eq!(cause, EndCause::Unreachable);
    assert_eq!(floor.handle().stats().tls_failed, 1);
    assert!(heard.try_recv().is_err(), "nothing is told to who cannot prove it");
    dial(&floor, LegId(2), 2);
    let invite = heard.recv_timeout(PATIENCE).unwrap();
    assert!(invite.starts_with("INVITE sip:13800138000@localhost"), "{invite}");
    assert!(invite.contains("Via: SIP/2.0/TLS 127.0.0.1:") && invite.contains(";transport=tls>"), "{invite}");
    // The same address again for the careful trunk: the careless one's connection is not for it.
    dial(&floor, LegId(3), 1);
    floor.ended(LegId(3));
    assert!(heard.try_recv().is_err());
}
