//! Garbage collection: a lock's keys hang on a lease of etcd, and vanish with it when nobody has written them for long.
//!
//! The lease is about garbage alone. Who leads, and until when, is the record's business; so the lease must never run out under a
//! record that still counts for anybody. Three things see to that:
//!
//! * It lasts for at least four times the record's own lease, or the record is not put on it; and no write hangs the record on one
//!   of which more than half has passed since etcd renewed it for the last time, counted from before etcd was asked. So the record
//!   stands for at least twice its lease after every write, whatever becomes of etcd's lease.
//! * Each write puts the record onto the lease anew, or onto none where that is not fit. So a lease that etcd does not renew lets
//!   garbage lie, and harms no election.
//! * No renewal waits for it. A renewal that finds a third of the lease gone has it renewed beside itself, and does without the
//!   answer if that is late. Only a write that begins a term waits, for a moment: the term's key is written once, and would lie on
//!   otherwise.
//!
//! There is no task: what was asked goes on while a later write is under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Error, PutOptions};
use futures_util::future::{BoxFuture, Either, FutureExt as _, Shared, select};
use leaderelection::{Clock as _, LeaderElectionRecord, LockError, MonoTime, SystemClock};

use crate::failure::{Asked, Call};
use crate::members::Members;
use crate::setup::SetupError;

/// How many times as long as the record's lease etcd's must be.
const LEASES: i64 = 4;

/// What etcd takes for a lease at most.
const LONGEST: i64 = 9_000_000_000;

/// How much of the lease may pass before what was asked is given up and asked again, as one in so many. It is at least one record's
/// lease, and so several renewals: who asks goes on only while they write, and one of them may be too short for the answer.
const GIVEN_UP: u32 = 4;

/// How long a write that begins a term waits for a lease, at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// The lease of one lock, which its clones share.
pub(crate) struct Garbage {
    /// In seconds, etcd's unit.
    ttl: i64,
    members: Arc<Members>,
    /// The lock, as it describes itself.
    lock: Arc<str>,
    state: Mutex<State>,
    /// That a record's lease is too long.
    warned: AtomicBool,
}

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    under_way: Option<UnderWay>,
}

#[derive(Clone, Copy)]
struct Lease {
    id: i64,
    /// From when it lasts, at least: etcd renewed it later than that.
    since: MonoTime,
}

/// What etcd was asked.
struct UnderWay {
    since: MonoTime,
    answer: Refresh,
}

/// The lease that etcd granted or renewed.
pub(crate) type Refresh = Shared<BoxFuture<'static, Result<i64, LockError>>>;

/// For one write.
pub(crate) struct Hook {
    /// What to put the keys on.
    pub(crate) lease: Option<i64>,
    /// To be polled beside it.
    pub(crate) beside: Option<Refresh>,
}

impl Hook {
    const NONE: Self = Self {
        lease: None,
        beside: None,
    };
}

impl Garbage {
    pub(crate) fn new(after: Duration, members: Arc<Members>, lock: Arc<str>) -> Result<Self, SetupError> {
        let whole = after
            .as_secs()
            .saturating_add(u64::from(after.subsec_nanos() > 0));
        match i64::try_from(whole) {
            Ok(ttl @ 1..=LONGEST) => Ok(Self {
                ttl,
                members,
                lock,
                state: Mutex::default(),
                warned: AtomicBool::new(false),
            }),
            _ => Err(SetupError::GarbageTime(after)),
        }
    }

    /// For the write of this record, which begins a term or does not.
    pub(crate) async fn hook(&self, record: &LeaderElectionRecord, begins: bool) -> Hook {
        if !self.outlasts(record) {
            return Hook::NONE;
        }
        if !begins {
            return self.hook_now();
        }
        let refresh = self.ask(&mut self.settled());
        let patience = SystemClock.sleep_until(SystemClock.mono().after(PATIENCE));
        match select(refresh, patience).await {
            Either::Left((answer, _)) => Hook {
                lease: answer.ok(),
                beside: None,
            },
            Either::Right(((), refresh)) => Hook {
                lease: None,
                beside: Some(refresh),
            },
        }
    }

    /// Whether etcd's lease outlasts this record's by far. One that closes a lock for good, as a move writes it, must stand for ever.
    fn outlasts(&self, record: &LeaderElectionRecord) -> bool {
        let least = record.lease_duration_seconds.saturating_mul(LEASES);
        let outlasts = least <= self.ttl;
        if !outlasts && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                lock = &*self.lock,
                lease_seconds = record.lease_duration_seconds,
                garbage_after_seconds = self.ttl,
                "not garbage collected: this takes at least {least} s, {LEASES} times the record's lease"
            );
        }
        outlasts
    }

    /// What there is now; it asks for more if that ages.
    fn hook_now(&self) -> Hook {
        let mut state = self.settled();
        let age = state.lease.map(|lease| SystemClock.mono().since(lease.since));
        let ages = age.is_none_or(|age| age >= self.part(3));
        let fit = age.is_some_and(|age| age < self.part(2));
        Hook {
            lease: state.lease.filter(|_| fit).map(|lease| lease.id),
            beside: ages.then(|| self.ask(&mut state)),
        }
    }

    /// etcd says that there is no such lease.
    pub(crate) fn forget(&self, id: i64) {
        let mut state = self.settled();
        state.lease.take_if(|lease| lease.id == id);
    }

    /// This part of the lease.
    fn part(&self, one_in: u32) -> Duration {
        Duration::from_secs(self.ttl.unsigned_abs()) / one_in
    }

    /// The state, with what has been answered by now.
    fn settled(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = state
            .under_way
            .take_if(|under_way| under_way.answer.peek().is_some());
        if let Some(UnderWay { since, answer }) = answered {
            match answer.peek() {
                Some(Ok(id)) => state.lease = Some(Lease { id: *id, since }),
                Some(Err(error)) => tracing::warn!(
                    lock = &*self.lock,
                    %error,
                    "etcd did not renew the lease for garbage collection; the election goes on without"
                ),
                None => {}
            }
        }
        state
    }

    /// Asks etcd to renew the lease, or for one. What is under way already is given up when it is old.
    fn ask(&self, state: &mut State) -> Refresh {
        let now = SystemClock.mono();
        if let Some(under_way) = &state.under_way {
            let waited = now.since(under_way.since);
            if waited < self.part(GIVEN_UP) {
                return under_way.answer.clone();
            }
            tracing::warn!(
                lock = &*self.lock,
                ?waited,
                "etcd did not answer whether it renews the lease for garbage collection; the election goes on without"
            );
        }
        let asking = ask(
            Arc::clone(&self.members),
            Arc::clone(&self.lock),
            state.lease.map(|lease| lease.id),
            self.ttl,
        );
        let answer = asking.boxed().shared();
        state.under_way = Some(UnderWay {
            since: now,
            answer: answer.clone(),
        });
        answer
    }
}

/// Renews this lease, if there is one and etcd still knows it; else asks for one.
async fn ask(members: Arc<Members>, lock: Arc<str>, id: Option<i64>, ttl: i64) -> Result<i64, LockError> {
    let mut call = Call {
        asked: Asked::Lease,
        lock: &lock,
        endpoint: None,
        hint: None,
    };
    // Not a turn that counts, or the write beside it would go to another member.
    let Some(turn) = members.aside() else {
        return Err(call.nonsense("there is no member to ask"));
    };
    call.endpoint = turn.endpoint();
    call.hint = turn.hint();
    let ask = || async {
        let mut client = turn.client().lease_client();
        if let Some(id) = id {
            match client.keep_alive(id).await {
                Ok(_) => return Ok(id),
                // So its client says that there is no such lease.
                Err(Error::LeaseKeepAliveError(_)) => {}
                Err(error) => return Err(call.failed(error)),
            }
        }
        let granted = client.grant(ttl, None).await;
        granted
            .map(|lease| lease.id())
            .map_err(|error| call.failed(error))
    };
    let answer = turn.call(&call, ask).await;
    turn.settle(&answer);
    answer
}

/// Makes the call, and meanwhile what goes on beside it.
pub(crate) async fn beside<T>(refresh: Option<Refresh>, call: impl Future<Output = T>) -> T {
    let Some(refresh) = refresh else {
        return call.await;
    };
    match select(refresh, std::pin::pin!(call)).await {
        Either::Left((_, call)) => call.await,
        Either::Right((outcome, _)) => outcome,
    }
}

/// How to put a key on that lease.
pub(crate) fn on(lease: Option<i64>) -> Option<PutOptions> {
    lease.map(|id| PutOptions::new().with_lease(id))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use futures_util::future;

    use super::*;
    use crate::connection::EtcdConnection;

    const SECOND: Duration = Duration::from_secs(1);

    fn record(lease_seconds: i64) -> LeaderElectionRecord {
        LeaderElectionRecord {
            lease_duration_seconds: lease_seconds,
            ..LeaderElectionRecord::default()
        }
    }

    /// For 12 s, of which so much has passed, on a member that never answers.
    async fn aged(age: Option<Duration>) -> (Garbage, TcpListener) {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = silent.local_addr().unwrap().to_string();
        let lock = EtcdConnection::connect([endpoint])
            .await
            .unwrap()
            .lock("k")
            .unwrap();
        let garbage = Garbage::new(12 * SECOND, Arc::clone(lock.members()), "k".into()).unwrap();
        garbage.state.lock().unwrap().lease = age.map(|age| Lease {
            id: 7,
            since: SystemClock.mono().before(age),
        });
        (garbage, silent)
    }

    /// With leases of up to 3 s: a write hangs on it for half of its time, and asks from a third of it on.
    #[tokio::test]
    async fn no_record_is_hung_on_what_may_end_within_two_of_its_leases() {
        for (age, lease, asks) in [
            (Some(Duration::ZERO), Some(7), false),
            (Some(3 * SECOND), Some(7), false),
            (Some(4 * SECOND), Some(7), true),
            (Some(5 * SECOND), Some(7), true),
            (Some(6 * SECOND), None, true),
            (Some(100 * SECOND), None, true),
            (None, None, true),
        ] {
            let (garbage, _silent) = aged(age).await;
            let hook = garbage.hook(&record(3), false).await;
            assert_eq!((hook.lease, hook.beside.is_some()), (lease, asks), "{age:?}");
            let too_long = garbage.hook(&record(4), false).await;
            assert!(too_long.lease.is_none() && too_long.beside.is_none(), "{age:?}");
        }
    }

    /// Whatever etcd's leases do, a write goes on: a renewal at once, the first of a term in a moment.
    #[tokio::test]
    async fn nothing_waits_for_an_answer_that_does_not_come() {
        let (garbage, _silent) = aged(Some(5 * SECOND)).await;
        let hook = garbage.hook(&record(3), false).await;
        assert!(hook.lease.is_some());
        assert_eq!(beside(hook.beside, future::ready("renewed")).await, "renewed");
        let hook = garbage.hook(&record(3), true).await;
        assert_eq!(hook.lease, None, "what is not known to last");
        assert_eq!(beside(hook.beside, future::ready("begun")).await, "begun");
    }

    /// The answer that one write did not wait for serves a later one, from when it was asked for.
    #[tokio::test]
    async fn what_was_asked_beside_one_write_is_there_for_a_later_one() {
        let (garbage, _silent) = aged(None).await;
        let (sender, answer) = tokio::sync::oneshot::channel();
        let asked = SystemClock.mono().before(SECOND);
        garbage.state.lock().unwrap().under_way = Some(UnderWay {
            since: asked,
            answer: async { answer.await.unwrap() }.boxed().shared(),
        });
        let first = garbage.hook(&record(3), false).await;
        assert_eq!(first.lease, None);
        assert_eq!(beside(first.beside, future::ready(1)).await, 1);
        sender.send(Ok(9)).unwrap();
        let second = garbage.hook(&record(3), false).await;
        assert_eq!(second.lease, None, "nobody has looked yet");
        beside(second.beside, tokio::task::yield_now()).await;
        let third = garbage.hook(&record(3), false).await;
        assert_eq!((third.lease, third.beside.is_some()), (Some(9), false));
        assert_eq!(garbage.state.lock().unwrap().lease.unwrap().since, asked);
    }

    #[tokio::test]
    async fn who_never_answers_is_asked_again_in_time() {
        let (garbage, _silent) = aged(None).await;
        for (ago, again) in [(2 * SECOND, false), (3 * SECOND, true)] {
            let since = SystemClock.mono().before(ago);
            garbage.state.lock().unwrap().under_way = Some(UnderWay {
                since,
                answer: future::pending().boxed().shared(),
            });
            garbage.hook(&record(3), false).await;
            let now_since = garbage.state.lock().unwrap().under_way.as_ref().unwrap().since;
            assert_eq!(now_since > since, again, "{ago:?}");
        }
    }
}
