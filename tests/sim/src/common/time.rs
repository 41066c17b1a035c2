//! Wall clock in the three spellings the services use.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment taken apart, UTC.
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u32,
}

fn parts(at: SystemTime) -> Parts {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let secs = since.as_secs();
    // Civil date from days, after Howard Hinnant: years begin in March.
    let days = i64::try_from(secs / 86_400).unwrap_or(0) + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    Parts {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * shifted + 2) / 5 + 1,
        hour: secs / 3600 % 24,
        minute: secs / 60 % 60,
        second: secs % 60,
        milli: since.subsec_millis(),
    }
}

/// `2026-11-22T19:42:21.960+00:00`, as OME writes it.
pub fn ome(at: SystemTime) -> String {
    let Parts {
        year,
        month,
        day,
        hour,
        minute,
        second,
        milli,
    } = parts(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}+00:00")
}

/// `2026-11-22T20:09:33.345Z`, as JavaScript writes it.
pub fn iso(at: SystemTime) -> String {
    ome(at).replace("+00:00", "Z")
}

/// `2026-11-22 20:37:13.900`, in OME's log.
pub fn log(at: SystemTime) -> String {
    ome(at).replace('T', " ").replace("+00:00", "")
}

/// `11/22/2026, 20:09:33:316`, in MiroTalk's log and webhook.
pub fn american(at: SystemTime) -> String {
    let Parts {
        year,
        month,
        day,
        hour,
        minute,
        second,
        milli,
    } = parts(at);
    format!("{month:02}/{day:02}/{year:04}, {hour:02}:{minute:02}:{second:02}:{milli:03}")
}

/// Whole seconds since 1970.
pub fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_each_service_writes_them() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_376_541_960);
        assert_eq!(ome(at), "2026-11-22T19:42:21.960+00:00");
        assert_eq!(iso(at), "2026-11-22T19:42:21.960Z");
        assert_eq!(log(at), "2026-11-22 19:42:21.960");
        assert_eq!(american(at), "11/22/2026, 19:42:21:960");
        assert_eq!(
            ome(UNIX_EPOCH + Duration::from_secs(951_782_400)),
            "2000-02-29T00:00:00.000+00:00"
        );
    }
}
