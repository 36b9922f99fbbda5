//! What follows once the network heals: whether somebody leads in time, from whatever state (SAFETY 20).
//!
//! From a state on, nothing is lost, late or wrong any more, nobody crashes, and no user asks for anything; somebody who
//! writes labels goes on. What was given up before and may still land does so at once, or never. Clocks keep a rate each.

use leaderelection::EmptyIdentity;

use super::action::{Action, Meddling, Reply};
use super::seat::Fate;
use super::setting::{Healing, MOST_SEATS, Setting};
use super::story;
use super::world::{Checked, World};

/// More rounds of answers and new calls than these within one moment would be a loop.
const MOST_ROUNDS: usize = 32;

/// Asks in every state of many walks through a world that is too large to be explored whether somebody leads in time.
/// Where nobody does, tells the walk. The same seed walks the same ways.
///
/// # Errors
/// Never: the names are not empty.
pub fn walk(setting: Setting, walks: u64, steps: usize) -> Result<Option<Vec<String>>, EmptyIdentity> {
    let checked = Checked::new(setting)?;
    let mut actions = Vec::new();
    for seed in 0..walks {
        let mut random = SplitMix(seed);
        let mut path = Vec::new();
        let mut world = checked.start();
        for _ in 0..steps {
            if !checked.leads_again(&world) {
                path.push((world, None));
                return Ok(Some(story::tell(path)));
            }
            actions.clear();
            super::action::enabled(&checked.setting, &world, &mut actions);
            let next = actions.get(random.below(actions.len())).copied();
            let Some((action, then)) = next.and_then(|action| Some((action, checked.step(&world, action)?)))
            else {
                continue;
            };
            path.push((std::mem::replace(&mut world, then), Some(action)));
        }
    }
    Ok(None)
}

/// SplitMix64.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(bits % end).unwrap_or(0)
    }
}

impl Checked {
    /// Whether somebody leads in time whatever rates the clocks keep, and whether what was given up lands or not.
    pub(super) fn leads_again(&self, world: &World) -> bool {
        let mut rates = Vec::new();
        super::action::ticks(self.setting.rates, world.seats.len(), &mut rates);
        rates.into_iter().all(|rates| match rates {
            Action::Tick(rates) => [true, false]
                .into_iter()
                .all(|ghosts_land| self.leads_in_time(world, rates, ghosts_land) == Some(true)),
            _ => false,
        })
    }

    /// `None` where something cannot be done that must be possible.
    fn leads_in_time(&self, world: &World, rates: [u8; MOST_SEATS], ghosts_land: bool) -> Option<bool> {
        let mut world = self.ghosts(world.clone(), ghosts_land)?;
        world = self.deliver(world)?;
        for _ in 0..self.in_time(rates) {
            // A tick in steps of one at most, so that every answer comes within the step.
            for step in 0..self.setting.rates[1] {
                if self.setting.powers.labels && world.store.record(0).is_some() {
                    world = self.step(&world, Action::Meddle(Meddling::Label))?;
                    world = self.deliver(world)?;
                }
                let steps = rates.map(|rate| u8::from(rate > step));
                world = self.deliver(self.step(&world, Action::Tick(steps))?)?;
            }
        }
        Some(world.seats.iter().any(|seat| seat.working))
    }

    /// The bound in ticks, by the slowest clock: 2 L, and `L + 1.5 S` where a read has to make up for the watch. In strict
    /// mode one lease more, for the claim.
    fn in_time(&self, rates: [u8; MOST_SEATS]) -> u64 {
        let slowest = rates.into_iter().filter(|rate| *rate > 0).min().unwrap_or(1);
        let lease = self.setting.longest_lease();
        let claim = if self.setting.is_strict() { lease } else { 0 };
        let bound = if self.setting.healing == Some(Healing::WithoutWatch) {
            lease + (3 * self.setting.silence()).div_ceil(2)
        } else {
            2 * lease
        };
        (bound + claim).div_ceil(slowest.into())
    }

    fn ghosts(&self, mut world: World, land: bool) -> Option<World> {
        for seat in 0..world.seats.len() {
            let ghost = |world: &World| {
                let calls = &world.seats.get(seat)?.calls;
                calls.iter().position(|call| call.fate == Fate::Ghost)
            };
            while let Some(call) = ghost(&world) {
                let may_land = {
                    let of = world.seats.get(seat)?.calls.get(call)?;
                    world.store.is(of.attempt.expected)
                };
                let action = if land && may_land {
                    Action::Land { seat, call }
                } else {
                    Action::Lose { seat, call }
                };
                world = self.step(&world, action)?;
            }
        }
        Some(world)
    }

    /// Everything that is on its way arrives and is answered, until nothing is.
    fn deliver(&self, mut world: World) -> Option<World> {
        for _ in 0..MOST_ROUNDS {
            let before = world.clone();
            for seat in 0..world.seats.len() {
                world = self.answer_all(world, seat)?;
                world = self.show(world, seat)?;
            }
            if world == before {
                return Some(world);
            }
        }
        None
    }

    fn answer_all(&self, mut world: World, seat: usize) -> Option<World> {
        // Every answer may make room for another call, which is answered in the next round.
        for _ in 0..world.seats.get(seat)?.calls.len() {
            let Some(of) = world.seats.get(seat)?.calls.first() else {
                break;
            };
            let call = 0;
            let lands = of.fate == Fate::Sent && world.store.is(of.attempt.expected);
            let reply = match of.fate {
                Fate::Ghost | Fate::Beaten => Reply::Conflict(None),
                Fate::Landed(_) => Reply::Done,
                Fate::Sent if lands => Reply::Done,
                Fate::Sent => Reply::Conflict(Some(0)),
            };
            if lands {
                world = self.step(&world, Action::Land { seat, call })?;
                // The landing may have changed the order of the calls.
                let calls = &world.seats.get(seat)?.calls;
                let landed = calls.iter().position(|call| matches!(call.fate, Fate::Landed(_)));
                let Some(call) = landed else { continue };
                world = self.step(&world, Action::Answer { seat, call, reply })?;
            } else {
                world = self.step(&world, Action::Answer { seat, call, reply })?;
            }
        }
        Some(world)
    }

    fn show(&self, world: World, seat: usize) -> Option<World> {
        let ago = 0;
        let known = world.seats.get(seat)?.election.known_version();
        match self.setting.healing? {
            Healing::Whole if known < world.store.version(ago) => {
                self.step(&world, Action::Show { seat, ago })
            }
            Healing::WithoutWatch if world.seats.get(seat)?.read.is_some() => {
                self.step(&world, Action::AnswerRead { seat, ago })
            }
            _ => Some(world),
        }
    }
}
