//! Times in which no rollout begins.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Diagnostic, Timestamp};

use super::cron::Cron;
use crate::config::FreezeConfig;

/// The longest that a freeze which comes again may last.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// A time in which no rollout begins.
#[derive(Clone, Debug)]
pub struct Freeze {
    reason: String,
    services: Vec<String>,
    when: When,
}

#[derive(Clone, Debug)]
enum When {
    Once { from: Timestamp, to: Timestamp },
    Again { cron: Cron, zone: TimeZone, lasts: Duration },
}

/// A freeze that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// When it began.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

impl Freeze {
    /// Reads what is configured.
    ///
    /// # Errors
    /// The fields that are wrong, with what is wrong there.
    pub fn new(config: &FreezeConfig) -> Result<Self, Vec<(&'static str, Diagnostic)>> {
        let mut found = Vec::new();
        let mut wrong = |field: &'static str, message: String, advice: &str| {
            found.push((field, Diagnostic::new(message).advise(advice)));
        };
        let zone = match config.timezone.as_str() {
            "" => TimeZone::system(),
            name => TimeZone::get(name).unwrap_or_else(|_| {
                wrong(
                    "timezone",
                    format!("{name:?} is not a time zone"),
                    "write a name such as Europe/Berlin",
                );
                TimeZone::UTC
            }),
        };
        let mut time = |field: &'static str, text: &str| {
            let read = read_time(text, &zone);
            if read.is_none() {
                wrong(
                    field,
                    format!("{text:?} is not a time"),
                    "write 2026-12-20T18:00, or with an offset: 2026-12-20T18:00Z",
                );
            }
            read
        };
        let when = match (&config.from, &config.to, &config.cron) {
            (Some(from), Some(to), None) => {
                let (from, to) = (time("from", from), time("to", to));
                from.zip(to).map(|(from, to)| {
                    if to <= from {
                        wrong("to", "it ends before it begins".to_owned(), "write a time behind from");
                    }
                    if !config.lasts.is_zero() {
                        wrong(
                            "lasts",
                            "it says when it ends, and how long it lasts".to_owned(),
                            "leave out lasts",
                        );
                    }
                    When::Once { from, to }
                })
            }
            (None, None, Some(cron)) => {
                if config.lasts.is_zero() || config.lasts > LONGEST {
                    let found = format_duration(config.lasts);
                    wrong(
                        "lasts",
                        format!("a freeze that comes again lasts {found}"),
                        "from 1ms to 31d, as in 63h",
                    );
                }
                match Cron::parse(cron) {
                    Ok(cron) => Some(When::Again { cron, zone: zone.clone(), lasts: config.lasts }),
                    Err(error) => {
                        wrong("cron", error.to_string(), "such as 0 16 * * fri for Fridays from 16:00");
                        None
                    }
                }
            }
            _ => {
                let advice = "write from and to, or cron and lasts";
                wrong("from", "a freeze does not say when it is, or says it twice".to_owned(), advice);
                None
            }
        };
        match when {
            Some(when) if found.is_empty() => {
                Ok(Self { reason: config.reason.clone(), services: config.services.clone(), when })
            }
            _ => Err(found),
        }
    }

    /// Whether it holds a service back at a time, and until when.
    #[must_use]
    pub fn holds(&self, service: &str, at: Timestamp) -> Option<Frozen> {
        if !self.services.is_empty() && !self.services.iter().any(|s| s == service) {
            return None;
        }
        let (from, until) = match &self.when {
            When::Once { from, to } => (*from <= at && at < *to).then_some((*from, *to))?,
            When::Again { cron, zone, lasts } => {
                let at = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
                let began = cron.last(at, zone, *lasts)?;
                let began = Timestamp::from_millis(began.as_millisecond());
                (began, began + *lasts)
            }
        };
        Some(Frozen { from, until, reason: self.reason.clone() })
    }

    /// The services that it is for; none named, all.
    #[must_use]
    pub fn services(&self) -> &[String] {
        &self.services
    }
}

/// A time with an offset, or one of the zone's calendar.
fn read_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let instant = text.parse::<jiff::Timestamp>().ok();
    let read = instant.or_else(|| zone.to_timestamp(text.parse::<DateTime>().ok()?).ok())?;
    Some(Timestamp::from_millis(read.as_millisecond()))
}

/// The freeze that holds a service back at a time, if one does: of several, the one that ends last.
#[must_use]
pub fn active(freezes: &[Freeze], service: &str, at: Timestamp) -> Option<Frozen> {
    freezes.iter().filter_map(|freeze| freeze.holds(service, at)).max_by_key(|frozen| frozen.until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn a_freeze_holds_from_its_first_moment_to_before_its_last() {
        let config = FreezeConfig {
            from: Some("2026-12-20T18:00".into()),
            to: Some("2027-01-02".into()),
            timezone: "Europe/Berlin".into(),
            services: vec!["orders".into()],
            reason: "holidays".into(),
            ..FreezeConfig::default()
        };
        let freeze = Freeze::new(&config).unwrap();
        assert_eq!(freeze.holds("orders", at("2026-12-20T16:59:59Z")), None);
        let frozen = freeze.holds("orders", at("2026-12-20T17:00:00Z")).unwrap();
        assert_eq!(
            frozen,
            Frozen {
                from: at("2026-12-20T17:00:00Z"),
                until: at("2027-01-01T23:00:00Z"),
                reason: "holidays".into()
            }
        );
        assert_eq!(freeze.holds("orders", at("2027-01-01T23:00:00Z")), None);
        assert_eq!(freeze.holds("ledger", at("2026-12-24T17:00:00Z")), None);
        let weekend = FreezeConfig {
            cron: Some("0 16 * * fri".into()),
            lasts: Duration::from_secs(63 * 3600),
            timezone: "UTC".into(),
            ..FreezeConfig::default()
        };
        let both = [freeze, Freeze::new(&weekend).unwrap()];
        let frozen = active(&both, "ledger", at("2026-11-22T10:00:00Z")).unwrap();
        assert_eq!(frozen.until, at("2026-11-23T07:00:00Z"));
        assert_eq!(active(&both, "ledger", at("2026-11-23T07:00:00Z")), None);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let fields = |config: FreezeConfig| -> Vec<&'static str> {
            Freeze::new(&config).unwrap_err().into_iter().map(|(field, _)| field).collect()
        };
        let text = |t: &str| Some(t.to_owned());
        assert_eq!(fields(FreezeConfig::default()), ["from"]);
        let config = FreezeConfig { from: text("x"), to: text("y"), ..FreezeConfig::default() };
        assert_eq!(fields(config), ["from", "to"]);
        let config =
            FreezeConfig { from: text("2026-01-02"), to: text("2026-01-01"), ..FreezeConfig::default() };
        assert_eq!(fields(config), ["to"]);
        let config =
            FreezeConfig { cron: text("0 16 * *"), timezone: "Mars".into(), ..FreezeConfig::default() };
        assert_eq!(fields(config), ["timezone", "lasts", "cron"]);
    }
}
