//! Work that leaves a sign of life every millisecond, so that it is known when it ran, also when it was frozen or killed: it
//! need not be able to say so.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::servers::monotonic;
use crate::time::sleep;

/// The time between two signs of life.
const PERIOD: Duration = Duration::from_millis(1);

/// A longer pause means that it did not run: it was frozen.
const FROZEN: Duration = Duration::from_millis(100);

/// When one run of the work ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beats {
    /// Whose it was.
    pub identity: String,
    /// By which token.
    pub token: u64,
    /// Its process.
    pub pid: u32,
    /// Its signs of life, by [`monotonic`]; not empty.
    at: Vec<Duration>,
}

impl Beats {
    /// The first sign of life.
    pub fn began(&self) -> Duration {
        self.at.first().copied().unwrap_or_default()
    }

    /// The last one.
    pub fn ended(&self) -> Duration {
        self.at.last().copied().unwrap_or_default()
    }

    /// For how long it ran after that moment; the time in which it was frozen does not count.
    pub fn ran_after(&self, moment: Duration) -> Duration {
        let mut before = moment;
        let mut ran = Duration::ZERO;
        for &at in self.at.iter().filter(|at| **at > moment) {
            let pause = at - before;
            ran += if pause < FROZEN { pause } else { PERIOD };
            before = at;
        }
        ran
    }
}

/// All runs of the work that left signs of life in that folder, by when they began.
///
/// # Errors
/// When they cannot be read.
pub fn read(folder: &Path) -> io::Result<Vec<Beats>> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        let garbled = || io::Error::other(format!("not a run of the work: {name}"));
        let [identity, token, pid] = name.split(' ').collect::<Vec<_>>()[..] else {
            return Err(garbled());
        };
        let bytes = std::fs::read(file.path())?;
        // The last one may be half written.
        let at: Vec<Duration> = bytes
            .chunks_exact(8)
            .filter_map(|chunk| Some(Duration::from_nanos(u64::from_le_bytes(chunk.try_into().ok()?))))
            .collect();
        if !at.is_empty() {
            all.push(Beats {
                identity: identity.to_owned(),
                token: token.parse().map_err(|_| garbled())?,
                pid: pid.parse().map_err(|_| garbled())?,
                at,
            });
        }
    }
    all.sort_by_key(Beats::began);
    Ok(all)
}

/// Where this variable is set, the work does not heed SIGTERM.
pub const STUBBORN: &str = "LEADERELECTION_STUBBORN_WORK";

/// The program: works until SIGTERM, or [SIGKILL](STUBBORN), under `leaderelect run`.
///
/// # Errors
/// When it cannot listen or write.
pub fn work(folder: &Path) -> io::Result<()> {
    let variable = |name| std::env::var(name).map_err(|_| io::Error::other(format!("no {name}")));
    let name = format!(
        "{} {} {}",
        variable("LEADERELECT_IDENTITY")?,
        variable("LEADERELECT_TOKEN")?,
        std::process::id()
    );
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(folder.join(name))?;
    // Nanoseconds since boot fit for centuries.
    let mut beat = || {
        let nanos = u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX);
        file.write_all(&nanos.to_le_bytes())
    };
    // Before anything else that takes time: it runs already.
    beat()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stubborn = std::env::var_os(STUBBORN).is_some();
    runtime.block_on(async {
        let mut asked = signal(SignalKind::terminate())?;
        loop {
            tokio::select! {
                _ = asked.recv(), if !stubborn => return beat(),
                () = sleep(PERIOD) => beat()?,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beats(at: impl IntoIterator<Item = u64>) -> Beats {
        Beats {
            identity: "a".to_owned(),
            token: 1,
            pid: 1,
            at: at.into_iter().map(Duration::from_millis).collect(),
        }
    }

    #[test]
    fn frozen_time_does_not_count() {
        let work = beats([10, 11, 12, 5_000, 5_001, 5_003]);
        let after = |moment| work.ran_after(Duration::from_millis(moment)).as_millis();
        assert_eq!(after(12), 1 + 1 + 2);
        assert_eq!(after(11), 1 + 1 + 1 + 2);
        assert_eq!(after(4_999), 1 + 1 + 2);
        assert_eq!(after(5_003), 0);
    }

    #[test]
    fn what_was_written_is_read() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let nanos = |milliseconds: u64| (milliseconds * 1_000_000).to_le_bytes();
        std::fs::write(folder.path().join("b 9 7"), nanos(20))?;
        let mut bytes = [nanos(10), nanos(11)].concat();
        bytes.push(0);
        std::fs::write(folder.path().join("a 1 1"), bytes)?;
        std::fs::write(folder.path().join("c 2 3"), [])?;
        let read = read(folder.path())?;
        assert!(matches!(&*read, [first, second]
            if *first == beats([10, 11]) && second.identity == "b" && second.token == 9 && second.pid == 7));
        Ok(())
    }
}
