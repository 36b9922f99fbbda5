//! Standard output, which may be full for as long as its reader likes, and which he may close.

use std::io;
use std::time::Duration;

use leaderelection::Clock;
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::AsyncWriteExt as _;

/// How often it is looked whether somebody still reads.
const LOOK: Duration = Duration::from_secs(1);

/// Writes all of it, at once. Elsewhere than on this thread, so that a reader that does not read keeps nobody from ending this.
pub(super) async fn write(text: &str) -> io::Result<()> {
    let mut stdout = tokio::io::stdout();
    stdout.write_all(text.as_bytes()).await?;
    stdout.flush().await
}

/// Returns when nobody can read it any more, also while there is nothing to say.
pub(super) async fn closed(clock: &dyn Clock) {
    while !is_closed() {
        clock.sleep_until(clock.mono().after(LOOK)).await;
    }
}

fn is_closed() -> bool {
    let stdout = io::stdout();
    // Nothing is asked for but what is told unasked: that the other end is gone.
    let mut looked_at = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let told = rustix::event::poll(&mut looked_at, Some(&at_once));
    let gone = PollFlags::ERR | PollFlags::NVAL;
    told.is_ok() && looked_at.iter().any(|stdout| stdout.revents().intersects(gone))
}
