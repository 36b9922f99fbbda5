//! Tables of inputs and whole outputs for the pure machine: one story a test, each naming the rule of SAFETY it shows.
//!
//! A transcript is a table: a line `time: input`, and below it everything that came out, to the moment waited for.
//! `UPDATE_EXPECT=1 cargo test -p leaderelection --test election` writes them anew; read what changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests speak by failing"
)]

mod bench;
mod doubt;
mod drawn;
mod ending;
mod missing;
mod own_lease;
mod pending;
mod rival_lease;
mod schedules;
mod step_down;
mod store;
mod who;
mod writing;
