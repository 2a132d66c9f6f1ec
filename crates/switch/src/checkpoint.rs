//! Crash file entries: what a process that starts again needs to go on where the former one was killed.
//!
//! Three kinds, each under the id it is about: an established leg with its dialog, session and media, which goes on; the
//! INVITEs of a leg that may be ringing somewhere, which are withdrawn; and orders of the floor in force (who hears whom,
//! a playback, a recording), which are carried out again. What is missing or damaged costs its own leg or order only.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use domain::id::{BridgeId, DeviceId, LegId, PlayId, RecordingId, TenantId};
use domain::leg::{Codec, GapCause, LegCommand, Outlived};
use media::{LegKey, Numbers};
use serde::{Deserialize, Serialize};
use sip::{CallId, Hop, SavedCall};

use crate::io::{Output, SrtpNumbers};
use crate::leg::{Attempt, Browser, EarlyMedia, Incoming, Leg, MediaLeg, Outgoing, Party, Phase};
use crate::negotiate::{Remote, Session, floor_codec};
use crate::switch::Switch;
use crate::timers::Timer;

/// Versions written: of INVITEs, and of all that goes on.
const RINGING: u32 = 2;
const LIVING: u32 = 3;

/// Versioned: a reader leaves out what has a `v` it does not know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checkpoint {
    v: u32,
    #[serde(flatten)]
    what: Saved,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Saved {
    Ringing { leg: LegId, invites: Vec<SavedInvite> },
    Living(Box<SavedLeg>),
    Recording { recording: RecordingId, order: LegCommand, began_ms: i64, pause: Option<GapCause> },
    Order { order: LegCommand },
}

/// An INVITE of ours without a final response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedInvite {
    /// The message without its body.
    invite: String,
    transport: sip::Transport,
    local_address: SocketAddr,
    remote_address: SocketAddr,
}

impl SavedInvite {
    fn new(attempt: &Attempt) -> Option<Self> {
        Some(Self {
            invite: String::from_utf8(attempt.invite.as_ref()?.bare()?).ok()?,
            transport: attempt.target.hop.transport,
            local_address: attempt.target.hop.local,
            remote_address: attempt.target.hop.remote,
        })
    }
}

/// An answered leg.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedLeg {
    leg: LegId,
    tenant: TenantId,
    party: SavedParty,
    /// [`crate::Config::boot`].
    boot: u64,
    /// Milliseconds since boot, as all times here.
    answered_ms: i64,
    muted: bool,
    media: SavedMedia,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedParty {
    Sip {
        /// We placed the call.
        outgoing: bool,
        /// The endpoint's part, by [`Checkpoint::complete`].
        call: Option<SavedCall>,
        #[serde(skip)]
        id: Option<CallId>,
        session: Session,
        remote: Box<Remote>,
    },
    Browser {
        device: DeviceId,
        dialled: bool,
        codec: media::CodecParams,
        dtmf: Option<media::DtmfParams>,
    },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct SavedMedia {
    /// Our address in SDP.
    local: SocketAddr,
    seed: u64,
    numbers: Option<Numbers>,
    srtp: Option<SrtpNumbers>,
    /// When the numbers were told, or the leg's media began.
    at_ms: i64,
}

impl Checkpoint {
    /// Before it is written: adds what the SIP endpoint knows of the call. False when there is nothing that could go on.
    pub fn complete(&mut self, save: impl FnOnce(CallId) -> Option<SavedCall>) -> bool {
        if let Saved::Living(leg) = &mut self.what
            && let SavedParty::Sip { call, id: Some(id), .. } = &mut leg.party
        {
            *call = save(*id);
            return call.is_some();
        }
        true
    }

    /// What it is about; `None` for an order that is none to keep.
    fn about(&self) -> Option<Kept> {
        match &self.what {
            Saved::Ringing { leg, .. } => Some(Kept::Leg(*leg)),
            Saved::Living(leg) => Some(Kept::Leg(leg.leg)),
            Saved::Recording { recording, .. } => Some(Kept::Recording(*recording)),
            Saved::Order { order: LegCommand::Bridge { bridge, .. } } => Some(Kept::Bridge(*bridge)),
            Saved::Order { order: LegCommand::Play { play, .. } } => Some(Kept::Play(*play)),
            Saved::Order { .. } => None,
        }
    }
}

/// What an entry of the crash file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kept {
    Leg(LegId),
    Bridge(BridgeId),
    Play(PlayId),
    Recording(RecordingId),
}

impl Kept {
    /// Kind and id.
    pub fn key(self) -> (u8, u128) {
        match self {
            Self::Leg(id) => (0, id.0),
            Self::Bridge(id) => (1, id.0),
            Self::Play(id) => (2, id.0),
            Self::Recording(id) => (3, id.0),
        }
    }
}

impl Switch {
    fn boot_ms(&self) -> i64 {
        self.config.boot_ms_at_start.saturating_add(i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX))
    }

    /// Time since then; none if it lies ahead.
    fn passed(&self, at_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(self.boot_ms().saturating_sub(at_ms)).unwrap_or(0))
    }

    fn keep(&mut self, v: u32, what: Saved) {
        let checkpoint = Checkpoint { v, what };
        if let Some(about) = checkpoint.about() {
            self.emit(Output::Checkpoint { about, value: Some(Box::new(checkpoint)) });
        }
    }

    pub(crate) fn forget(&mut self, about: Kept) {
        self.emit(Output::Checkpoint { about, value: None });
    }

    /// Writes down a leg as it stands: whom a crash would leave in a call, or ringing.
    pub(crate) fn checkpoint(&mut self, leg: LegId) {
        let Some(state) = self.legs.get(&leg).filter(|l| !l.is_ending()) else { return };
        if let (Party::Outgoing(sip), false) = (&state.party, state.is_up()) {
            let invites = sip.calls.iter().filter_map(SavedInvite::new).collect();
            return self.keep(RINGING, Saved::Ringing { leg, invites });
        }
        // Neither a WebSocket nor a peer connection outlives its process.
        if state.web.is_some() {
            return self.forget(Kept::Leg(leg));
        }
        if let Some(saved) = self.saved_leg(state) {
            self.keep(LIVING, Saved::Living(Box::new(saved)));
        }
    }

    fn saved_leg(&self, state: &Leg) -> Option<SavedLeg> {
        let media = state.media.as_ref().filter(|m| m.added && state.is_up())?;
        let remote = || media.remote.map(Box::new);
        let party = match &state.party {
            Party::Incoming(sip) => SavedParty::Sip {
                outgoing: false,
                call: None,
                id: Some(sip.call),
                session: sip.session.clone(),
                remote: remote()?,
            },
            Party::Outgoing(sip) => SavedParty::Sip {
                outgoing: true,
                call: None,
                id: Some(sip.won?),
                session: sip.session.clone(),
                remote: remote()?,
            },
            Party::Browser(browser) => SavedParty::Browser {
                device: browser.device,
                dialled: browser.dialled,
                codec: media.codec?,
                dtmf: media.dtmf,
            },
        };
        let boot = |at: Duration| {
            let ago = i64::try_from(self.now.saturating_sub(at).as_millis()).unwrap_or(i64::MAX);
            self.boot_ms().saturating_sub(ago)
        };
        let talked = i64::try_from(state.talked_before.as_millis()).unwrap_or(i64::MAX);
        Some(SavedLeg {
            leg: state.id,
            tenant: state.tenant,
            party,
            boot: self.config.boot,
            answered_ms: boot(state.answered_at?).saturating_sub(talked),
            muted: state.muted,
            media: SavedMedia {
                local: media.local?,
                seed: media.seed,
                numbers: media.numbers,
                srtp: media.srtp,
                at_ms: boot(media.numbers_at),
            },
        })
    }

    /// An order that is in force from now on, until its id is forgotten.
    pub(crate) fn keep_order(&mut self, order: LegCommand) {
        self.keep(LIVING, Saved::Order { order });
    }

    pub(crate) fn keep_recording(&mut self, id: RecordingId) {
        let Some((order, began, pause)) = self.recordings.get(&id).map(|r| r.order(id)) else { return };
        let ago = i64::try_from(self.now.saturating_sub(began).as_millis()).unwrap_or(i64::MAX);
        let from = self.recordings.get(&id).map_or(0, |r| i64::try_from(r.from_ms).unwrap_or(i64::MAX));
        let began_ms = self.boot_ms().saturating_sub(ago).saturating_sub(from);
        self.keep(LIVING, Saved::Recording { recording: id, order, began_ms, pause });
    }

    /// After a restart, before anything else: takes up the legs of the former run with who heard whom and what was
    /// recorded; their sound goes on at once, playbacks with the first directory. CANCELs what may still ring. Legs that
    /// the floors do not know are theirs to hang up. Drain [`Switch::poll`] afterwards.
    pub fn recover(
        &mut self,
        now: Duration,
        checkpoints: impl IntoIterator<Item = Checkpoint>,
    ) -> BTreeMap<TenantId, Outlived> {
        self.now = self.now.max(now);
        let mut found: BTreeMap<TenantId, Outlived> = BTreeMap::new();
        let (mut orders, mut recordings) = (Vec::new(), Vec::new());
        for Checkpoint { v, what } in checkpoints {
            let what = match (v, what) {
                (RINGING, Saved::Ringing { leg, invites }) => {
                    self.withdraw(leg, invites);
                    continue;
                }
                (LIVING, what) => what,
                (v, _) => {
                    tracing::warn!(v, "a checkpoint is of an unknown version");
                    continue;
                }
            };
            match what {
                Saved::Living(saved) => {
                    if let Some((tenant, leg, codec)) = self.resume(*saved) {
                        found.entry(tenant).or_default().legs.insert(leg, codec);
                    }
                }
                Saved::Order { order } => orders.push(order),
                Saved::Recording { recording, order, began_ms, pause } => {
                    recordings.push((recording, order, began_ms, pause));
                }
                Saved::Ringing { .. } => {}
            }
        }
        for order in orders {
            match order {
                LegCommand::Bridge { bridge, legs } => {
                    self.set_bridge(bridge, legs);
                    if !self.bridges.contains_key(&bridge) {
                        self.forget(Kept::Bridge(bridge));
                    }
                }
                // Prompts come with the directory.
                LegCommand::Play { leg, play, .. } => match self.legs.get_mut(&leg) {
                    Some(state) => state.deferred.push(order),
                    None => self.forget(Kept::Play(play)),
                },
                _ => {}
            }
        }
        for (id, order, began_ms, pause) in recordings {
            match self.resume_recording(id, order, self.passed(began_ms), pause) {
                Some(tenant) => drop(found.entry(tenant).or_default().recordings.insert(id)),
                None => self.forget(Kept::Recording(id)),
            }
        }
        found
    }

    fn withdraw(&mut self, leg: LegId, invites: Vec<SavedInvite>) {
        for saved in invites {
            let hop = Hop {
                transport: saved.transport,
                local: saved.local_address,
                remote: saved.remote_address,
                conn: None,
            };
            self.sip(sip::Command::Withdraw { invite: saved.invite.into_bytes(), hop });
        }
        self.forget(Kept::Leg(leg));
    }

    fn resume(&mut self, saved: SavedLeg) -> Option<(TenantId, LegId, Codec)> {
        let SavedLeg { leg: id, tenant, party, boot, answered_ms, muted, media: saved } = saved;
        if boot != self.config.boot {
            // Who is still there after all that time is told that we are not.
            if let SavedParty::Sip { call: Some(saved), .. } = party {
                let call = CallId::outgoing(self.next_number());
                self.sip(sip::Command::Adopt { call, saved: Box::new(saved) });
                self.sip(sip::Command::Hangup { call, headers: Vec::new() });
            }
            self.forget(Kept::Leg(id));
            return None;
        }
        if self.legs.contains_key(&id) || !self.has_room() {
            self.forget(Kept::Leg(id));
            return None;
        }
        let key = LegKey(self.next_number());
        let mut media = MediaLeg::new(key);
        (media.local, media.added, media.seed) = (Some(saved.local), true, saved.seed);
        let (passed, told) = (self.passed(saved.at_ms), saved.numbers.unwrap_or_else(|| Numbers::first(saved.seed)));
        media.srtp = saved.srtp.map(SrtpNumbers::resumed);
        media.numbers_at = self.now;
        let (party, add) = match party {
            SavedParty::Sip { outgoing, call: Some(saved_call), session, remote, .. } => {
                let call = CallId::outgoing(self.next_number());
                let hop = Hop::udp(self.config.sip_local, saved_call.remote_address());
                self.by_call.insert(call, id);
                self.sip(sip::Command::Adopt { call, saved: Box::new(saved_call) });
                self.emit(Output::ReopenMedia { media: key, local: saved.local });
                if let Some(keys) = remote.keys {
                    self.emit(Output::Protect { media: key, keys: Some(Box::new(keys)), resume: media.srtp });
                }
                media.numbers = Some(told.resumed(passed, remote.codec.codec));
                let add = media::AddLeg { resume: media.numbers, ..remote.leg(key, saved.seed) };
                media.keys = remote.keys;
                media.codec = Some(remote.codec);
                media.dtmf = remote.dtmf;
                media.remote = Some(*remote);
                let party = match outgoing {
                    true => Party::Outgoing(Outgoing::won(call, session)),
                    false => Party::Incoming(Incoming { call, offer: None, hop, session, early_media: EarlyMedia::No }),
                };
                (party, add)
            }
            SavedParty::Browser { device, dialled, codec, dtmf } => {
                media.codec = Some(codec);
                media.dtmf = dtmf;
                self.by_browser.insert(device, id);
                self.timers.set(Timer::Reattach(id), self.now + self.config.reattach);
                let add = media::AddLeg {
                    leg: key,
                    transport: media::Transport::WebRtc,
                    codec,
                    dtmf,
                    direction: media::Direction::BOTH,
                    seed: saved.seed,
                    resume: None,
                };
                (Party::Browser(Browser { device, dialled }), add)
            }
            SavedParty::Sip { call: None, .. } => {
                self.forget(Kept::Leg(id));
                return None;
            }
        };
        let codec = floor_codec(add.codec.codec);
        self.by_media.insert(key, id);
        self.media(media::Command::AddLeg(add));
        let is_fax = media.remote.is_some_and(|remote| remote.image);
        if is_fax {
            self.media(media::Command::UpdateLeg(media::UpdateLeg { image: Some(true), ..media::UpdateLeg::new(key) }));
        }
        if muted {
            self.media(media::Command::Mute { leg: key, muted });
        }
        let held = media.remote.is_some_and(|remote| remote.held);
        let mut leg = Leg::new(id, tenant, party, Phase::Up);
        leg.media = Some(media);
        leg.muted = muted;
        leg.peer_held = held;
        leg.answered_at = Some(self.now);
        leg.talked_before = self.passed(answered_ms);
        self.legs.insert(id, leg);
        if held || is_fax {
            self.timers.set(Timer::Probe(id), self.now + self.config.silence);
        }
        // With the numbers of this process: it may be killed before it tells others.
        self.checkpoint(id);
        Some((tenant, id, codec))
    }

    /// The first directory has come, and with it the prompts.
    pub(crate) fn resume_plays(&mut self) {
        let waiting: Vec<LegId> =
            self.legs.values().filter(|l| l.is_up() && !l.deferred.is_empty()).map(|l| l.id).collect();
        for leg in waiting {
            if self.legs.get(&leg).and_then(Leg::media_key).is_none() {
                continue;
            }
            let deferred = self.legs.get_mut(&leg).map(|l| std::mem::take(&mut l.deferred)).unwrap_or_default();
            for command in deferred {
                self.sound_command(leg, command);
            }
        }
    }
}
