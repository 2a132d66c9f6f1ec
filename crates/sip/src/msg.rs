//! SIP messages: parsing, typed headers, building, stream framing.
//!
//! Called by `endpoint`, and by tests and tools that look at raw traffic. Parsing copies the head once, indexes
//! the headers as ranges over that copy and leaves their meaning for later; only what every transaction needs (top
//! Via, From, To, CSeq, Call-ID) is read at once. Contract: no input panics, every size is bounded by [`limits`],
//! and a refused request says which response code it deserves.

mod address;
mod build;
mod fields;
mod name;
mod parse;
mod peek;
mod replaces;
mod stream;
mod text;
mod uri;

pub use address::{ContactList, NameAddr};
pub use build::Builder;
pub(crate) use fields::parse_digits;
pub use fields::{CSeq, Challenge, Via, split_list};
pub use name::{Method, Name};
pub use parse::{Message, RawMessage, Reject, StartLine};
pub(crate) use peek::Glance;
pub use peek::{begins_new_work, branch_of};
pub use replaces::Replaces;
pub(crate) use stream::Frame;
pub use stream::{Framer, StreamError};
pub use text::Params;
pub use uri::{Scheme, Uri, UriError};

/// Sizes beyond which a message is refused.
pub mod limits {
    /// Largest message, head and body: what a UDP datagram can carry.
    pub const MESSAGE_BYTES: usize = 65_535;
    /// Largest single header, folded lines together.
    pub const LINE_BYTES: usize = 8 * 1024;
    /// Most header lines.
    pub const HEADERS: usize = 256;
    /// Most parameters of one URI or header value.
    pub const PARAMS: usize = 64;
    /// Most comma separated values read from one kind of header (Via, Route, Contact).
    pub const LIST: usize = 64;
}
