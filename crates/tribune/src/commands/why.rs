//! `why`: the evidence about one member, told in order.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use client::{Error, Evidence, EvidenceKind};

use super::members::address_of;
use super::{connect, fail};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

pub(crate) fn run(command: &Command, parsed: &Parsed) -> i32 {
    let words = parsed.words();
    let [name] = words.as_slice() else {
        return command.misused("The name of one node must be specified.");
    };
    let mut client = match connect(parsed) {
        Ok(client) => client,
        Err(code) => return code,
    };
    let members = match client.members() {
        Ok(members) => members,
        Err(error) => return fail(format!("Error getting members: {error}")),
    };
    let evidence = match client.evidence(name) {
        Ok(evidence) => evidence,
        Err(error) => return no_evidence(&error),
    };
    let member = members.iter().find(|member| member.name == *name);
    match member {
        Some(member) => say(format!("{name} at {} is {}", address_of(member), member.status)),
        // It may have been forgotten while the evidence is kept.
        None if !evidence.is_empty() => say(format!("{name} is not a member any more")),
        None => return fail(format!("No node named {} is known", gotext::quote(name))),
    }
    if evidence.is_empty() {
        return fail("Nobody has accused it since this agent started: no evidence");
    }
    for piece in &evidence {
        say(format!("  {}", story(piece)));
    }
    0
}

/// Says why there is no evidence to be had.
pub(super) fn no_evidence(error: &Error) -> i32 {
    match error {
        Error::Unsupported => fail("This agent keeps no evidence: only Tribune's agents do"),
        error => fail(format!("Error retrieving evidence: {error}")),
    }
}

/// One piece as a sentence.
fn story(piece: &Evidence) -> String {
    let when = Moment(piece.time_unix_ms);
    let ago = Since::now(piece.time_unix_ms);
    let by = if piece.by.is_empty() { "an unknown member" } else { &piece.by };
    let health = match piece.health {
        Some(health) => format!("health {health}"),
        None => "health unknown".to_owned(),
    };
    let incarnation = piece.incarnation.0;
    let under_suspicion = format!("after {} under suspicion", shortened(piece.suspected_for));
    let what = match &piece.kind {
        EvidenceKind::Suspect => {
            format!("{by} ({health}) suspects it in incarnation {incarnation}")
        }
        EvidenceKind::Confirm => format!("{by} ({health}) confirms the suspicion"),
        EvidenceKind::Dead if piece.by == piece.node => "it says that it leaves".to_owned(),
        EvidenceKind::Dead if piece.suspected_for.is_zero() => {
            format!("{by} declares it failed in incarnation {incarnation}")
        }
        EvidenceKind::Dead => {
            format!("{by} declares it failed in incarnation {incarnation}, {under_suspicion}")
        }
        EvidenceKind::Refute if piece.by != piece.node && !piece.by.is_empty() => {
            format!("accused by {by}, it refutes with incarnation {incarnation}")
        }
        EvidenceKind::Refute if piece.suspected_for.is_zero() => {
            format!("it is alive again, in incarnation {incarnation}")
        }
        EvidenceKind::Refute => {
            format!("it refutes with incarnation {incarnation}, {under_suspicion}")
        }
        EvidenceKind::Other(kind) if kind == "probe-failed" => {
            format!("{by} ({health}) probed it and got no answer")
        }
        EvidenceKind::Other(kind) => format!("{kind} by {by} ({health})"),
    };
    format!("{when} ({ago}): {what}")
}

/// To the millisecond.
fn shortened(duration: std::time::Duration) -> gotext::GoDuration {
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 1_000_000);
    gotext::GoDuration::from_nanoseconds(milliseconds.saturating_mul(1_000_000))
}

/// How long ago something was, to the second.
pub(super) struct Since(i64);

impl Since {
    /// Since a time in milliseconds since 1970.
    pub(super) fn now(time_unix_ms: i64) -> Since {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        Since(now_ms.saturating_sub(time_unix_ms).max(0) / 1_000)
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.saturating_mul(1_000_000_000);
        write!(f, "{} ago", gotext::GoDuration::from_nanoseconds(nanoseconds))
    }
}

/// A time in milliseconds since 1970, shown in UTC: `2026-11-22 12:18:22.005 UTC`.
struct Moment(i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, of_day_ms) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        // The civil calendar in eras of 400 years that begin on the first of March.
        let days = days.saturating_add(719_468);
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (seconds, milliseconds) = (of_day_ms / 1_000, of_day_ms % 1_000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{milliseconds:03} UTC",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use client::Incarnation;

    use super::*;

    #[test]
    fn moments_follow_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00.000 UTC"),
            (951_826_154_321, "2000-02-29 12:09:14.321 UTC"),
            (1_795_350_000_000, "2026-11-22 12:20:00.000 UTC"),
            (-1, "1969-12-31 23:59:59.999 UTC"),
        ] {
            assert_eq!(Moment(ms).to_string(), text);
        }
        // No panic at the ends.
        let _ = (Moment(i64::MIN).to_string(), Moment(i64::MAX).to_string());
    }

    #[test]
    fn stories_say_who_and_how_sure() {
        let piece = Evidence {
            node: "c".into(),
            incarnation: Incarnation(4),
            kind: EvidenceKind::Dead,
            by: "a".into(),
            health: Some(0),
            time_unix_ms: 0,
            suspected_for: Duration::from_micros(4_200_400),
        };
        assert!(
            story(&piece)
                .ends_with("a declares it failed in incarnation 4, after 4.2s under suspicion")
        );
        let none = Duration::ZERO;
        for (kind, by, suspected_for, end) in [
            (EvidenceKind::Confirm, "b", none, "b (health unknown) confirms the suspicion"),
            (EvidenceKind::Dead, "c", none, "it says that it leaves"),
            (EvidenceKind::Refute, "b", none, "accused by b, it refutes with incarnation 4"),
            (EvidenceKind::Refute, "c", none, "it is alive again, in incarnation 4"),
        ] {
            let piece =
                Evidence { kind, health: None, by: by.into(), suspected_for, ..piece.clone() };
            assert!(story(&piece).ends_with(end), "{}", story(&piece));
        }
    }
}
