//! Opening hours: weekly rules and holidays in an IANA time zone. Asked by the floor (queues, the `hours` step) and by
//! the administration (next change). The time zone database is compiled in, so no system files are needed.
use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Zoned};
use serde::{Deserialize, Serialize};

use crate::id::CalendarId;
use crate::localized::Localized;
use crate::time::Timestamp;

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

/// What a calendar says of one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hours {
    Open,
    Closed,
    /// Closed, and the day is a holiday.
    Holiday,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    #[error("time zone `{0}` is unknown")]
    TimeZone(String),
    #[error("weekly rule {0} is not within a day, or its weekday is not 1 to 7")]
    Weekly(usize),
    #[error("holiday `{0}` is not a date like 2026-10-01, or its hours are not within the day")]
    Holiday(String),
}

/// The compiled-in zone of that IANA name.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    static ZONES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    ZONES.get_or_init(TimeZoneDatabase::bundled).get(name).ok()
}

/// The last local midnight at or before `at`; UTC if the zone is unknown.
pub fn day_start(zone: &str, at: Timestamp) -> Timestamp {
    local(zone, at)
        .and_then(|z| z.start_of_day().ok())
        .map_or(Timestamp(at.0 - at.0.rem_euclid(86_400_000)), |z| Timestamp(z.timestamp().as_millisecond()))
}

/// The midnight with which the month of `at` began; UTC if the zone is unknown.
pub fn month_start(zone: &str, at: Timestamp) -> Timestamp {
    let first = |z: Zoned| z.first_of_month().ok()?.start_of_day().ok();
    let utc = || local("UTC", at);
    local(zone, at)
        .or_else(utc)
        .and_then(first)
        .map_or(day_start(zone, at), |z| Timestamp(z.timestamp().as_millisecond()))
}

fn local(zone: &str, at: Timestamp) -> Option<Zoned> {
    let zone = time_zone(zone)?;
    Some(jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone))
}

impl Calendar {
    /// What is wrong with it, first fault first. A published calendar has none.
    pub fn validate(&self) -> Result<(), CalendarError> {
        if time_zone(&self.time_zone).is_none() {
            return Err(CalendarError::TimeZone(self.time_zone.clone()));
        }
        for (i, w) in self.weekly.iter().enumerate() {
            if !(1..=7).contains(&w.weekday) || !within_day(w.from_minute, w.to_minute) {
                return Err(CalendarError::Weekly(i));
            }
        }
        for h in &self.holidays {
            if h.date.parse::<Date>().is_err() || !h.hours.iter().all(|(from, to)| within_day(*from, *to)) {
                return Err(CalendarError::Holiday(h.date.clone()));
            }
        }
        Ok(())
    }

    /// An invalid zone counts as always open: better a call too many than a company that cannot be reached.
    pub fn hours_at(&self, at: Timestamp) -> Hours {
        let Some(z) = local(&self.time_zone, at) else { return Hours::Open };
        let minute = u16::from(z.hour().unsigned_abs()) * 60 + u16::from(z.minute().unsigned_abs());
        let (ranges, holiday) = self.ranges_of(z.date());
        match (ranges.iter().any(|(from, to)| (*from..*to).contains(&minute)), holiday) {
            (true, _) => Hours::Open,
            (false, true) => Hours::Holiday,
            (false, false) => Hours::Closed,
        }
    }

    pub fn is_open(&self, at: Timestamp) -> bool {
        self.hours_at(at) == Hours::Open
    }

    /// When it next opens (if closed) or closes (if open), looking 400 days ahead.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let now_open = self.is_open(at);
        let zone = time_zone(&self.time_zone)?;
        let mut date = local(&self.time_zone, at)?.date();
        for _ in 0..400 {
            let (ranges, _) = self.ranges_of(date);
            let mut edges: Vec<Timestamp> = ranges
                .iter()
                .flat_map(|(from, to)| [*from, *to])
                .chain([0])
                .filter_map(|minute| instant(&zone, date, minute))
                .filter(|edge| *edge > at)
                .collect();
            edges.sort_unstable();
            if let Some(edge) = edges.into_iter().find(|edge| self.is_open(*edge) != now_open) {
                return Some(edge);
            }
            date = date.checked_add(Span::new().days(1)).ok()?;
        }
        None
    }

    fn ranges_of(&self, date: Date) -> (Vec<(u16, u16)>, bool) {
        let text = date.to_string();
        if let Some(holiday) = self.holidays.iter().find(|h| h.date == text) {
            return (holiday.hours.clone(), true);
        }
        let weekday = date.weekday().to_monday_one_offset().unsigned_abs();
        (self.weekly.iter().filter(|w| w.weekday == weekday).map(|w| (w.from_minute, w.to_minute)).collect(), false)
    }
}

fn within_day(from: u16, to: u16) -> bool {
    from < to && to <= 1440
}

/// Local wall time to an instant; a time skipped by daylight saving moves forward.
fn instant(zone: &TimeZone, date: Date, minute: u16) -> Option<Timestamp> {
    let (date, minute) = if minute >= 1440 { (date.tomorrow().ok()?, minute - 1440) } else { (date, minute) };
    let civil = date.at(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0);
    let zoned = zone.to_ambiguous_zoned(civil).compatible().ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zone: &str) -> Calendar {
        Calendar {
            id: CalendarId(1),
            name: Localized::both("工作时间", "Office hours"),
            time_zone: zone.to_owned(),
            weekly: (1..=5).map(|weekday| WeeklyHours { weekday, from_minute: 9 * 60, to_minute: 18 * 60 }).collect(),
            holidays: vec![
                Holiday {
                    date: "2026-10-01".into(), name: Localized::both("国庆节", "National Day"), hours: vec![]
                },
                Holiday {
                    date: "2026-10-10".into(),
                    name: Localized::both("调休", "Working Saturday"),
                    hours: vec![(600, 720)],
                },
            ],
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn weekly_hours_and_holidays_hold_in_the_calendars_own_zone() {
        let c = calendar("Asia/Shanghai");
        assert_eq!(c.validate(), Ok(()));
        assert_eq!(c.hours_at(at("2026-09-30T01:00:00Z")), Hours::Open, "Wednesday 09:00");
        assert_eq!(c.hours_at(at("2026-09-30T00:59:59.999Z")), Hours::Closed);
        assert_eq!(c.hours_at(at("2026-09-30T10:00:00Z")), Hours::Closed, "18:00 sharp");
        assert_eq!(c.hours_at(at("2026-10-01T03:00:00Z")), Hours::Holiday);
        assert_eq!(c.hours_at(at("2026-10-03T03:00:00Z")), Hours::Closed, "Saturday");
        assert_eq!(c.hours_at(at("2026-10-10T02:30:00Z")), Hours::Open, "worked Saturday");
    }

    #[test]
    fn the_next_change_skips_holidays_and_weekends() {
        let c = calendar("Asia/Shanghai");
        assert_eq!(c.next_change(at("2026-09-30T04:00:00Z")), Some(at("2026-09-30T10:00:00Z")));
        assert_eq!(c.next_change(at("2026-09-30T11:00:00Z")), Some(at("2026-10-02T01:00:00Z")));
    }

    #[test]
    fn daylight_saving_moves_the_instant_and_not_the_wall_time() {
        let c = calendar("Europe/London");
        // Clocks went forward on Sunday 2026-03-29.
        assert_eq!(c.next_change(at("2026-03-27T19:00:00Z")), Some(at("2026-03-30T08:00:00Z")));
        assert_eq!(day_start("Europe/London", at("2026-03-29T12:00:00Z")), at("2026-03-29T00:00:00Z"));
        assert_eq!(day_start("Asia/Shanghai", at("2026-03-29T17:00:00Z")), at("2026-03-29T16:00:00Z"));
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(calendar("Mars/Olympus").validate(), Err(CalendarError::TimeZone("Mars/Olympus".into())));
        let mut c = calendar("Asia/Shanghai");
        c.weekly[2].to_minute = 100;
        assert_eq!(c.validate(), Err(CalendarError::Weekly(2)));
        c.weekly.clear();
        assert_eq!(c.next_change(at("2026-11-01T00:00:00Z")), None, "never opens");
    }
}
