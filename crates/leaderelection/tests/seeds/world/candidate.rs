//! One candidate: the shipped machine, its clocks, and what its driver would keep for it.

use chrono::DateTime;
use leaderelection::election::{Election, ElectionConfig};
use leaderelection::{Identity, Moment, MonoTime};

use super::random::SECOND;

/// The wall clock when the world begins, in seconds since 1970.
const WALL_AT_BEGIN: i64 = 1_700_000_000;

/// Work that runs, from `TermChange::Start` until it is gone.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) token: u64,
    pub(crate) valid_until: MonoTime,
}

/// A candidate's clock: it runs at its own rate from its own beginning, and its wall time is anything.
pub(crate) struct Clock {
    /// Thousandths of the world's rate.
    pub(crate) rate: i64,
    /// What the monotonic clock shows when the world begins, in nanoseconds.
    pub(crate) offset: i64,
    /// By how many seconds the wall clock is off.
    pub(crate) wall_offset: i64,
}

pub(crate) struct Candidate {
    pub(crate) election: Election,
    pub(crate) config: ElectionConfig,
    pub(crate) clock: Clock,
    /// Counts restarts: what was meant for an earlier life reaches nobody.
    pub(crate) life: u64,
    /// When the machine was last told something.
    pub(crate) last_told: Option<MonoTime>,
    /// Counts the moments waited for: only the newest timer fires.
    pub(crate) timer: u64,
    pub(crate) work: Option<Work>,
    /// The work was told to stop, and may take its time.
    pub(crate) is_told_to_stop: bool,
    /// Counts terms over all lives.
    pub(crate) term: u64,
    /// The watch that is open.
    pub(crate) watch: Option<u64>,
    /// Counts watches: a watch that was given up shows nothing more.
    pub(crate) watches: u64,
    /// The machine said that its election is over.
    pub(crate) ended: bool,
    /// Until when nothing of this candidate's reaches the store.
    pub(crate) cut_off_until: i64,
}

impl Candidate {
    pub(crate) fn new(config: ElectionConfig, clock: Clock) -> Self {
        Self {
            election: Election::new(config.clone()),
            config,
            clock,
            life: 0,
            last_told: None,
            timer: 0,
            work: None,
            is_told_to_stop: false,
            term: 0,
            watch: None,
            watches: 0,
            ended: false,
            cut_off_until: 0,
        }
    }

    /// The process is killed, its work with it, and comes up again, under another name if its name was for one life.
    pub(crate) fn restart(&mut self) {
        if self.config.identity.is_unique() {
            self.config.identity = Identity::unique();
        }
        // An elector draws one for every life.
        self.config.seed = self.config.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.election = Election::new(self.config.clone());
        self.life += 1;
        self.work = None;
        self.watch = None;
        self.ended = false;
    }

    /// The process is killed, its work with it, and never comes up again. What it has sent is still on its way.
    pub(crate) fn die(&mut self) {
        self.life += 1;
        self.work = None;
        self.watch = None;
        self.ended = true;
    }

    /// What this candidate's clocks show at a time of the world.
    pub(crate) fn moment(&self, time: i64) -> Moment {
        let elapsed = (i128::from(time) * i128::from(self.clock.rate) / 1000) as i64;
        let wall = WALL_AT_BEGIN + time / SECOND + self.clock.wall_offset;
        Moment {
            mono: MonoTime::from_nanos(self.clock.offset + elapsed),
            wall: DateTime::from_timestamp(wall, 0).unwrap(),
        }
    }

    /// The first time of the world at which this candidate's clock shows `mono` or more.
    pub(crate) fn time_of(&self, mono: MonoTime) -> i64 {
        let elapsed = (i128::from(mono.as_nanos()) - i128::from(self.clock.offset)) * 1000;
        let rate = i128::from(self.clock.rate);
        let floor = elapsed.div_euclid(rate);
        let time = if floor * rate < elapsed { floor + 1 } else { floor };
        time.clamp(0, i128::from(i64::MAX / 4)) as i64
    }

    /// The moment by which work with this lease is gone: `sent + R + σ` (SAFETY 13).
    pub(crate) fn gone_by(&self, work: Work) -> MonoTime {
        work.valid_until.after(self.config.timing.stop_grace())
    }

    /// When the driver stops waiting for the answer to a swap sent at `sent`: `sent + R` (SAFETY 9).
    pub(crate) fn swap_given_up(&self, sent: MonoTime) -> i64 {
        self.time_of(sent.after(self.config.timing.renew_deadline()))
    }

    /// How long the driver waits for a read, by the clock of `rate` thousandths.
    pub(crate) fn read_timeout(&self, rate: i64) -> i64 {
        self.config.timing.attempt_timeout().as_nanos() as i64 * 1000 / rate
    }
}
