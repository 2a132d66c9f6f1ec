//! "Ring me": the server calls its own sample queue over loopback SIP, speaks when it is answered, then echoes.
//!
//! The demo caller is an ordinary outgoing leg that no floor knows. The incoming side of the same call runs through the
//! floor like any customer's: its leg is recognised by the caller's user part, before the floor is told of it. When the
//! floor reports that leg bridged to an agent's, the demo caller speaks its text; then its leg hears itself, so that the newcomer hears himself.
//!
//! ```text
//! Calling ─ incoming side offered → Waiting ─ bridged → Speaking ─ play ended → Echo ─ any side ends → (gone)
//! ```
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::event::{Event, EventBody};
use domain::id::{BridgeId, IdMint, LegId, PlayId, PromptId, TenantId};
use domain::leg::{CallerId, ClipRef, Dial, EndCause, Hears, LegCommand, LegEvent};
use domain::localized::Lang;

use crate::error::CommandError;
use crate::port::{Down, PortClosed};

/// The speech's place in the directory: not a tenant's prompt, so an id that no tenant has.
pub const SPEECH: PromptId = PromptId(1);
/// Demo calls at the same time on one node.
const CALLS_MAX: usize = 20;
/// Rings and waits this long in all before it gives up.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct DemoCaller {
    down: Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>,
    /// Where this process takes SIP calls from itself.
    sip: SocketAddr,
    inner: Mutex<Inner>,
}

struct Inner {
    mint: IdMint,
    calls: HashMap<LegId, Call>,
}

struct Call {
    /// The user part it calls with: finds the incoming side.
    user: String,
    clip: ClipRef,
    /// The leg of the incoming side.
    incoming: Option<LegId>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Speaking(PlayId),
    Echo,
}

impl DemoCaller {
    /// `mint` must not collide with any floor's or the switch's ids.
    pub fn new(down: Arc<dyn Fn(Down) -> Result<(), PortClosed> + Send + Sync>, sip: SocketAddr, mint: IdMint) -> Self {
        Self { down, sip, inner: Mutex::new(Inner { mint, calls: HashMap::new() }) }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `number` of the tenant and speaks `lang`.
    pub fn call(&self, tenant: TenantId, number: &str, lang: Lang) -> Result<(), CommandError> {
        let (leg, command) = {
            let mut inner = self.inner();
            if inner.calls.len() >= CALLS_MAX {
                return Err(CommandError::DemoBusy);
            }
            let leg = LegId(inner.mint.next_bits());
            let user = format!("demo-{}", inner.mint.counter);
            let from = CallerId { user: Some(user.clone()), name: Some("Demo".to_owned()), diverted: None };
            let clip = ClipRef { prompt: SPEECH, lang };
            inner.calls.insert(leg, Call { user, clip, incoming: None, stage: Stage::Waiting });
            let originate = LegCommand::Originate {
                leg,
                tenant,
                interaction: None,
                to: Dial::Uri { uri: format!("sip:{number}@{}", self.sip) },
                from,
                ring_timeout: PATIENCE,
                beside: None,
            };
            (leg, originate)
        };
        self.send(command).map_err(|PortClosed| {
            self.inner().calls.remove(&leg);
            CommandError::Telephony
        })
    }

    /// Whether `leg` is a demo caller's own leg.
    pub fn owns(&self, leg: LegId) -> bool {
        self.inner().calls.contains_key(&leg)
    }

    /// The incoming side of a demo call may have arrived: its caller's user part and its leg.
    pub fn incoming(&self, user: &str, leg: LegId) {
        let mut inner = self.inner();
        if let Some(call) = inner.calls.values_mut().find(|c| c.user == user) {
            call.incoming = Some(leg);
        }
    }

    /// An event of a leg it [`DemoCaller::owns`].
    pub fn leg_event(&self, event: &LegEvent) {
        let command = {
            let mut inner = self.inner();
            match event {
                LegEvent::Ended { leg, .. } => {
                    inner.calls.remove(leg);
                    None
                }
                LegEvent::PlayEnded { leg, play, .. } => {
                    let bridge = BridgeId(inner.mint.next_bits());
                    inner.calls.get_mut(leg).filter(|c| c.stage == Stage::Speaking(*play)).map(|call| {
                        call.stage = Stage::Echo;
                        LegCommand::Bridge { bridge, legs: vec![Hears { leg: *leg, hears: vec![*leg] }] }
                    })
                }
                _ => None,
            }
        };
        if let Some(command) = command {
            // A closed port means that the process is ending and the leg with it.
            let _ = self.send(command);
        }
    }

    /// Durable events of a floor: the bridge to an agent starts the speech.
    pub fn floor_events<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        for event in events {
            let EventBody::Bridged { legs, .. } = &event.body else { continue };
            let command = {
                let mut inner = self.inner();
                let play = PlayId(inner.mint.next_bits());
                let is_bridged = |c: &Call| c.incoming.is_some_and(|leg| legs.contains(&leg));
                let found = inner.calls.iter_mut().find(|(_, c)| c.stage == Stage::Waiting && is_bridged(c));
                found.map(|(leg, call)| {
                    call.stage = Stage::Speaking(play);
                    LegCommand::Play {
                        leg: *leg,
                        play,
                        clips: vec![call.clip],
                        looped: false,
                        interruptible: false,
                        collect: None,
                    }
                })
            };
            if let Some(command) = command {
                let _ = self.send(command);
            }
        }
    }

    /// Ends every demo call, at shutdown.
    pub fn hang_up_all(&self) {
        let legs: Vec<LegId> = self.inner().calls.keys().copied().collect();
        for leg in legs {
            let _ = self.send(LegCommand::Hangup { leg, cause: EndCause::SystemShutdown });
        }
    }

    fn send(&self, command: LegCommand) -> Result<(), PortClosed> {
        (self.down)(Down::Leg(command))
    }
}
