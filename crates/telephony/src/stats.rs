//! Counters of the threads, read by the metrics endpoint. Plain atomics: no reader ever waits for a media thread.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Shared by the threads; each counter has one writer or is added to only.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// A reading of all counters. They only grow, except those that say otherwise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Living legs (goes up and down), and those that are over.
    legs,
    legs_ended,
    /// What the call control remembers, of legs and of all else that comes and goes with them (goes up and down).
    switch_entries,
    /// SIP datagrams and stream reads in and messages out.
    sip_received,
    sip_sent,
    /// SIP messages that could not be sent (socket full or gone).
    sip_send_failed,
    /// SIP datagrams that began something and found too many of their kind waiting.
    sip_dropped,
    /// New calls refused with 503 because this node did not keep up (or was starting).
    calls_refused,
    /// Wrong passwords; addresses that gave too many and got no answer for a while; their requests meanwhile.
    sip_wrong_passwords,
    sip_shunned,
    sip_shunned_requests,
    /// Living transactions, dialogs and connections (go up and down).
    sip_transactions,
    sip_dialogs,
    sip_connections,
    tcp_accepted,
    /// Connections over TCP and TLS turned away at a limit.
    tcp_refused,
    /// TLS handshakes of either side that failed or took too long.
    tls_failed,
    rtp_received,
    rtp_sent,
    /// Packets of sound sent, by how they were made: passed on unopened; of one other leg, coded anew; all else.
    sound_relayed,
    sound_transcoded,
    sound_mixed,
    /// Datagrams of faxes passed on.
    fax_sent,
    /// SRTP and SRTCP of SIP phones that was forged, repeated, or not protected at all.
    srtp_rejected,
    /// Media packets the kernel did not take.
    rtp_send_failed,
    /// Datagrams on the WebRTC port from nobody we know.
    webrtc_unknown,
    webrtc_received,
    webrtc_sent,
    /// Living peer connections (goes up and down).
    webrtc_sessions,
    media_ticks,
    /// Sum of how late the 20 ms ticks began, in microseconds.
    media_tick_late_us,
    /// Of the last few ticks, in microseconds (goes up and down).
    media_tick_late_us_lately,
    /// The worst so far, in microseconds.
    media_tick_late_us_max,
    /// Events of the media threads that found their ring full and waited.
    media_events_delayed,
    /// Values waiting for the engine (goes up and down).
    engine_backlog,
    recording_bytes,
    /// Recorded chunks lost because the disk was too slow: each is listed as a gap by the reader of the segments.
    recording_chunks_dropped,
    recording_errors,
    checkpoint_errors,
    /// Panics caught: each ended the call it happened in.
    panics,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn set(counter: &AtomicU64, n: u64) {
        counter.store(n, Ordering::Relaxed);
    }

    pub(crate) fn tick(&self, late: Duration) {
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        Self::add(&self.media_ticks, 1);
        Self::add(&self.media_tick_late_us, us);
        self.media_tick_late_us_max.fetch_max(us, Ordering::Relaxed);
        let lately = self.media_tick_late_us_lately.load(Ordering::Relaxed);
        Self::set(&self.media_tick_late_us_lately, (lately.saturating_mul(3).saturating_add(us)) / 4);
    }

    /// By how much the sound is behind.
    pub(crate) fn sound_late(&self) -> Duration {
        Duration::from_micros(self.media_tick_late_us_lately.load(Ordering::Relaxed))
    }
}
