//! Durations as the command line takes them: `15s`, `1m30s`, `500ms`, as Go and humantime write them.

use std::time::Duration;

/// A duration above zero.
pub(crate) fn positive(text: &str) -> Result<Duration, String> {
    match any(text)? {
        Duration::ZERO => Err("a duration must be greater than 0, such as 15s, 1m30s or 500ms".to_owned()),
        duration => Ok(duration),
    }
}

/// A duration, zero included.
pub(crate) fn any(text: &str) -> Result<Duration, String> {
    if text.trim_start().starts_with('-') {
        return Err("a duration cannot be negative; give one such as 15s, 1m30s or 500ms".to_owned());
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; give one such as 15s, 1m30s or 500ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_and_humantime_write_them() {
        for (text, milliseconds) in [
            ("15s", 15_000),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("500ms", 500),
            ("2h", 7_200_000),
        ] {
            assert_eq!(positive(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in [
            "",
            "-5s",
            " -5s",
            "15",
            "abc",
            "15 parsecs",
            "1.5.5s",
            "99999999999999999999s",
            "∞",
        ] {
            let error = any(text).unwrap_err();
            assert!(error.contains("15s"), "{text}: {error}");
        }
    }

    #[test]
    fn zero_is_a_duration_only_where_it_means_something() {
        for text in ["0", "0s", "0ms"] {
            assert_eq!(any(text), Ok(Duration::ZERO), "{text}");
            assert!(positive(text).unwrap_err().contains("greater than 0"), "{text}");
        }
    }
}
