//! Sans-IO SIP: messages, transactions, dialogs, registrar, digest, SDP.
//!
//! Most callers need [`Endpoint`] alone: it is registrar, user agent server and user agent client for every call of a node.
//! `telephony` feeds it datagrams, stream bytes and time and sends what it returns; `switch` reads its [`Event`]s and wishes
//! [`Command`]s; [`sdp`] negotiates what both carry. No sockets, no clock, no randomness of its own.
//!
//! A call from Alice's endpoint to Bob's, answered and hung up:
//!
//! ```
//! use std::time::Duration;
//! use sip::msg::{Message, NameAddr, Uri};
//! use sip::{
//!     Account, Admission, CallId, Command, Config, Directory, EndCause, Endpoint, Event, Hop, Input, Invite, Output,
//! };
//!
//! /// Lets everybody call and nobody register.
//! struct Open;
//! impl Directory for Open {
//!     fn admit(&self, _: &Hop, _: &Message) -> Admission {
//!         Admission::Accept { identity: None }
//!     }
//!     fn realm(&self, _: &str) -> Option<String> {
//!         None
//!     }
//!     fn account(&self, _: &str, _: &str) -> Option<Account> {
//!         None
//!     }
//!     fn may_register(&self, _: &sip::registrar::UserKey, _: &str) -> bool {
//!         false
//!     }
//! }
//!
//! let now = Duration::ZERO;
//! let mut alice = Endpoint::new(Config::new([1; 32]));
//! let mut bob = Endpoint::new(Config::new([2; 32]));
//!
//! /// Carries what `from` wants sent over to `to`; returns what `from` has to tell.
//! fn carry(now: Duration, from: &mut Endpoint, to: &mut Endpoint) -> Vec<Event> {
//!     let mut events = Vec::new();
//!     while let Some(output) = from.poll_output() {
//!         match output {
//!             Output::Transmit(sent) => {
//!                 let (local, remote) = (sent.hop.remote, sent.hop.local);
//!                 to.handle(now, Input::Datagram { local, remote, bytes: &sent.bytes }, &Open);
//!             }
//!             Output::Event(event) => events.push(event),
//!             Output::CloseStream { .. } => {}
//!         }
//!     }
//!     events
//! }
//!
//! // Alice calls. The number of an outgoing call is hers to choose.
//! let call = CallId::outgoing(1);
//! let hop = Hop::udp("192.0.2.1:5060".parse()?, "192.0.2.2:5060".parse()?);
//! let invite = Invite {
//!     call,
//!     hop,
//!     uri: Uri::parse("sip:3000@192.0.2.2")?,
//!     from: NameAddr::new(Uri::parse("sip:alice@192.0.2.1")?).with_display("Alice"),
//!     to: None,
//!     contact_user: Some("alice".into()),
//!     headers: vec![],
//!     sdp: Some(b"v=0 (offer)".to_vec()),
//!     credentials: None,
//! };
//! alice.handle(now, Input::Command(Command::Invite(Box::new(invite))), &Open);
//! carry(now, &mut alice, &mut bob);
//!
//! // Bob is called, rings and answers.
//! let Some(Event::IncomingCall(incoming)) = carry(now, &mut bob, &mut alice).pop() else { panic!() };
//! assert_eq!(incoming.uri().user.as_deref(), Some("3000"));
//! assert_eq!(incoming.sdp(), Some(&b"v=0 (offer)"[..]));
//! let ringing = Command::Progress { call: incoming.call, status: 180, sdp: None };
//! bob.handle(now, Input::Command(ringing), &Open);
//! let answer = Command::Answer { call: incoming.call, sdp: b"v=0 (answer)".to_vec(), headers: vec![] };
//! bob.handle(now, Input::Command(answer), &Open);
//! carry(now, &mut bob, &mut alice);
//!
//! // Alice hears of it; her ACK goes out by itself and tells Bob that the call stands.
//! let heard = carry(now, &mut alice, &mut bob);
//! assert!(matches!(&heard[0], Event::Trying { .. }));
//! assert!(matches!(&heard[1], Event::Progress { status: 180, .. }));
//! assert!(matches!(&heard[2], Event::Answered { sdp: Some(sdp), .. } if sdp == b"v=0 (answer)"));
//! let heard = carry(now, &mut bob, &mut alice);
//! assert!(matches!(heard[0], Event::Established { .. }));
//!
//! // Bob hangs up.
//! bob.handle(now, Input::Command(Command::Hangup { call: incoming.call, headers: vec![] }), &Open);
//! carry(now, &mut bob, &mut alice);
//! let heard = carry(now, &mut alice, &mut bob);
//! assert!(matches!(&heard[0], Event::Ended { cause: EndCause::Remote { .. }, .. }));
//!
//! // Transactions linger for late repeats, then everything is gone.
//! while let Some(at) = alice.next_timeout() {
//!     alice.handle(at, Input::Timeout, &Open);
//! }
//! assert_eq!(alice.load(), sip::Load::default());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod dialog;
pub mod digest;
mod endpoint;
mod guard;
mod hop;
pub mod identity;
pub mod keepalive;
pub mod locate;
pub mod msg;
pub mod passport;
mod random;
pub mod registrar;
pub mod sdp;
pub mod session;
pub mod transaction;

pub use endpoint::{
    Account, Admission, CallId, Command, Config, Directory, EndCause, Endpoint, Event, ExtraHeader, IncomingCall,
    Input, Invite, Limits, Load, Output, PingId, Register, Replaced, Reply, SavedCall, Transmit, info_digit,
};
pub use guard::Guesses;
pub use hop::{ConnId, Hop, Transport};
