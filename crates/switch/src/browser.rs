//! Browsers as devices: peer connections that outlive calls, legs that outlive peer connections, guests who dial.
//!
//! ```text
//! peer: Connect → Offered → answer made → Accepted → ICE and DTLS through → Ready → (Closed, Failed, replaced) gone
//! leg:  on the ready peer; without one it waits `Config::reattach` for the next, then ends with `media.lost`
//! ```
use domain::address::Address;
use domain::device::{DeviceLoss, DeviceReport, DeviceSignal, GuestCallState};
use domain::directory::DeviceEntryKind;
use domain::id::{DeviceId, LegId, NumberId, TenantId};
use domain::leg::{EndCause, EndedBy, LegEvent, Via};
use media::Direction;

use crate::io::{Output, PeerAudio, PeerCommand, PeerEvent, PeerRef, Transport};
use crate::leg::{Browser, Leg, Party, Phase};
use crate::negotiate::{floor_codec, media_codec};
use crate::policy;
use crate::switch::Switch;
use crate::timers::Timer;

/// The newest peer connection of a device.
#[derive(Debug)]
pub(crate) struct Peer {
    generation: u64,
    tenant: TenantId,
    state: PeerState,
}

#[derive(Debug, Clone, Copy)]
enum PeerState {
    Offered,
    Accepted,
    Ready(PeerAudio),
}

impl Switch {
    pub(crate) fn on_device_signal(&mut self, signal: DeviceSignal) {
        match signal {
            DeviceSignal::Connect { device, tenant, generation, offer_sdp } => {
                self.connect(device, tenant, generation, offer_sdp);
            }
            DeviceSignal::Close { device, generation } => self.close(device, generation),
            DeviceSignal::Dial { device, number } => self.dial(device, number),
            DeviceSignal::HangUp { device } => {
                if let Some(leg) = self.dialled_leg(device) {
                    self.end(leg, EndCause::Hangup, EndedBy::Peer);
                }
            }
            DeviceSignal::Digit { device, digit } => {
                if let Some(leg) = self.dialled_leg(device) {
                    self.digit_by_signalling(leg, digit);
                }
            }
        }
    }

    fn dialled_leg(&self, device: DeviceId) -> Option<LegId> {
        let leg = self.legs.get(self.by_browser.get(&device)?)?;
        matches!(&leg.party, Party::Browser(b) if b.dialled).then_some(leg.id)
    }

    fn connect(&mut self, device: DeviceId, tenant: TenantId, generation: u64, offer_sdp: String) {
        let code = match (self.directory.devices.get(&device), self.peers.get(&device)) {
            _ if self.draining => Some("device.draining"),
            // Guests stand in no directory; a listed device is an agent's and must be a browser of this tenant.
            (Some(entry), _) if entry.tenant != tenant || !matches!(entry.kind, DeviceEntryKind::Browser) => {
                Some("device.not_browser")
            }
            (_, Some(old)) if old.generation >= generation => Some("device.stale"),
            (_, Some(old)) if old.tenant != tenant => Some("device.not_browser"),
            (_, None) if self.peers.len() >= self.config.max_peers => Some("device.limit"),
            _ => None,
        };
        if let Some(code) = code {
            return self.report(DeviceReport::Refused { device, generation, code: code.to_owned() });
        }
        if let Some(old) = self.peers.get(&device) {
            let former = old.generation;
            let peer = PeerRef::Device { device, generation: former };
            self.emit(Output::Peer(PeerCommand::Close { peer }));
            self.peer_gone(device, former, DeviceLoss::Replaced);
        }
        self.peers.insert(device, Peer { generation, tenant, state: PeerState::Offered });
        let codecs = policy::browser_codecs(&self.directory, tenant).iter().map(|codec| media_codec(*codec)).collect();
        let peer = PeerRef::Device { device, generation };
        self.emit(Output::Peer(PeerCommand::Accept { peer, offer_sdp, codecs }));
    }

    fn close(&mut self, device: DeviceId, generation: u64) {
        if self.peers.get(&device).is_none_or(|p| p.generation != generation) {
            return;
        }
        let peer = PeerRef::Device { device, generation };
        self.emit(Output::Peer(PeerCommand::Close { peer }));
        self.peer_gone(device, generation, DeviceLoss::Closed);
        // A guest who closes the page hangs up. An agent may be reloading it.
        let guest = !self.directory.devices.contains_key(&device);
        if let Some(leg) = self.dialled_leg(device).filter(|_| guest) {
            self.end(leg, EndCause::Hangup, EndedBy::Peer);
        }
    }

    pub(crate) fn on_peer(&mut self, event: PeerEvent) {
        let PeerRef::Device { device, generation } = event.peer() else { return self.on_call_peer(event) };
        // Events of a replaced or closed peer cross our command: nobody is interested any more.
        let Some(known) = self.peers.get_mut(&device).filter(|p| p.generation == generation) else { return };
        match event {
            PeerEvent::Accepted { answer_sdp, .. } => {
                if matches!(known.state, PeerState::Offered) {
                    known.state = PeerState::Accepted;
                    self.report(DeviceReport::Answer { device, generation, answer_sdp });
                }
            }
            PeerEvent::Ready { audio, .. } => {
                if !matches!(known.state, PeerState::Ready(_)) {
                    known.state = PeerState::Ready(audio);
                    self.report(DeviceReport::Ready { device, generation });
                    self.reattach(device, generation, audio);
                }
            }
            PeerEvent::Failed { code, .. } if matches!(known.state, PeerState::Offered) => {
                self.peers.remove(&device);
                self.report(DeviceReport::Refused { device, generation, code });
            }
            PeerEvent::Failed { .. } => self.peer_gone(device, generation, DeviceLoss::IceFailed),
            PeerEvent::Closed { .. } => self.peer_gone(device, generation, DeviceLoss::Closed),
            // Browsers' connections answer, and are replaced rather than changed.
            PeerEvent::Declined { .. } | PeerEvent::Offered { .. } => {}
        }
    }

    /// The device's peer is no more; a living leg waits for the next one.
    fn peer_gone(&mut self, device: DeviceId, generation: u64, why: DeviceLoss) {
        self.peers.remove(&device);
        self.report(DeviceReport::Lost { device, generation, why });
        if let Some(&leg) = self.by_browser.get(&device) {
            let detached = self.legs.get(&leg).is_some_and(|l| !l.is_ending());
            // One wait for the whole reload: a replaced peer that fails in turn does not start it anew.
            if detached && !self.timers.is_set(Timer::Reattach(leg)) {
                self.timers.set(Timer::Reattach(leg), self.now + self.config.reattach);
            }
        }
    }

    /// A new peer is ready: the device's leg moves to it.
    fn reattach(&mut self, device: DeviceId, generation: u64, audio: PeerAudio) {
        let peer = PeerRef::Device { device, generation };
        let Some(&leg) = self.by_browser.get(&device) else { return };
        self.timers.cancel(Timer::Reattach(leg));
        let Some(state) = self.legs.get_mut(&leg) else { return };
        match &state.phase {
            Phase::Up => {
                let Some(media) = state.media.as_mut() else { return };
                let (key, changed) = (media.key, media.codec != Some(audio.codec));
                media.codec = Some(audio.codec);
                media.dtmf = audio.dtmf;
                self.emit(Output::MoveMedia { media: key, transport: Transport::Peer(peer) });
                let mut update = media::UpdateLeg::new(key);
                update.codec = changed.then_some(audio.codec);
                update.dtmf = Some(audio.dtmf);
                self.media(media::Command::UpdateLeg(update));
                self.consider_aligning(leg);
                self.checkpoint(leg);
            }
            // Answered while the peer was away.
            Phase::Opening if state.media.is_none() => self.open_media(leg, Transport::Peer(peer)),
            Phase::Opening => {
                if let Some(media) = &state.media {
                    let key = media.key;
                    self.emit(Output::MoveMedia { media: key, transport: Transport::Peer(peer) });
                }
            }
            _ => {}
        }
    }

    fn ready_peer(&self, device: DeviceId) -> Option<(PeerRef, PeerAudio)> {
        let peer = self.peers.get(&device)?;
        match peer.state {
            PeerState::Ready(audio) => Some((PeerRef::Device { device, generation: peer.generation }, audio)),
            PeerState::Offered | PeerState::Accepted => None,
        }
    }

    /// A guest (or an agent) calls a number of its tenant from the browser.
    fn dial(&mut self, device: DeviceId, number: NumberId) {
        if self.by_browser.contains_key(&device) {
            // Its call is still up: a doubled click.
            return;
        }
        let tenant = self.peers.get(&device).map(|p| p.tenant);
        let allowed = tenant.filter(|t| {
            let ready = self.ready_peer(device).is_some();
            ready && !self.draining && self.has_room() && policy::owns_number(&self.directory, *t, number)
        });
        let Some(tenant) = allowed else {
            return self.report(DeviceReport::GuestCall { device, state: GuestCallState::Refused });
        };
        let listed = self.directory.devices.contains_key(&device);
        let via = if listed { Via::Device { device } } else { Via::Guest };
        let leg = self.mint_leg();
        let party = Party::Browser(Browser { device, dialled: true });
        self.legs.insert(leg, Leg::new(leg, tenant, party, Phase::Offered));
        self.by_browser.insert(device, leg);
        self.timers.set(Timer::Offer(leg), self.now + self.config.offer_timeout);
        let from = Address::Social { channel: "web".to_owned(), id: device.to_string() };
        self.tell(LegEvent::Offered { leg, tenant, number, from, name: None, via, claims: Default::default() });
    }

    pub(crate) fn originate_browser(&mut self, leg: LegId, tenant: TenantId, device: DeviceId) {
        if self.by_browser.contains_key(&device) {
            return self.stillborn(leg, EndCause::Busy);
        }
        if self.ready_peer(device).is_none() {
            return self.stillborn(leg, EndCause::Unreachable);
        }
        let party = Party::Browser(Browser { device, dialled: false });
        self.legs.insert(leg, Leg::new(leg, tenant, party, Phase::Opening));
        self.by_browser.insert(device, leg);
        self.open_browser_media(leg, device);
    }

    /// Opens media on the device's peer, or waits for the peer to come back.
    pub(crate) fn open_browser_media(&mut self, leg: LegId, device: DeviceId) {
        match self.ready_peer(device) {
            Some((peer, _)) => self.open_media(leg, Transport::Peer(peer)),
            None => {
                if let Some(state) = self.legs.get_mut(&leg) {
                    state.phase = Phase::Opening;
                }
                if !self.timers.is_set(Timer::Reattach(leg)) {
                    self.timers.set(Timer::Reattach(leg), self.now + self.config.reattach);
                }
            }
        }
    }

    /// Telephony has tied the media leg to the peer: sound can start.
    pub(crate) fn browser_up(&mut self, leg: LegId) {
        let Some(Party::Browser(browser)) = self.legs.get(&leg).map(|l| &l.party) else { return };
        let (device, dialled) = (browser.device, browser.dialled);
        let Some((_, audio)) = self.ready_peer(device) else {
            // It vanished meanwhile; `reattach` opens anew.
            return self.reopen_later(leg);
        };
        let (seed, now) = (self.draw(), self.now);
        self.leg_is_up(leg);
        let Some(media) = self.legs.get_mut(&leg).and_then(|l| l.media.as_mut()) else { return };
        (media.added, media.seed, media.numbers_at) = (true, seed, now);
        media.codec = Some(audio.codec);
        media.dtmf = audio.dtmf;
        let key = media.key;
        self.media(media::Command::AddLeg(media::AddLeg {
            leg: key,
            transport: media::Transport::WebRtc,
            codec: audio.codec,
            dtmf: audio.dtmf,
            direction: Direction::BOTH,
            seed,
            resume: None,
        }));
        self.checkpoint(leg);
        if dialled {
            self.report(DeviceReport::GuestCall { device, state: GuestCallState::Answered });
        }
        self.tell(LegEvent::Answered { leg, codec: floor_codec(audio.codec.codec) });
        self.sound_ready(leg);
    }

    fn reopen_later(&mut self, leg: LegId) {
        let Some(media) = self.legs.get_mut(&leg).and_then(|l| l.media.take()) else { return };
        self.by_media.remove(&media.key);
        self.emit(Output::CloseMedia { media: media.key });
        if !self.timers.is_set(Timer::Reattach(leg)) {
            self.timers.set(Timer::Reattach(leg), self.now + self.config.reattach);
        }
    }

    /// Devices that left the directory, or are no browsers any more, lose their peers. Guests stand in no directory, so
    /// only a changed entry counts; a removed device is closed by the device hub.
    pub(crate) fn review_peers(&mut self) {
        let wrong: Vec<(DeviceId, u64)> =
            self.peers
                .iter()
                .filter(|(device, peer)| {
                    self.directory.devices.get(device).is_some_and(|entry| {
                        entry.tenant != peer.tenant || !matches!(entry.kind, DeviceEntryKind::Browser)
                    })
                })
                .map(|(device, peer)| (*device, peer.generation))
                .collect();
        for (device, generation) in wrong {
            self.emit(Output::Peer(PeerCommand::Close { peer: PeerRef::Device { device, generation } }));
            self.peer_gone(device, generation, DeviceLoss::Closed);
        }
    }
}
