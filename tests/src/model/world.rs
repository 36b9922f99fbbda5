//! The world as one state, and what a step of the adversary makes of it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use leaderelection::election::{ElectionConfig, Input, Read, Shift};
use leaderelection::{EmptyIdentity, Expected, LeaderElectionRecord, LockErrorKind, Moment, MonoTime, Swap};
use stateright::{Model, Property};

use super::action::{self, Action, Meddling, Reply};
use super::dead;
use super::places::{Alike, either_way};
use super::seat::{Call, Fate, Seat};
use super::seconds;
use super::setting::{Lives, MOST_SEATS, Setting, Spans};
use super::store::{self, Store};

/// That never two candidates are at work at once: what all of this is for.
pub const ONE_LEADER: &str = "never two candidates at work";
/// That neither the past takes anything away nor a label: no term is lost to a state that is not newer than the newest known
/// (SAFETY 4), nor to one with the same record (SAFETY 9).
pub const NO_NEEDLESS_LOSS: &str = "no term is lost needlessly";
/// That a machine knows whether its work runs.
pub const KNOWS_ITS_WORK: &str = "a machine knows whether its work runs";
/// That no record is held for longer than it says (SAFETY 7).
pub const SAYS_ITS_LEASE: &str = "a held record says for how long it is held";
/// That the election lives (SAFETY 20).
pub const LEADS_AGAIN: &str = "somebody leads in time once the network heals";
/// That the model is not vacuous.
pub const FIRST_LEADS: &str = "the first candidate can lead";
/// That the model is not vacuous.
pub const SECOND_LEADS: &str = "the second candidate can lead";
/// That the model is not vacuous: a record that its holder released is taken over without a wait in between.
pub const HAND_OVER: &str = "a release hands over";

/// The store and both candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Which worlds are one.
    pub alike: Alike,
    /// The store.
    pub store: Store,
    /// The candidates.
    pub seats: Vec<Seat>,
    /// The last step showed a candidate what it knew to have passed, or its own record at a newer version, and it lost its term
    /// by that.
    pub lost_needlessly: bool,
}

/// A world under check.
#[derive(Debug, Clone)]
pub struct Checked {
    pub(super) setting: Setting,
    lives: Vec<Lives>,
    spans: Vec<Spans>,
}

impl Checked {
    /// Prepares a setting.
    ///
    /// # Errors
    /// Never: the names are not empty.
    pub fn new(setting: Setting) -> Result<Self, EmptyIdentity> {
        Ok(Self {
            lives: setting.lives()?,
            spans: setting.spans(),
            setting,
        })
    }

    pub(super) fn start(&self) -> World {
        let deletions = self.setting.powers.deletions;
        let store = if self.setting.from_nothing {
            Store::empty(deletions)
        } else {
            Store::released(deletions)
        };
        let seats = self.lives.iter().map(|lives| {
            let mut seat = Seat::new(lives.first.clone());
            seat.feed(moment(0), Input::Wake, self.setting.on_their_way);
            seat
        });
        let seats = seats.collect();
        let alike = self.setting.alike();
        let mut world = World {
            alike,
            store,
            seats,
            lost_needlessly: false,
        };
        self.normalise(&mut world, [0; MOST_SEATS]);
        world
    }

    /// What `action` makes of `world`; `None` where it is not possible.
    pub fn step(&self, world: &World, action: Action) -> Option<World> {
        let mut world = World {
            lost_needlessly: false,
            ..world.clone()
        };
        let mut passed = [0; MOST_SEATS];
        match action {
            Action::Tick(ticks) => {
                passed = ticks;
                for (seat, ticks) in ticks.into_iter().enumerate().take(world.seats.len()) {
                    for tick in 1..=ticks {
                        self.feed(&mut world, seat, tick, Input::Wake)?;
                    }
                }
            }
            Action::Show { seat, ago } => {
                let shown = world.store.watched(ago);
                let tells_nothing = world.tells_nothing(seat, ago);
                let lost = self.feed(&mut world, seat, 0, Input::Watched(shown))?;
                world.lost_needlessly = lost && tells_nothing;
            }
            Action::AnswerRead { seat, ago } => {
                let observation = world.store.read(ago);
                let took = Duration::from_secs(self.setting.powers.slow_reads.into());
                let unasked = Read {
                    sent: MonoTime::ZERO.before(took),
                    known: world.seats.get(seat)?.election.known_version(),
                    verifies_watch: false,
                };
                let read = world.seats.get_mut(seat)?.read.take();
                let read = read.or(self.setting.coarse.then_some(unasked))?;
                let tells_nothing = world.tells_nothing(seat, ago);
                let lost = self.feed(&mut world, seat, 0, Input::Read { read, observation })?;
                world.lost_needlessly = lost && tells_nothing;
            }
            Action::FailRead { seat } => {
                let read = world.seats.get_mut(seat)?.read.take()?;
                let failed = Input::ReadFailed {
                    read,
                    kind: LockErrorKind::Unavailable,
                    retry_after: None,
                };
                self.feed(&mut world, seat, 0, failed)?;
            }
            Action::Land { seat, call } => land(&mut world, seat, call)?,
            Action::Answer { seat, call, reply } => {
                let tells_nothing = match reply {
                    Reply::Conflict(Some(ago)) => world.tells_nothing(seat, ago),
                    Reply::Conflict(None) | Reply::Ambiguous | Reply::Refused => true,
                    Reply::Done | Reply::Nothing => false,
                };
                let input = answer(&mut world, seat, call, reply)?;
                let lost = self.feed(&mut world, seat, 0, input)?;
                world.lost_needlessly = lost && tells_nothing;
            }
            Action::Lose { seat, call } => {
                world.seats.get_mut(seat)?.calls.remove(call);
            }
            Action::EndWork { seat } => {
                world.seats.get_mut(seat)?.working = false;
                self.feed(&mut world, seat, 0, Input::WorkEnded)?;
            }
            Action::Stop { seat } => {
                self.feed(&mut world, seat, 0, Input::Stop)?;
            }
            Action::StepDown { seat } => {
                self.feed(&mut world, seat, 0, Input::StepDown)?;
            }
            Action::Crash { seat } => self.crash(&mut world, seat)?,
            Action::Meddle(Meddling::Label) => world.store.label()?,
            Action::Meddle(Meddling::Rewrite(seconds)) => world.store.rewrite(seconds)?,
            Action::Meddle(Meddling::Empty) => world.store.empty_holder()?,
            Action::Meddle(Meddling::Delete) => world.store.delete()?,
        }
        self.normalise(&mut world, passed);
        Some(world)
    }

    /// Gives an input to the candidate of `seat`, so many ticks after the last step by its own clock. Returns whether its
    /// term was lost.
    fn feed(&self, world: &mut World, seat: usize, tick: u8, input: Input) -> Option<bool> {
        let now = moment(tick);
        let fed = world
            .seats
            .get_mut(seat)?
            .feed(now, input, self.setting.on_their_way);
        if fed.ended {
            self.crash(world, seat)?;
        }
        Some(fed.lost)
    }

    /// Another process takes the place of the one that is gone, whether it left or was killed.
    fn crash(&self, world: &mut World, seat: usize) -> Option<()> {
        let fresh = self.lives.get(seat)?.next(|name| !world.mentions(name))?.clone();
        world.seats.get_mut(seat)?.crash(fresh);
        self.feed(world, seat, 0, Input::Wake)?;
        Some(())
    }

    fn normalise(&self, world: &mut World, passed: [u8; MOST_SEATS]) {
        let last_creates = world.seats.iter().map(|seat| seat.election.last_create_second());
        let last_create = last_creates.max().flatten();
        let shift = world
            .store
            .shift(self.setting.coarse, self.setting.deletes(), last_create);
        seconds::close_ranks(world, &shift);
        world.store.normalise(&shift);
        for ((seat, passed), spans) in world.seats.iter_mut().zip(passed).zip(&self.spans) {
            let now = moment(passed).mono;
            seat.normalise(&Shift { now, ..shift }, *spans, &world.store);
        }
        if self.setting.coarse && self.setting.forgets {
            let known = world.seats.iter().map(|seat| seat.election.known_version());
            let known = known.min().flatten();
            world.store.forget_known(known);
        }
        if self.setting.coarse && self.setting.forgets_dead {
            dead::forget(world, self.setting.is_of_twins());
        }
    }
}

fn moment(tick: u8) -> Moment {
    Moment {
        mono: MonoTime::ZERO.after(Duration::from_secs(tick.into())),
        wall: store::wall(),
    }
}

/// The write is done.
fn land(world: &mut World, seat: usize, call: usize) -> Option<()> {
    let calls = &mut world.seats.get_mut(seat)?.calls;
    let landed = calls.get_mut(call)?;
    let version = world.store.put(Arc::clone(&landed.attempt.record));
    if landed.fate == Fate::Ghost {
        calls.remove(call);
    } else {
        landed.fate = Fate::Landed(version);
    }
    Some(())
}

/// Takes the call off its way, unless it may still land, and says what its sender hears.
fn answer(world: &mut World, seat: usize, call: usize, reply: Reply) -> Option<Input> {
    let lands = {
        let of = world.seats.get(seat)?.calls.get(call)?;
        of.fate == Fate::Sent && world.store.may_be(of.attempt.expected)
    };
    let calls = &mut world.seats.get_mut(seat)?.calls;
    let Call { attempt, fate } = calls.remove(call);
    let failed = |attempt, kind| Input::SwapFailed {
        attempt,
        kind,
        retry_after: None,
    };
    Some(match reply {
        Reply::Done => {
            let Fate::Landed(version) = fate else { return None };
            let swap = Swap::Done(version);
            Input::Swapped { attempt, swap }
        }
        Reply::Conflict(ago) => {
            let swap = Swap::Conflict(ago.map(|ago| world.store.read(ago)));
            Input::Swapped { attempt, swap }
        }
        Reply::Ambiguous => {
            if lands {
                let (attempt, fate) = (attempt.clone(), Fate::Ghost);
                calls.push(Call { attempt, fate });
            }
            failed(attempt, LockErrorKind::Ambiguous)
        }
        Reply::Refused => failed(attempt, LockErrorKind::Unavailable),
        Reply::Nothing => {
            let Expected::Version(version) = attempt.expected else {
                return None;
            };
            let swap = Swap::Done(version);
            Input::Swapped { attempt, swap }
        }
    })
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(either_way(self.alike, &self.store, &self.seats));
        self.lost_needlessly.hash(state);
    }
}

impl World {
    /// Shows every record that is remembered anywhere or on its way, and takes what is made of it.
    pub(super) fn for_each_record(&mut self, mut rename: impl FnMut(&mut Arc<LeaderElectionRecord>)) {
        self.store.for_each_record(&mut rename);
        for seat in &mut self.seats {
            seat.election.for_each_record(&mut rename);
            for call in &mut seat.calls {
                rename(&mut call.attempt.record);
            }
        }
    }

    /// Whether a record under this name may be shown or may yet land, or a process has it.
    fn mentions(&self, name: &str) -> bool {
        let lives = |seat: &Seat| seat.election.identity().as_str() == name;
        let writes = |seat: &Seat| {
            let mut records = seat.calls.iter().map(|call| &call.attempt.record);
            records.any(|record| record.holder_identity == name)
        };
        let mut stored = self.store.remembered().filter_map(|ago| self.store.record(ago));
        stored.any(|record| record.holder_identity == name)
            || self.seats.iter().any(|seat| lives(seat) || writes(seat))
    }

    /// Whether the state `ago` versions ago has nothing for a candidate that takes a term away: it has passed, or holds the very
    /// record of the newest version that the candidate knows.
    fn tells_nothing(&self, seat: usize, ago: usize) -> bool {
        let known = self
            .seats
            .get(seat)
            .and_then(|seat| seat.election.known_version());
        let mut remembered = self.store.remembered();
        let of_known = remembered.find(|ago| self.store.version(*ago) == known);
        let known_record = of_known.and_then(|ago| self.store.record(ago));
        self.store.version(ago) < known || (known_record.is_some() && known_record == self.store.record(ago))
    }

    /// Whether both work at once.
    pub fn has_two_leaders(&self) -> bool {
        self.seats.iter().filter(|seat| seat.working).count() > 1
    }

    /// Whether a record that a candidate holds says that it is held for less than its lease.
    fn says_too_little(&self, holders: &[ElectionConfig]) -> bool {
        let Some(record) = self.store.record(0) else {
            return false;
        };
        let declared = Duration::from_secs(u64::try_from(record.lease_duration_seconds).unwrap_or(0));
        let letter = record.holder_identity.bytes().next();
        holders.iter().any(|holder| {
            letter == holder.identity.as_str().bytes().next() && declared < holder.timing.lease_duration()
        })
    }

    /// Whether somebody works by an acquisition of a record that another had released.
    fn was_handed_over(&self) -> bool {
        let [new, free, old] = [0, 1, 2].map(|ago| self.store.record(ago));
        let (Some(new), Some(free), Some(old)) = (new, free, old) else {
            return false;
        };
        let works = self.seats.iter().any(|seat| seat.working);
        // Twins cannot be told apart by their records.
        let another = self.alike == Alike::Twins || new.holder_identity != old.holder_identity;
        works && !new.is_free() && free.is_free() && !old.is_free() && another
    }
}

impl Model for Checked {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        action::enabled(&self.setting, world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.step(world, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_LEADER, |_, world: &World| !world.has_two_leaders()),
            Property::always(NO_NEEDLESS_LOSS, |_, world: &World| !world.lost_needlessly),
            Property::always(KNOWS_ITS_WORK, |_, world: &World| {
                world
                    .seats
                    .iter()
                    .all(|seat| seat.working == seat.election.is_at_work())
            }),
            Property::always(SAYS_ITS_LEASE, |checked: &Self, world: &World| {
                !world.says_too_little(checked.setting.configs())
            }),
            Property::sometimes(FIRST_LEADS, |_, world: &World| {
                world.seats.first().is_some_and(|seat| seat.working)
            }),
            Property::sometimes(SECOND_LEADS, |_, world: &World| {
                world.seats.get(1).is_some_and(|seat| seat.working)
            }),
        ];
        if self.setting.healing.is_some() {
            properties.push(Property::always(LEADS_AGAIN, |checked: &Self, world: &World| {
                checked.leads_again(world)
            }));
        }
        if self.setting.powers.people {
            properties.push(Property::sometimes(HAND_OVER, |_, world: &World| {
                world.was_handed_over()
            }));
        }
        properties
    }
}
