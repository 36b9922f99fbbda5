//! An exhaustive model of the election: the shipped [`Election`](leaderelection::election::Election), two or three
//! candidates, one store, and an adversary.
//!
//! ```text
//!   setting   durations, clock rates, names, the adversary's powers, the rule that is dropped
//!      |
//!   world     the store and a seat for each candidate: one state, normalised, so that there are finitely many for all time
//!     store   the record and what it was up to two versions ago
//!     seat    one candidate: its machine, its work, its calls on their way
//!     places  which worlds are one
//!     seconds which records are the same but for how old they are
//!     dead    which records nobody will be shown any more
//!      |
//!   action    what the adversary may do next
//!      |
//!   check     runs stateright over it; story tells a path in words
//!   heal      what follows from a state once the network heals: whether somebody leads in time
//! ```
//!
//! The adversary advances all clocks at rates that it chooses anew each tick; shows any candidate the record as it was up
//! to two versions ago, at any time, in any order, repeatedly; answers reads; lets each write land at any later time or
//! never, and answers it at any later time or never. Whatever else it can do is a power that each world has or has not
//! ([`Powers`]): wrong answers to writes; crashes and restarts; users who stop candidates, ask them to step down, and let
//! work end; labels, other holders, emptied holders and deletions by somebody else. What it cannot do is to wake a machine
//! late, or to keep work alive that was dropped.
//!
//! # What is left out
//!
//! - Whatever is more than two versions old is lost: no answer to it arrives and no state of it is shown. A write that
//!   names so old a version could not land anyway.
//! - States that every candidate knows to have passed are not shown again, also not to later lives, unless the world says
//!   so ([`Setting::forgets`]).
//! - Swaps that nobody will be shown any more are one ([`Setting::forgets_dead`]), so that a machine's list of them is never
//!   full.
//! - Where reads are coarse ([`Setting::coarse`]), an absence without a version may also be shown by a read that was sent
//!   before the newest version was known, so that the adversary can do more than a store.
//! - All wall clocks stand with the newest record. They go on by a second with every create that is sent: equal creates of
//!   two lives in one second are not modelled.
//! - How often the record is deleted is limited, so that there are finitely many states.
//! - Contents that cannot be read, and stores that go back.
//!
//! States are told apart by hashes of 64 bits, as in every run of stateright.

pub mod action;
pub mod check;
mod dead;
pub mod heal;
mod lockstep;
pub mod places;
pub mod seat;
mod seconds;
pub mod setting;
pub mod store;
pub mod story;
pub mod world;

pub use self::action::{Action, Reply};
pub use self::check::{Outcome, check, counterexample};
pub use self::heal::walk;
pub use self::lockstep::{Walked, lockstep};
pub use self::setting::{Healing, Powers, Setting};
pub use self::world::World;
