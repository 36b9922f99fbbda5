//! The clocks (SAFETY 3).

#![allow(clippy::unwrap_used, reason = "tests speak by failing")]

use std::time::Duration;

use leaderelection::{Clock, MonoTime, PausedClock, SystemClock};

/// SAFETY 3: BOOTTIME, which runs on while the machine sleeps. `/proc/uptime` counts by it too, `CLOCK_MONOTONIC` does not
/// where the machine has slept.
#[cfg(target_os = "linux")]
#[test]
fn the_clock_of_linux_counts_from_boot() {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let clock = SystemClock.mono().since(MonoTime::ZERO).as_secs_f64();
    assert!(
        (clock - uptime).abs() < 5.0,
        "{clock} s by the clock, {uptime} s by /proc/uptime"
    );
}

#[tokio::test]
async fn a_sleep_is_never_early() {
    for millis in [0, 1, 3, 10] {
        let deadline = SystemClock.mono().after(Duration::from_millis(millis));
        SystemClock.sleep_until(deadline).await;
        assert!(SystemClock.mono() >= deadline);
    }
    SystemClock.sleep_until(MonoTime::PAST).await;
}

#[tokio::test(start_paused = true)]
async fn the_paused_clock_moves_only_when_all_wait() {
    let start = PausedClock.now();
    let day = Duration::from_secs(24 * 60 * 60);
    PausedClock.sleep_until(start.mono.after(day)).await;
    assert_eq!(PausedClock.mono().since(start.mono), day);
    assert_eq!(
        (PausedClock.wall() - start.wall).num_seconds(),
        24 * 60 * 60,
        "wall time runs along"
    );
}

/// A wait for never is no wait in slices.
#[tokio::test(start_paused = true)]
async fn never_never_comes() {
    tokio::select! {
        () = PausedClock.sleep_until(MonoTime::NEVER) => unreachable!("never"),
        () = PausedClock.sleep_until(PausedClock.mono().after(Duration::from_secs(1 << 30))) => {}
    }
}
