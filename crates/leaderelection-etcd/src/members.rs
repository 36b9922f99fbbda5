//! Which member of the cluster a call goes to.
//!
//! Each member has a client of its own. A balancer under one client would go on giving a dead or frozen member its share
//! of the calls; and since nothing is retried (SAFETY 8), each of them would be a renewal that failed.
//!
//! The rule, in this order: a member that has nothing against it; one that failed, but not within the last second, and only one call in
//! a second; one that does not answer; one that failed just now. Among equals it is the one with the fewest unanswered calls, and then
//! the one that served last. So a healthy cluster is served by one member, or by several while several calls are under way; one that
//! failed is left at once, by all locks on the connection; one that hangs gets no second call while there is another; and where only
//! such are left as have failed or hang, they are tried in turn.
//!
//! Why so: who refuses at once has no call unanswered, and would attract those of a busy connection again and again; and who failed
//! long ago may be well, and is a better choice than one that hangs.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::Client;
use leaderelection::{Clock as _, Crowd, LockError, MonoTime, SystemClock};

use crate::failure::{Call, worth_another_member};
use crate::login::{Credentials, Login};

/// Who has not answered for so long, though he was asked, hangs. Others are asked meanwhile, which costs nothing if it was not so.
const HANGS: Duration = Duration::from_millis(250);

/// One call in so long finds out whether a member that failed is well again.
const TRIED_AGAIN: Duration = Duration::from_secs(1);

/// So many reads and swaps are under way at once: each takes some 20 KiB while it is.
pub(crate) const AT_ONCE: usize = 32;

pub(crate) struct Members {
    all: Vec<Member>,
    crowd: Crowd,
    tls: bool,
    /// Who served last: where the search begins.
    preferred: AtomicUsize,
}

pub(crate) struct Member {
    /// `HOST:PORT`; none where the user brought the client.
    endpoint: Option<String>,
    client: Client,
    login: Option<Login>,
    unanswered: AtomicUsize,
    /// The last sign of life, or when it was asked without another call unanswered: from when it hangs, if calls are unanswered.
    quiet_since: At,
    /// When it failed, or was tried again; `PAST`: it has served since, or has never been asked.
    failed: At,
    /// It has served a call once.
    heard: AtomicBool,
}

impl Member {
    pub(crate) fn new(endpoint: Option<String>, client: Client) -> Self {
        Self {
            endpoint,
            client,
            login: None,
            unanswered: AtomicUsize::new(0),
            quiet_since: At::new(MonoTime::PAST),
            failed: At::new(MonoTime::PAST),
            heard: AtomicBool::new(false),
        }
    }

    /// The lower, the better.
    fn rank(&self, now: MonoTime) -> u8 {
        let failed = self.failed.get();
        let unanswered = self.unanswered.load(Ordering::Relaxed) > 0;
        if failed > MonoTime::PAST {
            if now.since(failed) < TRIED_AGAIN { 3 } else { 1 }
        } else if unanswered && now.since(self.quiet_since.get()) >= HANGS {
            2
        } else {
            0
        }
    }

    pub(crate) fn with_login(mut self, credentials: Option<Credentials>) -> Self {
        self.login = credentials.map(Login::new);
        self
    }
}

/// What it means if a connection breaks on which nothing was ever heard. With TLS 1.3 a client that is refused learns why only if
/// it reads that before it sees the end of the connection.
const PERHAPS_REFUSED: &str = "it has never answered: perhaps it wants a client's certificate, and refuses this one, or that there is none";
/// The same without TLS.
const PERHAPS_TLS: &str =
    "it has never answered: with TLS, if that is what it speaks, a lock is etcds://…, an endpoint https://…";

impl Members {
    pub(crate) fn new(all: Vec<Member>, tls: bool) -> Self {
        Self {
            all,
            crowd: Crowd::new(AT_ONCE),
            tls,
            preferred: AtomicUsize::new(0),
        }
    }

    /// What the reads and swaps of all locks on the connection stand in.
    pub(crate) fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter_map(|member| member.endpoint.as_deref())
    }

    /// Whether they are asked through TLS. Not known where the user brought the client.
    pub(crate) fn tls(&self) -> bool {
        self.tls
    }

    /// Picks the member for one call. `None` only if there are no members at all.
    pub(crate) fn next(&self) -> Option<Turn<'_>> {
        self.next_at(SystemClock.mono())
    }

    fn next_at(&self, now: MonoTime) -> Option<Turn<'_>> {
        let turn = Turn {
            counts: true,
            ..self.aside_at(now)?
        };
        let member = turn.member;
        if member.unanswered.fetch_add(1, Ordering::Relaxed) == 0 {
            member.quiet_since.set(now);
        }
        if member.failed.get() > MonoTime::PAST {
            // It is tried again: by this call, and no other for a while.
            member.failed.set(now);
        }
        Some(turn)
    }

    /// As [`next`](Self::next), for a call beside others that must not change where those go: it goes where the next one goes, and
    /// nothing is concluded from it.
    pub(crate) fn aside(&self) -> Option<Turn<'_>> {
        self.aside_at(SystemClock.mono())
    }

    fn aside_at(&self, now: MonoTime) -> Option<Turn<'_>> {
        let first = self.preferred.load(Ordering::Relaxed);
        let ring = self.all.iter().enumerate().cycle().skip(first);
        let (index, member) = ring.take(self.all.len()).min_by_key(|(_, member)| {
            let unanswered = member.unanswered.load(Ordering::Relaxed);
            (member.rank(now), unanswered, member.failed.get())
        })?;
        Some(Turn {
            members: self,
            member,
            index,
            counts: false,
            answered: false,
        })
    }

    /// This member failed.
    pub(crate) fn distrust(&self, index: usize) {
        if let Some(member) = self.all.get(index) {
            member.failed.set(SystemClock.mono());
        }
    }
}

/// A moment that threads share. Of two that are told at once either will do.
struct At(AtomicI64);

impl At {
    const fn new(at: MonoTime) -> Self {
        Self(AtomicI64::new(at.as_nanos()))
    }

    fn get(&self) -> MonoTime {
        MonoTime::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, at: MonoTime) {
        self.0.store(at.as_nanos(), Ordering::Relaxed);
    }
}

/// One call to one member. Dropped before the answer, because the caller no longer waits: the member is not trusted.
pub(crate) struct Turn<'a> {
    members: &'a Members,
    member: &'a Member,
    index: usize,
    /// For the choice of the next member.
    counts: bool,
    answered: bool,
}

impl<'a> Turn<'a> {
    pub(crate) fn client(&self) -> &Client {
        &self.member.client
    }

    /// Makes the call, logged in where there is a user. It is made again if the token was refused, and only then, so that it
    /// has come to nothing the first time.
    pub(crate) async fn call<T, F: Future<Output = Result<T, LockError>>>(
        &self,
        call: &Call<'_>,
        ask: impl Fn() -> F,
    ) -> Result<T, LockError> {
        match &self.member.login {
            Some(login) => login.call(&self.member.client, call, ask).await,
            None => ask().await,
        }
    }

    /// See [`Call`].
    pub(crate) fn hint(&self) -> Option<&'static str> {
        let unheard = !self.member.heard.load(Ordering::Relaxed);
        (unheard && self.member.endpoint.is_some()).then_some(if self.members.tls {
            PERHAPS_REFUSED
        } else {
            PERHAPS_TLS
        })
    }

    pub(crate) fn endpoint(&self) -> Option<&'a str> {
        self.member.endpoint.as_deref()
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// What came of the call. A refusal that another member would give too counts as an answer.
    pub(crate) fn settle<T>(mut self, outcome: &Result<T, LockError>) {
        self.answered = !outcome.as_ref().is_err_and(worth_another_member);
        if self.answered && self.counts {
            self.members.preferred.store(self.index, Ordering::Relaxed);
            self.member.failed.set(MonoTime::PAST);
            self.member.quiet_since.set(SystemClock.mono());
        }
        if outcome.is_ok() {
            self.member.heard.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.counts {
            return;
        }
        self.member.unanswered.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.members.distrust(self.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use leaderelection::LockErrorKind;

    use super::*;

    fn unavailable() -> Result<(), LockError> {
        Err(LockError::new(LockErrorKind::Unavailable, "down"))
    }

    async fn members(count: usize) -> Members {
        let mut all = Vec::new();
        for number in 1..=count {
            let endpoint = format!("127.0.0.1:{number}");
            let client = Client::connect([&endpoint], None).await.unwrap();
            all.push(Member::new(Some(endpoint), client));
        }
        Members::new(all, false)
    }

    fn next(members: &Members) -> usize {
        let turn = members.next().unwrap();
        let index = turn.index();
        turn.settle(&Ok(()));
        index
    }

    #[tokio::test]
    async fn one_member_serves_while_it_answers() {
        let members = members(3).await;
        assert_eq!([next(&members), next(&members), next(&members)], [0, 0, 0]);
    }

    #[tokio::test]
    async fn a_member_that_failed_is_left_at_once_and_the_ring_closes() {
        let members = members(3).await;
        drop(members.next());
        assert_eq!(next(&members), 1);
        members.distrust(1);
        assert_eq!(next(&members), 2);
        members.distrust(2);
        assert_eq!(next(&members), 0);
    }

    #[tokio::test]
    async fn an_old_failure_of_another_member_moves_nothing() {
        let members = members(3).await;
        members.distrust(2);
        assert_eq!(next(&members), 0);
    }

    #[tokio::test]
    async fn while_one_hangs_the_next_call_goes_to_another() {
        let members = members(2).await;
        let hanging = members.next().unwrap();
        assert_eq!(hanging.index(), 0);
        assert_eq!([next(&members), next(&members)], [1, 1]);
        drop(hanging);
        assert_eq!(next(&members), 1, "and who hung is not gone back to");
    }

    /// Or a renewal would go to a member of which nothing is known, because something less important is under way.
    #[tokio::test]
    async fn what_is_asked_aside_moves_no_other_call() {
        let members = members(3).await;
        members.distrust(0);
        let aside = members.aside().unwrap();
        assert_eq!((aside.index(), next(&members)), (1, 1));
        drop(aside);
        assert_eq!(next(&members), 1, "nor does it if it was in vain");
        let hanging = members.next().unwrap();
        let aside = members.aside().unwrap();
        assert_eq!(aside.index(), 2);
        aside.settle(&Ok(()));
        hanging.settle(&Ok(()));
        assert_eq!(next(&members), 1);
    }

    /// Who refuses at once has no call unanswered, and yet gets none while another is to be had: by no lock on the connection,
    /// however many calls are under way.
    #[tokio::test]
    async fn a_dead_member_does_not_attract_what_is_asked_beside_other_calls() {
        for dead in 0..3 {
            let members = members(3).await;
            let mut asked_the_dead = 0;
            let mut under_way = std::collections::VecDeque::new();
            for _ in 0..1_000 {
                let turn = members.next().unwrap();
                if turn.index() == dead {
                    asked_the_dead += 1;
                    turn.settle(&unavailable());
                } else {
                    under_way.push_back(turn);
                }
                if under_way.len() > 20 {
                    under_way.pop_front().unwrap().settle(&Ok(()));
                }
            }
            assert_eq!(asked_the_dead, 1, "member {dead}");
        }
    }

    /// So that one that is there again is found, whichever it is.
    #[tokio::test]
    async fn where_all_have_failed_they_take_turns() {
        let members = members(3).await;
        let turns = (0..7).map(|_| {
            let turn = members.next().unwrap();
            let index = turn.index();
            turn.settle(&unavailable());
            index
        });
        assert_eq!(turns.collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0]);
        let _hanging = members.next().unwrap();
        assert_eq!([next(&members), next(&members)], [2, 2]);
    }

    fn fails_at(members: &Members, index: usize, at: MonoTime) {
        members.all[index].failed.set(at);
    }

    /// Both others failed once, long ago, and may be well: each is tried, once in a while, and the one that hangs only then.
    #[tokio::test]
    async fn who_failed_long_ago_is_asked_before_one_that_hangs() {
        let members = members(3).await;
        let now = SystemClock.mono();
        for other in [1, 2] {
            fails_at(&members, other, now.before(2 * TRIED_AGAIN));
        }
        let hanging = members.next_at(now).unwrap();
        assert_eq!(hanging.index(), 0, "nothing is against it");
        let later = now.after(HANGS);
        let asked: Vec<_> = (0..3).map(|_| members.next_at(later).unwrap()).collect();
        let asked: Vec<_> = asked.iter().map(Turn::index).collect();
        assert_eq!(asked, [1, 2, 0]);
    }

    /// A member that is slow and answers all the time does not hang, though some of its calls are old.
    #[tokio::test]
    async fn who_answers_others_does_not_hang() {
        let members = members(2).await;
        let now = SystemClock.mono();
        fails_at(&members, 1, now);
        let long_ago = now.before(10 * HANGS);
        let _slow = members.next_at(long_ago).unwrap();
        members.next_at(long_ago).unwrap().settle(&Ok(()));
        assert_eq!(members.next_at(now.after(HANGS / 2)).unwrap().index(), 0);
        let quiet = now.after(HANGS + TRIED_AGAIN);
        assert_eq!(members.next_at(quiet).unwrap().index(), 1);
    }

    /// One member's refusal of what is asked is every member's; that of the client's certificate is not.
    #[tokio::test]
    async fn a_refusal_that_others_would_give_too_moves_nothing() {
        let members = members(2).await;
        let denied = Err::<(), _>(LockError::new(LockErrorKind::Denied, "no"));
        members.next().unwrap().settle(&denied);
        assert_eq!(next(&members), 0);
    }

    #[tokio::test]
    async fn one_member_is_asked_again_whatever_it_did() {
        let members = members(1).await;
        drop(members.next());
        let _hanging = members.next();
        assert_eq!(next(&members), 0);
    }

    #[test]
    fn no_members_is_no_panic() {
        let none = Members::new(Vec::new(), false);
        assert!(none.next().is_none());
        none.distrust(0);
    }
}
