//! Many swaps that name one state, at once.

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use futures_util::future::join_all;
use leaderelection::{Expected, LeaderElectionRecord, LockError, ResourceLock, Swap, Version};

use super::context::{Context, Stop, brief, check, fail};
use super::samples::record;

const CONTENDERS: u32 = 16;
/// Real time, because threads do not wait for a paused clock.
const THREADS_LIMIT: Duration = Duration::from_secs(30);

type Entry = (Arc<dyn ResourceLock>, LeaderElectionRecord);
type Answers = Vec<Result<Swap, LockError>>;

/// Who races.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// Futures of one thread: they meet wherever the lock waits.
    Futures,
    /// Threads: they meet anywhere.
    Threads,
}

/// Races on one state, and answers the winner's version.
pub(super) async fn race(cx: &Context<'_>, expected: Expected, round: u32, by: By) -> Result<Version, Stop> {
    let entries: Vec<_> = (0..CONTENDERS)
        .map(|number| {
            let lock = if number % 2 == 0 {
                &cx.subject.lock
            } else {
                &cx.subject.peer
            };
            (Arc::clone(lock), record(&format!("contender-{number}"), round))
        })
        .collect();
    let records: Vec<_> = entries.iter().map(|(_, record)| record.clone()).collect();
    let answers = match by {
        By::Futures => {
            let swaps = entries
                .iter()
                .map(|(lock, record)| lock.compare_and_swap(expected, record));
            cx.within("a race of swaps", join_all(swaps)).await?
        }
        By::Threads => race_of_threads(entries, expected).await?,
    };
    judge(cx, expected, &records, answers).await
}

async fn race_of_threads(entries: Vec<Entry>, expected: Expected) -> Result<Answers, Stop> {
    let runtime = tokio::runtime::Handle::current();
    let total = entries.len();
    let start = Arc::new(Barrier::new(total));
    let (finish, finishers) = mpsc::channel();
    for (number, (lock, record)) in entries.into_iter().enumerate() {
        let (start, finish, runtime) = (Arc::clone(&start), finish.clone(), runtime.clone());
        std::thread::spawn(move || {
            start.wait();
            let answer = runtime.block_on(lock.compare_and_swap(expected, &record));
            // Nobody listens any more once the case has failed.
            let _unheard = finish.send((number, answer));
        });
    }
    // This thread has to keep its runtime going meanwhile, so another one collects.
    let (collected, collecting) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let finished = std::iter::from_fn(|| finishers.recv_timeout(THREADS_LIMIT).ok());
        let mut answers: Vec<_> = finished.take(total).collect();
        answers.sort_by_key(|(number, _)| *number);
        let _unheard = collected.send(answers);
    });
    match collecting.await {
        Ok(answers) if answers.len() == total => Ok(answers.into_iter().map(|(_, answer)| answer).collect()),
        Ok(answers) => fail!(
            "{} of {total} swaps from as many threads gave no answer",
            total - answers.len()
        ),
        Err(_) => fail!("the threads of the race were lost"),
    }
}

async fn judge(
    cx: &Context<'_>,
    expected: Expected,
    records: &[LeaderElectionRecord],
    answers: Answers,
) -> Result<Version, Stop> {
    let done = answers
        .iter()
        .zip(records)
        .filter_map(|(answer, record)| match answer {
            Ok(Swap::Done(version)) => Some((*version, record)),
            _ => None,
        });
    let done: Vec<_> = done.collect();
    let holders: Vec<_> = done
        .iter()
        .map(|(version, record)| (version.get(), &record.holder_identity))
        .collect();
    check!(
        done.len() <= 1,
        "{} of {CONTENDERS} swaps on {expected:?} were done: {holders:?}",
        done.len()
    );
    let Some((version, winner)) = done.first() else {
        let failures: Vec<_> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        fail!(
            "of {CONTENDERS} swaps on {expected:?}, the newest state, none was done; failures: {failures:?}"
        )
    };
    let seen = cx.get().await?;
    let right = leaderelection::Observation::record(*version, LeaderElectionRecord::clone(winner));
    check!(
        seen == right,
        "{} won the race as version {version}, and get shows {}",
        winner.holder_identity,
        brief(&seen)
    );
    Ok(*version)
}
