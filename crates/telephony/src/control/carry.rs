//! Carries out what the SIP endpoint and the switch say: messages to send, events to hand on, carriers of media to open.
//! Part of the control thread.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crossbeam_channel::TrySendError;
use domain::leg::LegEvent;
use media::LegKey;
use switch::{Input, Output, PeerCommand, Transport};

use super::Control;
use super::trust::Peer;
use crate::config::Up;
use crate::media_thread::ToMedia;
use crate::names::Question;
use crate::recording::Job;
use crate::stats::Counters;

/// Steps of one input; a call takes a dozen.
const STEPS_MAX: usize = 1_000_000;

impl Control {
    /// Carries out what the two machines say until both are silent.
    pub(super) fn pump(&mut self) {
        for _ in 0..STEPS_MAX {
            if let Some(output) = self.parts.endpoint.poll_output() {
                self.on_sip_output(output);
            } else if let Some(output) = self.parts.switch.poll() {
                self.on_switch_output(output);
            } else if let Some(answer) = self.answers.pop_front() {
                self.tell_switch(answer);
            } else {
                return;
            }
        }
        tracing::error!("the switch and the SIP endpoint do not come to rest");
    }

    fn on_sip_output(&mut self, output: sip::Output) {
        match output {
            sip::Output::Transmit(transmit) => {
                let sent = self.parts.sip.send(self.parts.poll.registry(), &transmit.hop, &transmit.bytes);
                match sent {
                    Ok(()) => Counters::add(&self.parts.counters.sip_sent, 1),
                    Err(error) => {
                        Counters::add(&self.parts.counters.sip_send_failed, 1);
                        tracing::debug!(remote = %transmit.hop.remote, %error, "a SIP message could not be sent");
                        // A full UDP socket recovers (the transaction repeats); anything else will not.
                        if error.kind() != io::ErrorKind::WouldBlock {
                            let (transport, remote) = (transmit.hop.transport, transmit.hop.remote);
                            self.tell_sip(sip::Input::Unreachable { transport, remote });
                        }
                    }
                }
            }
            sip::Output::CloseStream { conn } => {
                self.parts.sip.close(conn);
                self.tell_sip(sip::Input::StreamClosed { conn });
            }
            sip::Output::Event(event) => self.tell_switch(Input::Sip(event)),
        }
    }

    fn on_switch_output(&mut self, output: Output) {
        let counters = &self.parts.counters;
        match output {
            Output::Leg(event) => {
                match &event {
                    LegEvent::Offered { leg, .. }
                    | LegEvent::Dialled { leg, .. }
                    | LegEvent::ReplaceAsked { leg, .. } => {
                        let now = self.parts.start.elapsed();
                        self.pressure.offered(now, *leg);
                    }
                    LegEvent::Ended { leg, .. } => {
                        Counters::add(&counters.legs_ended, 1);
                        self.pressure.decided(*leg);
                    }
                    // For screens, in a few seconds anew: what decides goes first.
                    LegEvent::Quality { .. } if !self.backlog.is_empty() => return,
                    _ => {}
                }
                self.backlog.push_back(Up::Leg(event));
            }
            Output::Report(report) => self.backlog.push_back(Up::Device(report)),
            Output::Trunk(report) => self.backlog.push_back(Up::Trunk(report)),
            Output::PolicyChanged => self.policy = self.parts.switch.policy(),
            Output::RestoreBindings { records } => {
                let now = self.now();
                self.parts.endpoint.import_bindings(now, Duration::ZERO, records);
            }
            Output::Peer(PeerCommand::Accept { peer, offer_sdp, codecs }) => {
                self.tell_media(ToMedia::Accept { peer, offer_sdp, codecs });
            }
            Output::Peer(PeerCommand::Offer { peer, codecs }) => self.tell_media(ToMedia::Offer { peer, codecs }),
            Output::Peer(PeerCommand::Conclude { peer, answer_sdp }) => {
                self.tell_media(ToMedia::Conclude { peer, answer_sdp });
            }
            Output::Peer(PeerCommand::Close { peer }) => self.tell_media(ToMedia::ClosePeer { peer }),
            Output::OpenMedia { media, transport, towards } => {
                let ip = self.parts.ports.told(self.parts.sip.media_ip_for(towards));
                let opened = self.open(media, transport, ip);
                self.answers.push_back(match opened {
                    Some(port) => Input::MediaOpened { media, local: SocketAddr::new(ip, port) },
                    None => Input::MediaFailed { media },
                });
            }
            Output::MoveMedia { media, transport } => {
                self.free_port(media);
                let ip = self.parts.sip.media_ip_for(None);
                if self.open(media, transport, ip).is_none() {
                    self.answers.push_back(Input::MediaFailed { media });
                }
            }
            Output::ReopenMedia { media, local } => match self.parts.ports.take_again(local) {
                Some(pair) => {
                    self.media_ports.insert(media, local.port());
                    self.tell_media(ToMedia::OpenUdp { media, pair });
                }
                None => {
                    tracing::error!(
                        port = local.port(),
                        "a media port of the former run cannot be had again: its call ends"
                    );
                    self.answers.push_back(Input::MediaFailed { media });
                }
            },
            Output::Protect { media, keys, resume } => self.tell_media(ToMedia::Protect { media, keys, resume }),
            Output::CloseMedia { media } => self.tell_media(ToMedia::Close { media }),
            Output::Media(command) => self.tell_media(ToMedia::Plane(command)),
            Output::OpenRecording { recording, id, tenant: _ } => {
                self.recordings.insert(recording);
                self.parts.to_writer.send(Job::Open { recording, id });
            }
            Output::Resolve { key, host, port, transport } => {
                let asked = self.parts.questions.try_send(Question { key, host, port, transport });
                if let Err(TrySendError::Full(question) | TrySendError::Disconnected(question)) = asked {
                    self.answers.push_back(Input::Resolved {
                        key: question.key,
                        addresses: Vec::new(),
                        life: Duration::ZERO,
                    });
                }
            }
            Output::ExpectPeer { remote, name, is_checked } => {
                self.parts.sip.trust.expect(remote, Peer { name, is_checked });
            }
            Output::Checkpoint { about, mut value } => {
                if let Some(checkpoint) = &mut value
                    && !checkpoint.complete(|call| self.parts.endpoint.save(call))
                {
                    // Not established yet; it comes again.
                    return;
                }
                let bytes = value.map(|v| serde_json::to_vec(&v)).transpose().map_err(io::Error::other);
                if let Err(error) = bytes.and_then(|bytes| self.parts.checkpoints.put(about.key(), bytes)) {
                    self.checkpoint_failed(&error);
                }
            }
            Output::Sip(mut command) => {
                self.place(&mut command);
                self.tell_sip(sip::Input::Command(command));
            }
        }
    }

    /// What is sent outside of calls goes out by the address that reaches its peer.
    fn place(&mut self, command: &mut sip::Command) {
        let hop = match command {
            sip::Command::Ping { hop, .. } => hop,
            sip::Command::Register(wish) => &mut wish.hop,
            _ => return,
        };
        if hop.local.ip().is_unspecified() {
            hop.local = self.parts.sip.local_for(hop.remote.ip());
        }
    }

    pub(super) fn checkpoint_failed(&self, error: &io::Error) {
        Counters::add(&self.parts.counters.checkpoint_errors, 1);
        tracing::error!(%error, "calls cannot be written to the checkpoint file: after a crash they would be lost");
    }

    pub(super) fn tell_media(&mut self, command: ToMedia) {
        self.parts.to_media.send(command);
    }

    /// Gives a media leg its carrier; the port, which means nothing for a peer. `ip` is what the peer is told.
    fn open(&mut self, media: LegKey, transport: Transport, ip: IpAddr) -> Option<u16> {
        match transport {
            Transport::Udp => {
                let pair = self.parts.ports.take(ip)?;
                let port = pair.port;
                self.media_ports.insert(media, port);
                self.tell_media(ToMedia::OpenUdp { media, pair });
                Some(port)
            }
            Transport::Peer(peer) => {
                self.tell_media(ToMedia::OpenPeer { media, peer });
                Some(0)
            }
        }
    }

    pub(super) fn free_port(&mut self, media: LegKey) {
        if let Some(port) = self.media_ports.remove(&media) {
            self.parts.ports.give_back(port);
        }
    }
}
