//! Every kind of object that both know, shared with client-go, old and new: handed over by release and by SIGKILL, in both
//! directions, and held beside followers of both sides.

mod hold;
mod judge;
mod table;

use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use hold::{Held, hold};
pub use table::table;

use crate::beside_go::{Change, ClientGo, Result, Side, Stage, by_kill, by_release};
use crate::kube_door::Kind;
use crate::servers::KubeApiserver;

/// Lease duration, renew deadline and retry period where a lease runs out, or is renewed in time.
///
/// Whole seconds, as client-go's record has them. And a second between two renewals, at least: client-go's followers, and
/// whoever reads its annotation, tell no two of one second apart.
pub const SHORT: [Duration; 3] = [
    Duration::from_secs(4),
    Duration::from_secs(3),
    Duration::from_secs(1),
];

/// Where leases are released: nobody waits for one, if all goes well, and it would be seen.
pub const LONG: [Duration; 3] = [
    Duration::from_secs(8),
    Duration::from_secs(5),
    Duration::from_secs(1),
];

/// How long a holder holds in one round.
const HOLD: Duration = Duration::from_secs(12);

const STOP_GRACE: [&str; 2] = ["--stop-grace", "500ms"];

/// What is shared, and with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairing {
    /// With whom.
    pub client_go: ClientGo,
    /// What.
    pub kind: Kind,
}

impl Pairing {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::new(ClientGo::Old, Kind::Endpoints),
        Self::new(ClientGo::Old, Kind::ConfigMap),
        Self::new(ClientGo::Old, Kind::Lease),
        Self::new(ClientGo::Today, Kind::Lease),
    ];

    const fn new(client_go: ClientGo, kind: Kind) -> Self {
        Self { client_go, kind }
    }
}

impl fmt::Display for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.client_go {
            ClientGo::Old => "0.23.17",
            ClientGo::Today => "0.37.2",
        };
        write!(f, "{version}, {}", self.kind.plural())
    }
}

/// How a lead ends, or that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The leader gets SIGTERM, ends its work and releases.
    Release,
    /// The leader gets SIGKILL.
    Kill,
    /// A leader of that side renews.
    Hold(Side),
}

impl Way {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::Release,
        Self::Kill,
        Self::Hold(Side::Ours),
        Self::Hold(Side::Go),
    ];
}

/// What came of one way of one pairing.
#[derive(Debug)]
pub enum Seen {
    /// Every change of the leader, in both directions.
    Changes(Vec<Change>),
    /// Every round in which a leader held.
    Held(Vec<Held>),
}

/// One election.
#[derive(Debug)]
pub struct Outcome {
    /// Between whom.
    pub pairing: Pairing,
    /// What was done.
    pub way: Way,
    /// What was seen, or what went wrong.
    pub seen: std::result::Result<Seen, String>,
}

impl Outcome {
    /// What must not be, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let problems = match &self.seen {
            Err(error) => vec![error.clone()],
            Ok(Seen::Changes(changes)) => judge::changes(self.way, changes),
            Ok(Seen::Held(rounds)) => judge::rounds(rounds),
        };
        let name = |problem| format!("client-go {}, {:?}: {problem}", self.pairing, self.way);
        problems.into_iter().map(name).collect()
    }
}

/// Every way of every pairing, `rounds` times in each direction, `at_once` elections at a time.
///
/// `program` is `leaderelect`, and its work, as [`crate::beside_go::main`] makes it.
pub fn all(server: &KubeApiserver, program: &Path, rounds: usize, at_once: usize) -> Vec<Outcome> {
    // The slow ones first.
    let ways = [
        Way::Kill,
        Way::Hold(Side::Ours),
        Way::Hold(Side::Go),
        Way::Release,
    ];
    let elections: Vec<(Way, Pairing)> = ways
        .into_iter()
        .flat_map(|way| Pairing::ALL.map(|pairing| (way, pairing)))
        .collect();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(&(way, pairing)) = elections.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seen = one(server, program, pairing, way, rounds).map_err(|error| error.to_string());
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push(Outcome { pairing, way, seen });
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_default()
}

fn one(server: &KubeApiserver, program: &Path, pairing: Pairing, way: Way, rounds: usize) -> Result<Seen> {
    let timing = if way == Way::Release { LONG } else { SHORT };
    let mut stage =
        Stage::new(server, "interop", program, timing, &STOP_GRACE)?.on(pairing.kind, pairing.client_go);
    // Ours, Go, ours, ..
    let sides = [Side::Ours, Side::Go].into_iter().cycle().take(2 * rounds + 1);
    let (seen, changes) = match way {
        Way::Release => {
            let pause = |round| Duration::from_millis(50 + 137 * round as u64 % 1_000);
            let changes = by_release(&mut stage, sides, pause)?;
            let count = changes.len();
            (Seen::Changes(changes), count)
        }
        Way::Kill => {
            let changes = by_kill(&mut stage, sides)?;
            let count = changes.len();
            (Seen::Changes(changes), count)
        }
        Way::Hold(side) => {
            let mut held = Vec::new();
            for _ in 0..rounds {
                let round = hold(&mut stage, side, HOLD)?;
                let robbed = !round.robbed_by.is_empty();
                held.push(round);
                if robbed {
                    // Somebody else leads, and nothing that follows would mean anything.
                    return Ok(Seen::Held(held));
                }
            }
            (Seen::Held(held), rounds.saturating_sub(1))
        }
    };
    // Each acquisition but the first adds one: nobody else led, also where no note says so.
    match stage.transitions_when_free()? {
        transitions if transitions == changes as u64 => Ok(seen),
        transitions => Err(format!("{transitions} transitions, and {changes} changes of the leader").into()),
    }
}
