//! Opening hours: weekly rules and holidays in an IANA time zone.
use serde::{Deserialize, Serialize};

use crate::id::CalendarId;
use crate::localized::Localized;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    pub id: CalendarId,
    pub name: Localized,
    /// IANA name, such as `Asia/Shanghai`.
    pub time_zone: String,
    pub weekly: Vec<WeeklyHours>,
    pub holidays: Vec<Holiday>,
}

/// Open from `from_minute` to `to_minute` of a local day (0–1440; `to` > `from`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyHours {
    /// 1 = Monday … 7 = Sunday.
    pub weekday: u8,
    pub from_minute: u16,
    pub to_minute: u16,
}

/// A local date on which the weekly rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holiday {
    /// `YYYY-MM-DD`.
    pub date: String,
    pub name: Localized,
    /// Closed all day if empty; otherwise the hours of that day.
    #[serde(default)]
    pub hours: Vec<(u16, u16)>,
}
