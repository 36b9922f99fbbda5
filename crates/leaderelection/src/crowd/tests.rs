use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::clock::PausedClock;

const AT_ONCE: usize = 8;

fn crowd(at_once: usize) -> Crowd {
    Crowd::with_clock(at_once, PausedClock)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn sleep(time: Duration) {
    PausedClock.sleep_until(PausedClock.mono().after(time)).await;
}

async fn ready() -> Result<(), LockError> {
    Ok(())
}

/// They hold their places until they are polled again, after a tenth of five seconds.
fn full(crowd: &Crowd) -> Vec<impl Future<Output = Result<(), LockError>> + Unpin> {
    let mut under_way: Vec<_> = (0..AT_ONCE).map(|_| Box::pin(crowd.one_of(pending))).collect();
    for call in &mut under_way {
        assert!(call.now_or_never().is_none());
    }
    under_way
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_waits_until_one_is_answered() {
    let crowd = crowd(AT_ONCE);
    let mut under_way = full(&crowd);
    let mut late = Box::pin(crowd.one_of(ready));
    assert!((&mut late).now_or_never().is_none(), "there is no room");
    under_way.pop();
    assert!(late.now_or_never().is_some(), "one has left");
}

/// However long it takes itself.
#[tokio::test(start_paused = true)]
async fn or_until_one_takes_long() {
    let crowd = crowd(AT_ONCE);
    let mut under_way = full(&crowd);
    let began = PausedClock.mono();
    let first = under_way.remove(0);
    tokio::select! {
        _ = first => {}
        answer = crowd.one_of(ready) => answer.unwrap(),
    }
    assert_eq!(PausedClock.mono().since(began), USUALLY / 10);
}

/// Those who have a place are not polled, so that none of them leaves: half a second is waited, and in two more nothing is answered.
#[tokio::test(start_paused = true)]
async fn or_until_it_is_seen_that_nothing_is_answered() {
    let crowd = crowd(AT_ONCE);
    let _under_way = full(&crowd);
    let began = PausedClock.mono();
    crowd.one_of(ready).await.unwrap();
    assert_eq!(PausedClock.mono().since(began), ms(2500));
}

/// And before the elector gives the call up.
#[tokio::test(start_paused = true)]
async fn and_sooner_where_the_call_may_take_less() {
    let crowd = crowd(AT_ONCE);
    let _under_way = full(&crowd);
    let began = PausedClock.mono();
    let caller = Caller {
        may_take: ms(500),
        urgency: Urgency::Asks,
    };
    called_by(caller, crowd.one_of(ready)).await.unwrap();
    assert_eq!(PausedClock.mono().since(began), ms(250));
}

/// Whatever the order in which they came.
#[tokio::test(start_paused = true)]
async fn who_leads_goes_first_and_who_only_asks_last() {
    let (crowd, store) = (crowd(1), Store::new(None, ms(1)));
    let come = [
        ("asks first", Urgency::Asks),
        ("asks second", Urgency::Asks),
        ("wants first", Urgency::Wants),
        ("wants second", Urgency::Wants),
        ("holds until later", Urgency::Holds(ms(2000))),
        ("holds until soon", Urgency::Holds(ms(1000))),
    ];
    let (answered, taken) = (Mutex::new(Vec::new()), crowd.enter().unwrap());
    let calls = come.map(|(who, urgency)| {
        let (crowd, store, answered) = (&crowd, &store, &answered);
        let caller = Caller {
            may_take: USUALLY,
            urgency,
        };
        async move {
            called_by(caller, crowd.one_of(|| store.serve())).await.unwrap();
            answered.lock().unwrap().push(who);
        }
    });
    let leaves = async {
        sleep(ms(1)).await;
        drop(taken);
    };
    tokio::join!(join_all(calls), leaves);
    let order = [
        "holds until soon",
        "holds until later",
        "wants first",
        "wants second",
        "asks first",
        "asks second",
    ];
    assert_eq!(*answered.lock().unwrap(), order);
}

/// Let in, and gone before it learns of it: the next one has its place.
#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_his_place_to_the_next() {
    let crowd = crowd(1);
    let taken = crowd.enter().unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(crowd.one_of(ready))).collect();
    for call in &mut waiting {
        assert!(call.now_or_never().is_none());
    }
    drop(waiting.remove(1));
    drop(taken);
    drop(waiting.remove(0));
    assert!(waiting.remove(0).now_or_never().is_some());
    assert_eq!(crowd.state().line.under_way(), 0);
    assert!(crowd.one_of(ready).now_or_never().is_some());
}

/// The other half of what it waits for is gone already when it is let in.
#[tokio::test(start_paused = true)]
async fn who_is_let_in_as_he_goes_gives_back_no_place_of_others() {
    let crowd = crowd(1);
    let taken = crowd.enter().unwrap();
    let mut going = Box::pin(line::turn(&crowd, Rank::Asks));
    assert!((&mut going).now_or_never().is_none());
    drop(taken);
    let others = crowd.enter();
    assert!(others.is_none(), "it is his");
    drop(going);
    assert_eq!(crowd.state().line.under_way(), 0);
}

/// A store far away, or that has only so many hands.
struct Store {
    hands: Option<Semaphore>,
    refuses: bool,
    takes: Duration,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Store {
    fn new(hands: Option<usize>, takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            hands: hands.map(Semaphore::new),
            refuses: false,
            takes,
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    /// Who finds no hand free is refused.
    fn refusing(hands: usize, takes: Duration) -> Arc<Self> {
        let store = Self::new(Some(hands), takes);
        let mut store = Arc::into_inner(store).unwrap();
        store.refuses = true;
        Arc::new(store)
    }

    async fn serve(&self) -> Result<(), LockError> {
        if self.refuses
            && self
                .hands
                .as_ref()
                .is_some_and(|hands| hands.available_permits() == 0)
        {
            return Err(LockError::new(LockErrorKind::Unavailable, "too many requests"));
        }
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(under_way, Ordering::Relaxed);
        let hand = match &self.hands {
            Some(hands) => Some(hands.acquire().await.unwrap()),
            None => None,
        };
        sleep(self.takes).await;
        drop(hand);
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn most(&self) -> usize {
        self.most.swap(0, Ordering::Relaxed)
    }
}

/// What there is between the send of a success and the next one, at most: from the beginning, and in the second half of the time.
#[derive(Debug)]
struct Longest {
    ever: Duration,
    later: Duration,
}

/// How many places there are, ten times a second for so long, but for the first second.
async fn places(crowd: &Crowd, lasts: Duration) -> Vec<usize> {
    sleep(ms(1000)).await;
    let mut places = Vec::new();
    for _ in 0..lasts.as_millis() / 100 - 10 {
        places.push(crowd.state().places.now());
        sleep(ms(100)).await;
    }
    places
}

/// So many elections renew as leaders do: two seconds after they have sent the last renewal, or at once if that took longer.
async fn renew(elections: usize, lasts: Duration, crowd: &Arc<Crowd>, store: &Arc<Store>) -> Longest {
    let began = PausedClock.mono();
    let mut all = JoinSet::new();
    for _ in 0..elections {
        let (crowd, store) = (Arc::clone(crowd), Arc::clone(store));
        all.spawn(async move {
            let (mut succeeded, mut ever, mut later) = (began, Duration::ZERO, Duration::ZERO);
            loop {
                let sent = PausedClock.mono();
                if sent.since(began) >= lasts {
                    return Longest { ever, later };
                }
                let caller = Caller {
                    may_take: USUALLY,
                    urgency: Urgency::Holds(succeeded.after(ms(10_000)).since(sent)),
                };
                if called_by(caller, crowd.one_of(|| store.serve())).await.is_ok() {
                    let took = PausedClock.mono().since(succeeded);
                    ever = ever.max(took);
                    if sent.since(began) >= lasts / 2 {
                        later = later.max(took);
                    }
                    succeeded = sent;
                }
                PausedClock.sleep_until(sent.after(ms(2000))).await;
            }
        });
    }
    let each = all.join_all().await;
    Longest {
        ever: each.iter().map(|longest| longest.ever).max().unwrap(),
        later: each.iter().map(|longest| longest.later).max().unwrap(),
    }
}

/// It answers 1,000 a second, however many ask, where 2,000 are wanted: more at once only take room, and are tried in vain now and then.
#[tokio::test(start_paused = true)]
async fn a_store_with_too_much_to_do_is_not_asked_by_more_at_once() {
    let (crowd, store) = (Arc::new(crowd(AT_ONCE)), Store::new(Some(4), ms(4)));
    let lasts = ms(60_000);
    let (longest, places) = tokio::join!(renew(4000, lasts, &crowd, &store), places(&crowd, lasts));
    assert!(longest.ever < ms(9000), "{longest:?}");
    assert_eq!(places.iter().max(), Some(&(AT_ONCE * 4)));
    let trials = places.iter().filter(|&&places| places > AT_ONCE).count();
    assert!(trials * 4 < places.len(), "{trials} of {}", places.len());
    assert_eq!(store.most(), AT_ONCE * 4);
}

/// And where calls take long: it answers 20 a second. As many again may have given their places up.
#[tokio::test(start_paused = true)]
async fn nor_one_that_is_slow_as_well() {
    let (crowd, store) = (Arc::new(crowd(AT_ONCE)), Store::new(Some(4), ms(200)));
    let lasts = ms(120_000);
    let (_, places) = tokio::join!(renew(200, lasts, &crowd, &store), places(&crowd, lasts));
    assert_eq!(places.iter().max(), Some(&(AT_ONCE * 4)));
    let trials = places.iter().filter(|&&places| places > AT_ONCE).count();
    assert!(trials * 2 < places.len(), "{trials} of {}", places.len());
    assert!(store.most() <= AT_ONCE * 8, "{}", store.most());
}

/// It answers eight in a tenth of a second, and refuses in no time whoever comes beside: then more at once only have more refused.
#[tokio::test(start_paused = true)]
async fn nor_one_that_refuses_what_is_too_much() {
    let crowd = Arc::new(crowd(AT_ONCE));
    let store = Store::refusing(AT_ONCE, ms(100));
    let lasts = ms(120_000);
    let (longest, places) = tokio::join!(renew(200, lasts, &crowd, &store), places(&crowd, lasts));
    assert!(longest.ever < ms(9000), "{longest:?}");
    assert_eq!(places.iter().max(), Some(&(AT_ONCE * 4)), "it was tried");
    let trials = places.iter().filter(|&&places| places > AT_ONCE).count();
    assert!(trials * 4 < places.len(), "{trials} of {}", places.len());
}

/// While more are not tried, as that was in vain, a store may fall silent: then it is asked by a few more all the same.
#[tokio::test(start_paused = true)]
async fn a_rest_does_not_last_when_nothing_is_answered() {
    let (crowd, store) = (Arc::new(crowd(AT_ONCE)), Store::new(Some(4), ms(4)));
    let hangs = async {
        sleep(ms(60_000)).await;
        // It has been tried in vain often enough to rest for long.
        while crowd.state().places.now() > AT_ONCE {
            sleep(ms(10)).await;
        }
        let _hands = store.hands.as_ref().unwrap().acquire_many(4).await.unwrap();
        store.most();
        sleep(ms(4_000)).await;
        store.most()
    };
    let (_, most) = tokio::join!(renew(4000, ms(70_000), &crowd, &store), hangs);
    assert!(most > AT_ONCE * 2, "{most}: no more were let in");
}

/// Those who had to keep their places, as too many were beside, give them up when these have gone.
#[tokio::test(start_paused = true)]
async fn who_could_not_give_his_place_up_does_later() {
    let crowd = crowd(1);
    let takes = |time: u64| {
        crowd.one_of(move || async move {
            sleep(ms(time)).await;
            Ok(())
        })
    };
    let began = PausedClock.mono();
    // The first gives up after 0.5 s, and is beside until 1.2 s; the second would give up at 1 s, and can at 1.5 s.
    let third = async {
        sleep(ms(1)).await;
        crowd.one_of(ready).await.unwrap();
        PausedClock.mono().since(began)
    };
    let (first, second, third) = tokio::join!(takes(1_200), takes(4_000), third);
    first.and(second).unwrap();
    assert_eq!(third, ms(1_500));
}

/// The least patient counts: others of the same client may wait for minutes.
#[tokio::test(start_paused = true)]
async fn more_are_tried_as_soon_as_the_least_patient_needs_it() {
    let (crowd, store) = (Arc::new(crowd(AT_ONCE)), Store::new(None, ms(400)));
    let patient = Caller {
        may_take: Duration::from_secs(900),
        urgency: Urgency::Asks,
    };
    let began = PausedClock.mono();
    let mut all = JoinSet::new();
    for _ in 0..AT_ONCE * 400 {
        let (crowd, store) = (Arc::clone(&crowd), Arc::clone(&store));
        all.spawn(async move {
            called_by(patient, crowd.one_of(|| store.serve())).await.unwrap();
        });
    }
    // They say after a minute and a half that they wait for long, and would count for as long.
    let more = async {
        while crowd.state().places.now() == AT_ONCE && PausedClock.mono().since(began) < ms(120_000) {
            sleep(ms(10)).await;
        }
        PausedClock.mono().since(began)
    };
    let impatient = async {
        sleep(ms(91_000)).await;
        // He stands behind all of them.
        crowd.one_of(ready).await.unwrap_err();
    };
    let (more, ()) = tokio::join!(more, impatient);
    assert!(more > ms(90_000) && more < ms(93_000), "{more:?}");
}

/// When nothing is answered more are let in, and when something is it is as before.
#[tokio::test(start_paused = true)]
async fn when_a_store_is_well_again_there_are_no_more_than_before() {
    let (crowd, store) = (Arc::new(crowd(AT_ONCE)), Store::new(Some(4), ms(4)));
    let hangs = async {
        sleep(ms(5_000)).await;
        let hands = store.hands.as_ref().unwrap().acquire_many(4).await.unwrap();
        sleep(ms(6_000)).await;
        drop(hands);
        store.most()
    };
    let lasts = ms(120_000);
    let (_, most, places) = tokio::join!(renew(1900, lasts, &crowd, &store), hangs, places(&crowd, lasts));
    assert!(most > AT_ONCE * 4, "{most}: it was tried");
    let later = &places[places.len() / 2..];
    assert!(later.iter().all(|&places| places <= AT_ONCE * 4), "{later:?}");
    let trials = later.iter().filter(|&&places| places > AT_ONCE).count();
    assert!(trials * 4 < later.len(), "{trials} of {}", later.len());
}

/// 800 elections every two seconds that take 400 ms each want 160 at once.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_far_away_is_asked_by_as_many_as_that_takes() {
    let (crowd, store) = (Arc::new(crowd(AT_ONCE)), Store::new(None, ms(400)));
    let longest = renew(800, ms(60_000), &crowd, &store).await;
    assert!(longest.ever < ms(9000), "{:?}", longest.ever);
    assert!(longest.later < ms(3500), "{:?}", longest.later);
    assert!(crowd.state().places.now() > AT_ONCE);
}

/// However often that was tried in vain at another time.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_far_away_by_now_is_asked_by_more_within_seconds() {
    let crowd = Arc::new(crowd(AT_ONCE));
    renew(4000, ms(90_000), &crowd, &Store::new(Some(4), ms(4))).await;
    renew(4, ms(30_000), &crowd, &Store::new(None, ms(1))).await;
    let longest = renew(800, ms(30_000), &crowd, &Store::new(None, ms(400))).await;
    assert!(longest.ever < ms(9000), "{longest:?}");
}

/// From one moment to the other each call takes one and a half seconds, with the elections as far from one another as they are.
#[tokio::test(start_paused = true)]
async fn a_store_that_grows_slow_costs_nobody_his_lease() {
    let (crowd, store) = (Arc::new(crowd(24)), Store::new(None, ms(1500)));
    let longest = renew(1000, ms(60_000), &crowd, &store).await;
    assert!(longest.ever < ms(9000), "{:?}", longest.ever);
    assert!(longest.later < ms(5000), "{:?}", longest.later);
}

/// A long way off, and then near again.
#[tokio::test(start_paused = true)]
async fn when_there_is_less_to_do_it_is_fewer_again() {
    let crowd = Arc::new(crowd(AT_ONCE));
    renew(800, ms(20_000), &crowd, &Store::new(None, ms(400))).await;
    assert!(crowd.state().places.now() > AT_ONCE);
    let near = Store::new(None, ms(1));
    renew(4, ms(1_000_000), &crowd, &near).await;
    assert_eq!(crowd.state().places.now(), AT_ONCE);
    near.most();
    renew(400, ms(2_000), &crowd, &near).await;
    assert_eq!(near.most(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_is_told_before_it_would_be_too_late() {
    let (crowd, store) = (Arc::new(crowd(AT_ONCE)), Store::new(Some(1), ms(300)));
    let mut all = JoinSet::new();
    for _ in 0..5000 {
        let (crowd, store) = (Arc::clone(&crowd), Arc::clone(&store));
        all.spawn(async move { (crowd.one_of(|| store.serve()).await, PausedClock.mono()) });
    }
    let began = PausedClock.mono();
    let refused: Vec<_> = all
        .join_all()
        .await
        .into_iter()
        .filter_map(|(answer, at)| answer.err().map(|error| (error, at.since(began))))
        .collect();
    assert!(!refused.is_empty());
    for (error, after) in refused {
        assert_eq!(after, ms(3000));
        assert_eq!(error.kind(), LockErrorKind::Unavailable);
        assert!(
            error
                .to_string()
                .contains("nothing was asked: the call has waited 3.0s"),
            "{error}"
        );
    }
}
