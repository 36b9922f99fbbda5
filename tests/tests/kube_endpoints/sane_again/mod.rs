//! An apiserver that refuses or fails for a while, with the real elector: while it lasts it is said what failed and nobody
//! leads who may not; when it has passed, the election goes on.
//!
//! Each trouble comes twice: briefly, which costs the leader nothing, and then for longer than the lease. Where the real
//! server can be brought to say it, it does (`real`); the rest comes from something before it (`instead`).

mod instead;
mod real;

use std::path::Path;

use leaderelection::{Events, LeaderElector, LeaseTiming, LossReason, Operation};

use super::tap::{Asked, Instead, Tap};
use super::*;

/// Longer than those of [`Candidate::start`]: a brief trouble must end well within the renew deadline.
const LEASE: Duration = Duration::from_secs(6);
const RENEW_DEADLINE: Duration = Duration::from_secs(4);

/// What is wrong for a while.
trait Trouble {
    async fn begin(&mut self) -> TestResult;
    async fn end(&mut self) -> TestResult;
}

/// How it shows.
struct Signs {
    /// What the leader is told of a renewal.
    renewal: &'static str,
    /// The calls that fail, and what each says.
    calls: &'static [(&'static str, &'static str)],
}

/// Two candidates' ways to a server, and a third for looking.
struct Ways {
    namespace: String,
    leader: Tap,
    other: Tap,
    looking: Tap,
}

impl Ways {
    fn through(client: &kube::Client, namespace: &str, instead: &Instead) -> Self {
        let tap = || Tap::before(client.clone(), instead);
        Self {
            namespace: namespace.to_owned(),
            leader: tap(),
            other: tap(),
            looking: tap(),
        }
    }

    async fn by(kubeconfig: impl AsRef<Path>, namespace: &str) -> Result<Self, Box<dyn Error>> {
        let connection = KubeConnection::from_kubeconfig(kubeconfig).await?;
        Ok(Self::through(connection.client(), namespace, &Instead::default()))
    }

    fn candidate(&self, tap: &Tap, identity: &str) -> Result<Candidate, Box<dyn Error>> {
        let timing = LeaseTiming::new(LEASE, RENEW_DEADLINE, RETRY_PERIOD)?;
        let lock = tap.lock(&self.namespace)?;
        let handle = LeaderElector::builder(lock, identity)
            .timing(timing)
            .build()?
            .spawn()?;
        let events = handle.events();
        Ok(Candidate { handle, events })
    }

    /// The next renewal that a leader tells has failed: it names the object and the trouble.
    async fn told(&self, events: &mut Events, signs: &Signs) -> TestResult {
        let failed = async {
            loop {
                match events.recv().await {
                    Some(Event::CallFailed { operation, error, .. }) => {
                        println!("{operation}: {error}");
                        if operation == Operation::CompareAndSwap {
                            return Ok(error.to_string());
                        }
                    }
                    Some(_) => {}
                    None => return Err("the election has ended"),
                }
            }
        };
        let said = within(RENEW_DEADLINE, "a failed renewal", failed).await?;
        let call = format!("patch of endpoints {}/{NAME}: ", self.namespace);
        assert!(said.contains(&call) && said.contains(signs.renewal), "{said}");
        Ok(())
    }

    /// Each call that fails names itself, the object and the trouble.
    async fn each_call_says_so(&self, signs: &Signs) -> TestResult {
        let lock = self.looking.lock(&self.namespace)?;
        let swap = async |expected| lock.compare_and_swap(expected, &record("another", 1)).await.err();
        let watch = async {
            tokio::select! {
                opened = lock.watch() => opened.err(),
                // An apiserver whose etcd does not answer says nothing at all.
                () = sleep(SOON) => None,
            }
        };
        let calls = [
            ("get", lock.get().await.err()),
            ("create", swap(Expected::Absent).await),
            // Nothing has that version any more.
            ("patch", swap(Expected::Version(Version::new(1))).await),
            ("watch", watch.await),
        ];
        for (verb, error) in calls {
            let said = error.map(|error| error.to_string());
            println!("{verb}: {said:?}");
            let expected = signs.calls.iter().find(|(fails, _)| *fails == verb);
            assert_eq!(said.is_some(), expected.is_some(), "{verb}: {said:?}");
            if let (Some(said), Some((_, problem))) = (said, expected) {
                let call = format!("{verb} of endpoints {}/{NAME}: ", self.namespace);
                assert!(said.contains(&call) && said.contains(problem), "{said}");
            }
        }
        Ok(())
    }

    /// Who was asked to stay away did: the leader and the other with writes, the other with these reads as well.
    fn stay_away(&self, reads: &[&str]) {
        let (leader, other) = (self.leader.asked(), self.other.asked());
        println!("the leader's patches: {}", waits(&leader, "patch"));
        assert!(waits(&leader, "patch") > 0, "{leader:#?}");
        for verb in reads {
            println!("the other's {verb}s: {}", waits(&other, verb));
            assert!(waits(&other, verb) > 0, "{other:#?}");
        }
        println!("the other's patches: {}", waits(&other, "patch"));
    }

    /// It happens briefly, and then for longer than the lease.
    async fn outlive(&self, mut trouble: impl Trouble, signs: &Signs) -> TestResult {
        let first = self.candidate(&self.leader, "first")?;
        let leadership = first.leads(LEASE).await?;

        let mut events = first.handle.events();
        trouble.begin().await?;
        self.told(&mut events, signs).await?;
        trouble.end().await?;
        let renewed = async { while !matches!(events.recv().await, Some(Event::Renewed { .. }) | None) {} };
        within(RENEW_DEADLINE, "a renewal", renewed).await;
        assert!(leadership.is_valid(), "{:?}", leadership.check());

        let mut events = first.handle.events();
        trouble.begin().await?;
        let second = self.candidate(&self.other, "second")?;
        self.told(&mut events, signs).await?;
        let reason = within(RENEW_DEADLINE + SOON, "the loss", leadership.lost()).await;
        assert_eq!(reason, LossReason::DeadlineExceeded);
        let token = leadership.token();
        drop(leadership);
        self.each_call_says_so(signs).await?;
        let leads = || [&first, &second].map(|candidate| candidate.handle.is_leader());
        let end = now().after(LEASE + RETRY_PERIOD);
        while now() < end {
            assert_eq!(leads(), [false, false]);
            sleep(Duration::from_millis(10)).await;
        }

        trouble.end().await?;
        let sane = now();
        let leadership = tokio::select! {
            leadership = first.leads(LEASE * 2) => leadership?,
            leadership = second.leads(LEASE * 2) => leadership?,
        };
        println!("{:?} leads {:?} after the end of it", leads(), now().since(sane));
        assert!(leadership.token() > token);
        let end = now().after(RENEW_DEADLINE);
        while now() < end {
            let [first, second] = leads();
            assert!(first != second, "{first} {second}");
            sleep(Duration::from_millis(10)).await;
        }
        assert!(leadership.is_valid(), "{:?}", leadership.check());
        drop(leadership);
        shut_down(first).await?;
        shut_down(second).await
    }
}

/// How often one call was followed by another of its kind no sooner than the answer asked for.
///
/// A leader stays away for half of what is left of its lease at most, anybody for a lease at most: answers that come too
/// late in a lease are not counted.
fn waits(asked: &[Asked], verb: &str) -> usize {
    let calls: Vec<_> = asked.iter().filter(|call| call.verb == verb).collect();
    let mut held_until = None;
    let mut waits = 0;
    for call in &calls {
        let Some((answered, code, retry_after)) = call.answer else {
            continue;
        };
        if verb != "get" && (200..300).contains(&code) {
            held_until = Some(call.sent.after(RENEW_DEADLINE));
        }
        let Some(retry_after) = retry_after else { continue };
        let left = held_until.map_or(Duration::ZERO, |until| until.since(answered));
        if !left.is_zero() && left < retry_after * 2 + Duration::from_millis(200) {
            continue;
        }
        if let Some(next) = calls.iter().find(|next| next.sent >= answered) {
            let waited = next.sent.since(answered);
            assert!(
                waited >= retry_after,
                "{verb} after {waited:?}, not {retry_after:?}: {asked:#?}"
            );
            waits += 1;
        }
    }
    waits
}
