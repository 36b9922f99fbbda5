//! An exhaustive model of the election: the shipped [`Election`](leaderelection::election::Election), two candidates, one
//! store, and an adversary.
//!
//! ```text
//!   setting   durations, clock rates, names, the rule that is dropped
//!      |
//!   world     the store and two seats: one state, normalised, so that there are finitely many for all time
//!     store   the record and what it was up to two versions ago
//!     seat    one candidate: its machine, its work, its calls on their way
//!     places  which worlds are one
//!      |
//!   action    what the adversary may do next
//!      |
//!   check     runs stateright over it; story tells a path in words
//! ```
//!
//! The adversary advances both clocks at rates that it chooses anew each tick; shows any candidate the record as it was up
//! to two versions ago, at any time, in any order, repeatedly; answers reads or fails them; lets each write land at any
//! later time or never, answers it at any later time, wrongly with a conflict, with a failure or never; crashes and
//! restarts candidates, stops them, asks them to step down, and lets work end when it likes. What it cannot do is to wake
//! a machine late, or to keep work alive that was dropped.
//!
//! Whatever is more than two versions old is lost: no answer to it arrives and no state of it is shown. A write that
//! names so old a version could not land anyway.

pub mod action;
pub mod check;
pub mod heal;
pub mod places;
pub mod seat;
pub mod setting;
pub mod store;
pub mod story;
pub mod world;

pub use self::action::{Action, Reply};
pub use self::check::{Outcome, check};
pub use self::heal::walk;
pub use self::setting::{Healing, Powers, Setting};
pub use self::world::World;
