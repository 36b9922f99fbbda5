//! Work that tells by itself when it began and ended: what a test reads from a pipe it reads late, and two leaders that
//! overlap by less than that would not be seen.

use std::io::{self, Write as _};
use std::time::Duration;

use chrono::{DateTime, Utc};
use leaderelection::{Clock as _, SystemClock};
use tokio::signal::unix::{SignalKind, signal};

use crate::servers::monotonic;

/// When something happened, by both clocks that all processes of this machine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By [`monotonic`]: for order and distance.
    pub monotonic: Duration,
    /// By the wall clock: for what servers log.
    pub wall: DateTime<Utc>,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self {
            monotonic: monotonic(),
            wall: SystemClock.wall(),
        }
    }

    /// In milliseconds; negative where it was before `other`.
    pub fn since(self, other: Self) -> f64 {
        (self.monotonic.as_secs_f64() - other.monotonic.as_secs_f64()) * 1e3
    }

    /// In milliseconds by the wall clock, after what a server logged.
    pub fn since_wall(self, other: DateTime<Utc>) -> f64 {
        let (whole, rest) = ((self.wall - other).num_microseconds(), 1e3);
        whole.map_or(f64::NAN, |microseconds| microseconds as f64 / rest)
    }

    fn print(self) -> String {
        format!("{} {}", self.monotonic.as_nanos(), self.wall.timestamp_micros())
    }

    fn parse(text: &str) -> Option<Self> {
        let (monotonic, wall) = text.split_once(' ')?;
        Some(Self {
            monotonic: Duration::from_nanos(monotonic.parse().ok()?),
            wall: DateTime::from_timestamp_micros(wall.parse().ok()?)?,
        })
    }
}

/// The first line of the work: `working PID MONOTONIC WALL`; and when it is over, `worked MONOTONIC WALL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Working {
    /// The process that works.
    pub pid: u32,
    /// Since when.
    pub since: Moment,
}

impl Working {
    /// Reads the first line.
    pub fn parse(line: &str) -> Option<Self> {
        let (pid, since) = line.strip_prefix("working ")?.split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            since: Moment::parse(since)?,
        })
    }
}

/// Reads the last line.
pub fn worked(line: &str) -> Option<Moment> {
    Moment::parse(line.strip_prefix("worked ")?)
}

/// The program: works until SIGTERM.
///
/// # Errors
/// When it cannot listen or speak.
pub fn work() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut asked = signal(SignalKind::terminate())?;
        say(&format!(
            "working {} {}",
            std::process::id(),
            Moment::now().print()
        ))?;
        asked.recv().await;
        io::Result::Ok(())
    })?;
    drop(runtime);
    // The last thing that it does.
    say(&format!("worked {}", Moment::now().print()))
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_is_parsed() {
        let now = Moment::parse(&Moment::now().print()).unwrap();
        let working = Working::parse(&format!("working 7 {}", now.print()));
        assert_eq!(working, Some(Working { pid: 7, since: now }));
        assert_eq!(worked(&format!("worked {}", now.print())), Some(now));
        assert_eq!(worked("worked 1"), None);
        let later = Moment {
            monotonic: now.monotonic + Duration::from_millis(5),
            ..now
        };
        assert!((later.since(now) - 5.0).abs() < 0.01 && (now.since(later) + 5.0).abs() < 0.01);
    }
}
