//! Fuzz targets: what strangers' bytes reach in the production crates, each as one function over bytes with properties
//! asserted. Used by the short run in the tests, by `fuzz-run` and, guided by coverage, by libFuzzer (`cargo xtask fuzz`).
//!
//! A [`Target`] is run by [`Target::check`], which also holds the bounds on memory: whatever the input, a target may ask
//! for so many octets per octet of input and no more. Targets are deterministic; a failing input fails again.

pub mod allocation;
pub mod corpus;
pub mod driver;
pub mod mutate;
pub mod records;
pub mod target;
pub mod worst;

/// One thing to fuzz.
pub struct Target {
    pub name: &'static str,
    /// Panics when a property does not hold.
    pub run: fn(&[u8]),
    /// Inputs made in code, beside those in `corpus/`.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Longer inputs are cut: what a datagram, a read or an upload can bring.
    pub max_len: usize,
    /// Lines of text with headers, so that the mutations of SIP and SDP make sense.
    pub is_text: bool,
    /// Octets it may allocate in all: per octet of input, and besides.
    pub bytes_per_octet: u64,
    pub bytes_besides: u64,
}

impl Target {
    /// Runs one input and holds it to the bounds; what it cost.
    ///
    /// # Panics
    /// When the target panics or allocates beyond its bound.
    pub fn check(&self, input: &[u8]) -> allocation::Spent {
        let input = &input[..input.len().min(self.max_len)];
        let spent = allocation::measure(|| (self.run)(input));
        let bound = self.bytes_per_octet * input.len() as u64 + self.bytes_besides;
        assert!(
            spent.bytes <= bound,
            "{} allocated {} octets for an input of {}, {bound} are allowed",
            self.name,
            spent.bytes,
            input.len()
        );
        spent
    }
}

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    target::sip_message::TARGET,
    target::sip_stream::TARGET,
    target::sip_endpoint::TARGET,
    target::sip_other::TARGET,
    target::sdp::TARGET,
    target::stun::TARGET,
    target::rtp::TARGET,
    target::wav::TARGET,
    target::spool::TARGET,
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
