//! Leaders, real processes, that are frozen past their lease and write when they wake.

use std::path::Path;
use std::process::Command;

use etcd_client::{Client, EventType, WatchOptions};
use leaderelection::LeaderElectionRecord;
use leaderelection_tests::fenced::{fenced_key, unfenced_key};
use leaderelection_tests::leaderelect::Leaderelect;
use leaderelection_tests::servers::Etcd;
use leaderelection_tests::time::{now, pause};
use rustix::process::Signal;

use super::TestResult;

const PROGRAM: &str = env!("CARGO_BIN_EXE_fenced-leader");
const ELECTIONS: usize = 10;
/// In each election.
const WAKE_UPS: usize = 6;
/// How long what must come may take on a busy machine.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A candidate, and what it has said.
struct Candidate {
    process: Leaderelect,
    leads: Option<u64>,
    ended: Vec<Ended>,
}

/// What came of the writes with the fence in a term.
#[derive(Debug)]
struct Ended {
    token: u64,
    accepted: usize,
    refused: usize,
    /// Accepted after one was refused.
    late: usize,
}

impl Candidate {
    fn start(endpoint: &str, key: &str, identity: &str) -> Result<Self> {
        let mut program = Command::new(Path::new(PROGRAM));
        program.args([endpoint, key, identity]);
        Ok(Self {
            process: Leaderelect::spawn(program)?,
            leads: None,
            ended: Vec::new(),
        })
    }

    fn listen(&mut self) -> Result<()> {
        for line in self.process.said_so_far() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["leads", token] => self.leads = Some(token.parse()?),
                ["ended", token, accepted, refused, late] => {
                    let ended = Ended {
                        token: token.parse()?,
                        accepted: accepted.parse()?,
                        refused: refused.parse()?,
                        late: late.parse()?,
                    };
                    self.leads = self.leads.filter(|token| *token != ended.token);
                    self.ended.push(ended);
                }
                _ => return Err(format!("not a line of a leader: {line}").into()),
            }
        }
        Ok(())
    }
}

/// Both candidates of an election.
struct Pair([Candidate; 2]);

impl Pair {
    fn until<T>(&mut self, what: &str, mut is_it: impl FnMut(&[Candidate; 2]) -> Option<T>) -> Result<T> {
        let end = now().after(LIMIT);
        while now() < end {
            for candidate in &mut self.0 {
                candidate.listen()?;
            }
            if let Some(it) = is_it(&self.0) {
                return Ok(it);
            }
            pause();
        }
        Err(format!("not within {LIMIT:?}: {what}").into())
    }

    /// Freezes the leader until the other leads and has written, and wakes it. Tells what came of the term of who was frozen.
    fn freeze_and_wake(&mut self) -> Result<()> {
        let (frozen, token) = self.until("a leader", |pair| {
            (0..2).find_map(|who| Some((who, pair[who].leads?)))
        })?;
        self.0[frozen].process.send(Signal::STOP)?;
        self.until("the next leader", |pair| {
            pair[1 - frozen].leads.filter(|next| *next > token)
        })?;
        self.0[frozen].process.send(Signal::CONT)?;
        self.until("the end of a term", |pair| {
            let ended = pair[frozen].ended.iter().find(|ended| ended.token == token);
            ended.map(|_| ())
        })
    }
}

fn elect(endpoint: &str, key: &str) -> Result<Vec<Ended>> {
    let mut pair = Pair([
        Candidate::start(endpoint, key, "a")?,
        Candidate::start(endpoint, key, "b")?,
    ]);
    for _ in 0..WAKE_UPS {
        pair.freeze_and_wake()?;
    }
    Ok(pair.0.into_iter().flat_map(|candidate| candidate.ended).collect())
}

/// What etcd has taken, in the order of its revisions.
#[derive(Debug, Default)]
struct Taken {
    acquisitions: Vec<u64>,
    /// Each by its revision, and the token of its author.
    fenced: Vec<(u64, u64)>,
    unfenced: Vec<(u64, u64)>,
}

impl Taken {
    /// Reads etcd's own history of an election.
    async fn read(etcd: &Etcd, key: &str) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let client = Client::connect([etcd.endpoint()], None).await?;
        let end = client.kv_client().put(key, "the end", None).await?;
        let end = end.header().unwrap().revision();
        let options = WatchOptions::new().with_prefix().with_start_revision(1);
        let mut watch = client.watch_client().watch(key, Some(options)).await?;
        let mut taken = Self::default();
        let mut before = None;
        loop {
            let message = watch.message().await?.unwrap();
            assert!(!message.canceled(), "{message:?}");
            for event in message.events() {
                let pair = event.kv().unwrap();
                if event.event_type() == EventType::Delete {
                    assert!(pair.key_str()?.ends_with(".term"), "{pair:?}");
                    continue;
                }
                if pair.mod_revision() == end {
                    return Ok(taken);
                }
                let revision = pair.mod_revision().unsigned_abs();
                let token = || pair.value_str().unwrap().rsplit_once(' ').unwrap().1.parse();
                match pair.key_str()? {
                    this if this == fenced_key(key) => taken.fenced.push((revision, token()?)),
                    this if this == unfenced_key(key) => taken.unfenced.push((revision, token()?)),
                    this if this == key => {
                        let record = LeaderElectionRecord::from_json(pair.value())?;
                        let term = (
                            record.holder_identity,
                            record.acquire_time,
                            record.leader_transitions,
                        );
                        if before.as_ref() != Some(&term) {
                            taken.acquisitions.push(revision);
                        }
                        before = Some(term);
                    }
                    _the_key_of_the_term => {}
                }
            }
        }
    }

    /// The tokens of those that came behind another's acquisition. What counts is where etcd has put them, not when they were sent.
    fn stale(&self, writes: &[(u64, u64)]) -> Vec<u64> {
        let acquired_between = |token: u64, revision: u64| {
            let mut acquisitions = self.acquisitions.iter();
            acquisitions.any(|acquired| (token + 1..revision).contains(acquired))
        };
        let stale = writes
            .iter()
            .filter(|(revision, token)| acquired_between(*token, *revision));
        stale.map(|(_, token)| *token).collect()
    }
}

/// The story of the paused leader, by real processes: none of its writes is taken that carries the fence, and of those that do not
/// at least one each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_leader_that_wakes_past_its_lease_writes_nothing() -> TestResult {
    let etcd = Etcd::start()?;
    let endpoint = etcd.endpoint();
    let keys: Vec<_> = (0..ELECTIONS).map(|number| format!("leader-{number}-")).collect();
    let ended: Vec<_> = std::thread::scope(|scope| {
        let elections: Vec<_> = keys
            .iter()
            .map(|key| scope.spawn(|| elect(&endpoint, key)))
            .collect();
        elections
            .into_iter()
            .map(|election| election.join().unwrap())
            .collect()
    });
    let (mut terms, mut stale, mut unfenced) = (Vec::new(), 0, 0);
    for (key, ended) in keys.iter().zip(ended) {
        let ended = ended.map_err(|error| error.to_string())?;
        let taken = Taken::read(&etcd, key).await?;
        stale += taken.stale(&taken.fenced).len();
        let through = taken.stale(&taken.unfenced);
        // Or the fence had nothing to do.
        let idle = ended.iter().find(|term| !through.contains(&term.token));
        assert!(idle.is_none(), "nothing stale without the fence: {idle:?}");
        unfenced += through.len();
        terms.extend(ended);
    }
    let refused: usize = terms.iter().map(|term| term.refused).sum();
    let wake_ups = ELECTIONS * WAKE_UPS;
    println!(
        "{wake_ups} wake-ups: with the fence {stale} stale writes taken and {refused} refused, without it {unfenced} taken"
    );
    assert_eq!(stale, 0);
    assert!(terms.len() >= wake_ups, "{terms:?}");
    for term in &terms {
        // While it led nothing was refused, behind its end everything was.
        assert!(
            term.accepted > 0 && term.refused > 0 && term.late == 0,
            "{term:?}"
        );
    }
    Ok(())
}
