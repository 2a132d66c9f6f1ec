//! Session timers (RFC 4028): what is agreed in Session-Expires, and when to refresh or to give up.
//!
//! Called by `endpoint`. Pure: no message is written here.
//!
//! ```text
//! refresher we:    ├────── half ──────┤ refresh … 2xx: from the beginning · none until the end: expired
//! refresher they:  ├───────────── all but min(32 s, a third) ─────────────┤ expired, unless they refreshed
//! ```

use std::fmt;
use std::time::Duration;

use crate::msg::{Message, Name};

/// The smallest interval that may be asked for (RFC 4028 §4), and what a Min-SE left out means.
pub const MIN_SE: Duration = Duration::from_secs(90);
/// How long before the end the one who waits for a refresh gives up (RFC 4028 §10).
const MARGIN: Duration = Duration::from_secs(32);
/// An answer may not drive us to refresh more often than this, whatever it says.
const FLOOD: Duration = Duration::from_secs(2);

/// Who sends the refreshes: the side that sent the request that this is about, or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    Uac,
    Uas,
}

/// The value of Session-Expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// Whole seconds.
    pub interval: Duration,
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads `1800;refresher=uac`. `None` when there is no number.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let interval = seconds(parts.next()?)?;
        let refresher = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim();
            match name.trim().eq_ignore_ascii_case("refresher") {
                true if value.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                true if value.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                _ => None,
            }
        });
        Some(Self { interval, refresher })
    }

    fn of(message: &Message) -> Option<Self> {
        message.get(Name::SessionExpires).and_then(Self::parse)
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval.as_secs())?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    // More than an i32 holds is as good as for ever (RFC 3261 §25.1 delta-seconds).
    Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX)).min(i32::MAX as u64)))
}

/// Min-SE of a request or of a 422.
pub fn min_se(message: &Message) -> Option<Duration> {
    message.get(Name::MinSe).and_then(|value| seconds(value.split(';').next()?))
}

/// Does this message list `option` in Supported (or Require, which says as much)?
pub fn supports(message: &Message, option: &str) -> bool {
    [Name::Supported, Name::Require].into_iter().any(|n| message.list(n).any(|o| o.eq_ignore_ascii_case(option)))
}

/// What the receiver of a request answers to its wish for a session timer (RFC 4028 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// No session timer.
    Off,
    /// 422 with this Min-SE.
    TooSmall,
    /// Session-Expires of the 2xx; whether the other side must be told by `Require: timer`.
    On { expires: SessionExpires, require: bool },
}

/// Decides about a request. `ours`: what we would ask for; `None` agrees to what is asked and asks for nothing.
pub fn terms(request: &Message, ours: Option<Duration>, min: Duration) -> Terms {
    let known = supports(request, "timer");
    let on = |interval, refresher| Terms::On {
        expires: SessionExpires { interval, refresher: Some(refresher) },
        require: refresher == Refresher::Uac,
    };
    match SessionExpires::of(request) {
        // Who does not know 422 cannot be told.
        Some(wish) if wish.interval < min && known => Terms::TooSmall,
        Some(wish) => {
            let interval =
                ours.unwrap_or(wish.interval).max(min_se(request).unwrap_or(min)).min(wish.interval).max(min);
            on(interval, if known { wish.refresher.unwrap_or(Refresher::Uac) } else { Refresher::Uas })
        }
        None => match ours.filter(|_| known) {
            Some(interval) => on(interval.max(min_se(request).unwrap_or(min)), Refresher::Uac),
            None => Terms::Off,
        },
    }
}

/// A session timer that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    interval: Duration,
    /// We refresh.
    ours: bool,
    refresh_at: Option<Duration>,
    expires_at: Duration,
}

/// What a [`Clock`] wants at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    Wait,
    Refresh,
    Expired,
}

impl Clock {
    /// Begins when a 2xx went out or came. `we_asked`: the request was ours.
    pub fn start(now: Duration, expires: SessionExpires, we_asked: bool) -> Self {
        let interval = expires.interval.max(FLOOD);
        let ours = (expires.refresher.unwrap_or(Refresher::Uac) == Refresher::Uac) == we_asked;
        let margin = if ours { Duration::ZERO } else { MARGIN.min(interval / 3) };
        Self { interval, ours, refresh_at: ours.then_some(now + interval / 2), expires_at: now + interval - margin }
    }

    /// The clock of what a 2xx to our request says; `None` turns it off (RFC 4028 §7.2).
    pub fn of_answer(now: Duration, response: &Message) -> Option<Self> {
        SessionExpires::of(response).map(|expires| Self::start(now, expires, true))
    }

    pub fn deadline(&self) -> Duration {
        self.refresh_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }

    pub fn on_timeout(&mut self, now: Duration) -> Tick {
        if self.expires_at <= now {
            return Tick::Expired;
        }
        match self.refresh_at.take_if(|at| *at <= now) {
            Some(_) => Tick::Refresh,
            None => Tick::Wait,
        }
    }

    /// A refresh of ours was refused or had to wait: again in a while, or never.
    pub fn postpone(&mut self, now: Duration, wait: Duration) {
        if self.ours {
            self.refresh_at = Some(now + wait);
        }
    }

    /// Session-Expires of a request of ours: the agreed interval, and the role as it is (RFC 4028 §7.4).
    pub fn renewal(&self) -> SessionExpires {
        let refresher = if self.ours { Refresher::Uac } else { Refresher::Uas };
        SessionExpires { interval: Duration::from_secs(self.interval.as_secs()), refresher: Some(refresher) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn request(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:b@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@192.0.2.1>\r\n\
             {headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).ok().unwrap()
    }

    fn answered(headers: &str) -> String {
        match terms(&request(headers), Some(1800 * SECOND), MIN_SE) {
            Terms::Off => "off".to_owned(),
            Terms::TooSmall => "422".to_owned(),
            Terms::On { expires, require } => format!("{expires}{}", if require { " required" } else { "" }),
        }
    }

    #[test]
    fn the_table_of_rfc_4028_section_9_is_kept() {
        for (headers, answer) in [
            ("", "off"),
            ("Supported: timer\r\n", "1800;refresher=uac required"),
            ("Supported: timer\r\nMin-SE: 3000\r\n", "3000;refresher=uac required"),
            ("k: 100rel, timer\r\nx: 600\r\n", "600;refresher=uac required"),
            ("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", "600;refresher=uas"),
            ("Supported: timer\r\nSession-Expires: 600 ; refresher = UAC\r\n", "600;refresher=uac required"),
            // A proxy asked on behalf of a phone that does not know: we refresh.
            ("Session-Expires: 600\r\n", "600;refresher=uas"),
            ("Supported: timer\r\nSession-Expires: 7200\r\n", "1800;refresher=uac required"),
            ("Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600\r\n", "3600;refresher=uac required"),
            ("Supported: timer\r\nSession-Expires: 89\r\n", "422"),
            ("Session-Expires: 60\r\n", "90;refresher=uas"),
            ("Supported: timer\r\nSession-Expires: soon\r\n", "1800;refresher=uac required"),
            ("Supported: timer\r\nSession-Expires: 99999999999999999999\r\n", "1800;refresher=uac required"),
        ] {
            assert_eq!(answered(headers), answer, "{headers}");
        }
    }

    #[test]
    fn the_refresher_refreshes_at_half_time_and_the_other_gives_up_before_the_end() {
        let expires = |text: &str| SessionExpires::parse(text).unwrap();
        let mut ours = Clock::start(SECOND, expires("90;refresher=uac"), true);
        assert_eq!(ours.deadline(), 46 * SECOND);
        assert_eq!(ours.on_timeout(46 * SECOND), Tick::Refresh);
        assert_eq!(ours.deadline(), 91 * SECOND);
        ours.postpone(46 * SECOND, 10 * SECOND);
        assert_eq!(ours.on_timeout(56 * SECOND), Tick::Refresh);
        assert_eq!(ours.on_timeout(91 * SECOND), Tick::Expired);
        assert_eq!(ours.renewal().to_string(), "90;refresher=uac");
        let mut theirs = Clock::start(SECOND, expires("90;refresher=uac"), false);
        assert_eq!(theirs.deadline(), 61 * SECOND);
        assert_eq!(theirs.on_timeout(60 * SECOND), Tick::Wait);
        assert_eq!(theirs.on_timeout(61 * SECOND), Tick::Expired);
        assert_eq!(theirs.renewal().to_string(), "90;refresher=uas");
        // A nonsense of an answer does not make us flood anybody.
        assert_eq!(Clock::start(SECOND, expires("0"), true).deadline(), 2 * SECOND);
    }
}
