//! Moments as people type and read them.

use jiff::{SignedDuration, Timestamp, civil};

/// `2h`, `3d` (from now), `2026-11-24 10:00` (UTC), or RFC 3339 with an offset.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(length) = length(text) {
        return now
            .checked_add(length)
            .map_err(|_| format!("`{text}` is too far away"));
    }
    fixed(text)
}

/// As [`parse`], but the same whenever it is read.
pub fn fixed(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let local = text
        .parse::<civil::DateTime>()
        .or_else(|_| text.parse::<civil::Date>().map(civil::DateTime::from));
    local
        .and_then(|local| jiff::tz::Offset::UTC.to_timestamp(local))
        .map_err(|_| {
            format!(
                "`{text}` is no time: write 2026-11-24T10:00+01:00, or 2026-11-24 10:00 for UTC"
            )
        })
}

fn length(text: &str) -> Option<SignedDuration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let unit = match text.chars().last()? {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number: i64 = text.get(..text.len() - 1)?.parse().ok()?;
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds > 0)?;
    Some(SignedDuration::from_secs(seconds))
}

/// `2026-11-24 10:00 UTC`
pub fn exact(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How long until then: `42 s`, `3 min`, `2 h`, `5 d`; the nearest.
pub fn ahead(now: Timestamp, at: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs().max(0);
    let (unit, name) = match seconds {
        0..=119 => (1, "s"),
        120..=7_199 => (60, "min"),
        7_200..=172_799 => (3_600, "h"),
        _ => (86_400, "d"),
    };
    format!("{} {name}", (seconds + unit / 2) / unit)
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_from_now_and_a_date_is_itself() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let read = |text: &str| parse(text, now).map(exact);
        assert_eq!(read("2h").unwrap(), "2026-11-22 12:00 UTC");
        assert_eq!(read("+3d").unwrap(), "2026-11-25 10:00 UTC");
        assert_eq!(read("2026-11-24 10:00").unwrap(), "2026-11-24 10:00 UTC");
        assert_eq!(
            read("2026-11-24T10:00+01:00").unwrap(),
            "2026-11-24 09:00 UTC"
        );
        assert_eq!(read("2026-11-24").unwrap(), "2026-11-24 00:00 UTC");
        for wrong in [
            "",
            "soon",
            "0h",
            "-2h",
            "99999999999999d",
            "2026-13-01",
            "5ü",
        ] {
            assert!(parse(wrong, now).is_err(), "{wrong}");
        }
        assert!(fixed("2h").is_err());
        let later = |text: &str| ahead(now, parse(text, now).unwrap());
        assert_eq!((later("3d"), later("90m")), ("3 d".into(), "90 min".into()));
        let almost = now + SignedDuration::from_secs(3 * 86_400 - 1);
        assert_eq!(ahead(now, almost), "3 d");
    }
}
