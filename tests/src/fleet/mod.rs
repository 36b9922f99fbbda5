//! Many elections in one process, ours and client-go's on the same store in one run: what each takes of memory and of processor time.

mod member;
mod programs;
mod store;

use std::time::Duration;

use serde::Serialize;

pub use member::{Count, Side};
pub use programs::{Programs, as_released, client_go};
pub use store::{Place, Store};

use member::Member;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long everybody may take until each leads or follows.
const BEGINNING: Duration = Duration::from_secs(300);
/// Then nobody is measured yet: what beginning has left behind goes on for a while.
const SETTLING: Duration = Duration::from_secs(15);

/// What is measured: so many elections, with so many candidates each.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Plan {
    /// Where they are.
    pub store: Store,
    /// How many elections.
    pub elections: usize,
    /// How many candidates each has; one of them leads.
    pub candidates: usize,
    /// For how long it is measured.
    #[serde(serialize_with = "seconds")]
    pub lasting: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// What a process took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// How many candidates it has.
    pub candidates: usize,
    /// Of resident memory, beyond what its client takes: per candidate.
    pub kibibytes: f64,
    /// Of processor time: microseconds a second, per candidate.
    pub micros_a_second: f64,
}

/// What came of a plan, for one side.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What was measured.
    #[serde(flatten)]
    pub plan: Plan,
    /// Whose candidates.
    pub side: Side,
    /// The process that leads them all; in memory, where a process has all candidates, that one.
    pub leaders: Cost,
    /// The process that follows them all.
    pub followers: Option<Cost>,
    /// How many terms were lost.
    pub lost: usize,
}

/// Measures one side.
///
/// # Errors
/// When a program or a server does not do its part.
pub fn measure(programs: &Programs, place: &Place, plan: Plan, side: Side) -> Result<Measured> {
    let start = |candidates: usize, identity: &str| {
        Member::start(programs, side, place, plan.elections, candidates, identity)
    };
    // Who shares a store in memory shares a process.
    let alone = plan.store == Store::Memory || plan.candidates == 1;
    let mut leaders = start(if alone { plan.candidates } else { 1 }, "leader")?;
    leaders.until(BEGINNING, |count| {
        count.leading == plan.elections && count.following == leaders_count(plan, alone)
    })?;
    let mut followers = if alone {
        None
    } else {
        let mut followers = start(plan.candidates - 1, "follower")?;
        let all = plan.elections * (plan.candidates - 1);
        followers.until(BEGINNING, |count| count.following == all)?;
        Some(followers)
    };
    leaders.let_pass(SETTLING)?;
    let leaders_began = leaders.begin()?;
    let followers_began = followers.as_mut().map(Member::begin).transpose()?;
    leaders.let_pass(plan.lasting)?;
    let leaders_cost = leaders.cost(leaders_began)?;
    let followers_cost = match (&mut followers, followers_began) {
        (Some(followers), Some(began)) => Some(followers.cost(began)?),
        _ => None,
    };
    let lost = leaders.lost()? + followers.as_mut().map_or(Ok(0), Member::lost)?;
    Ok(Measured {
        plan,
        side,
        leaders: leaders_cost,
        followers: followers_cost,
        lost,
    })
}

fn leaders_count(plan: Plan, alone: bool) -> usize {
    plan.elections * if alone { plan.candidates } else { 1 }
}
