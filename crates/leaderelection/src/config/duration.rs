//! Durations as Go's `time.Duration` is written and read, and with it `metav1.Duration`.
//!
//! What is written is to the letter what Go's `String` writes. What is read is everything that Go writes, by `humantime`, within
//! the units that Go knows. It is a little stricter than Go's `time.ParseDuration` about what people may write: no sign, digits on
//! both sides of a point, no part of a nanosecond, and `µs` with the micro sign or `us`. A negative duration is refused here
//! already, as no duration of an election may be.

use std::time::Duration;

/// Go's units. All else that `humantime` knows is refused: `15 sec`, `1day`, `1M`.
const UNITS: [&str; 7] = ["h", "m", "s", "ms", "us", "µs", "ns"];

/// What is allowed, for whoever wrote something else.
const ALLOWED: &str = r#"must be a duration with the units h, m, s, ms, us or ns and no blanks, such as "15s", "1m30s" or "300ms""#;

/// Reads a duration.
///
/// # Errors
/// When it is none: what is wrong and what is allowed.
pub(super) fn read(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err(format!("{ALLOWED}; it cannot be negative"));
    }
    let known = text
        .split(|c: char| c.is_ascii_digit() || c == '.')
        .all(|unit| unit.is_empty() || UNITS.contains(&unit));
    match humantime::parse_duration(text) {
        Ok(duration) if known => Ok(duration),
        _ => Err(ALLOWED.to_owned()),
    }
}

/// What is wrong with what is no text at all.
pub(super) fn no_text() -> String {
    ALLOWED.to_owned()
}

/// As Go's `Duration.String`: `1h0m0s`, `1m30s`, `1.5s`, `300ms`, `0s`.
pub(super) fn written(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", with_fraction(0, nanos, 3)),
            _ => format!("{}ms", with_fraction(0, nanos, 6)),
        };
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = format!("{}s", with_fraction(seconds % 60, nanos, 9));
    match (hours, minutes) {
        (0, 0) => rest,
        (0, minutes) => format!("{minutes}m{rest}"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
    }
}

/// `whole` and `parts / 10^digits`, without zeros at the end.
fn with_fraction(whole: u64, parts: u32, digits: usize) -> String {
    let scale = 10_u32.pow(u32::try_from(digits).unwrap_or(9));
    let whole = whole + u64::from(parts / scale);
    let fraction = format!("{:0digits$}", parts % scale);
    match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go said, by `go/durations.go`.
    const TABLE: &str = include_str!("../../tests/go/durations.tsv");

    /// Where more, or less, is read than by Go. None is anything that Go writes; of what it writes, negative durations alone are
    /// refused.
    const OTHERWISE: [&str; 19] = [
        ".5s: refused",
        "5.s: refused",
        "1.s2ms: refused",
        "100μs: refused",
        "+0: refused",
        "-0: refused",
        "+15s: refused",
        "+1m30s: refused",
        "1.1ns: refused",
        "0.9ns: refused",
        "1.9999999999s: refused",
        "0.0000000001s: refused",
        "0.333333333333333333333s: refused",
        // More than the 292 years that Go counts. No timing takes more than 68.
        "2562047h47m16.854775808s: 9223372036854775808",
        "9223372036854775808ns: 9223372036854775808",
        "9223372037s: 9223372037000000000",
        "2600000h: 9360000000000000000",
        "1.0000000000000000000000000000000000000001s: refused",
        "-0s: refused",
    ];

    /// A line of the table: the text, its nanoseconds where Go reads it, and how Go writes that.
    fn lines() -> impl Iterator<Item = (String, Option<i64>, &'static str)> {
        TABLE.lines().map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [text, nanos, written] = fields[..] else {
                panic!("{line}")
            };
            // A Go string is a JSON string, but for bytes that cannot be printed.
            let text = serde_json::from_str(&text.replace(r"\x00", r"\u0000")).unwrap();
            (text, nanos.parse().ok(), written)
        })
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let mut otherwise = Vec::new();
        for (text, go, _) in lines() {
            let ours = read(&text).ok().map(|read| read.as_nanos());
            if ours != go.and_then(|nanos| u128::try_from(nanos).ok()) {
                let ours = ours.map_or("refused".to_owned(), |nanos| nanos.to_string());
                otherwise.push(format!("{text}: {ours}"));
            }
        }
        assert_eq!(otherwise, OTHERWISE);
    }

    #[test]
    fn whatever_go_writes_is_read_and_written_the_same() {
        let mut written_by_go = 0;
        for (_, nanos, go) in lines() {
            let Some(Ok(nanos)) = nanos.map(u64::try_from) else {
                continue;
            };
            let duration = Duration::from_nanos(nanos);
            assert_eq!(written(duration), go);
            assert_eq!(read(go), Ok(duration), "{go}");
            written_by_go += 1;
        }
        assert!(written_by_go > 450, "{written_by_go}");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_allowed() {
        for text in [
            "", "15", "15 sec", "15sec", "1d", "1 s", " 1s", "1m, 30s", "1M", "-1s", "- 1s", "soon",
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.starts_with(ALLOWED), "{text}: {problem}");
            assert_eq!(problem.contains("negative"), text.starts_with('-'), "{text}");
        }
    }
}
