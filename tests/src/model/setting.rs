//! What a checked world is made of: durations, clock rates, names, the adversary's powers, and the rule that is dropped.

use std::time::Duration;

use leaderelection::election::{Election, ElectionConfig, MissingRecord, Variant};
use leaderelection::{EmptyIdentity, Identity, LeaseTiming};

use super::places::Alike;
use super::store::OLDEST_REMEMBERED;

/// More candidates are not modelled.
pub const MOST_SEATS: usize = 3;

/// Durations in ticks. A tick is a second, because a record holds whole seconds.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    /// L.
    pub lease: u64,
    /// R.
    pub deadline: u64,
    /// P.
    pub period: u64,
    /// σ.
    pub grace: u64,
}

impl Ticks {
    /// The smallest lease at which two leaders never overlap where clocks advance `lo..=hi` per tick: SAFETY's theorem in
    /// whole ticks.
    #[must_use]
    pub fn threshold(self, [lo, hi]: [u8; 2]) -> u64 {
        let held = self.deadline + self.grace;
        u64::from(hi) * (held.div_ceil(u64::from(lo)) - 1) + 1
    }

    /// With the lease at its threshold.
    #[must_use]
    pub fn at_threshold(self, rates: [u8; 2]) -> Self {
        Self {
            lease: self.threshold(rates),
            ..self
        }
    }

    /// Unchecked, because a model also looks at what the validation refuses.
    fn timing(self) -> LeaseTiming {
        let [lease, deadline, period, grace] =
            [self.lease, self.deadline, self.period, self.grace].map(Duration::from_secs);
        LeaseTiming::unchecked(lease, deadline, period, grace)
    }
}

/// For how long it matters when a call was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spans {
    /// Until then its sender waits for the answer before it sends another.
    pub(super) patience: Duration,
    /// After that its success brings no lease either.
    pub(super) oldest: Duration,
}

/// Candidates that know nothing yet, for one seat.
#[derive(Debug, Clone)]
pub(super) struct Lives {
    pub(super) first: Election,
    /// None where the name is kept.
    others: Vec<Election>,
}

impl Lives {
    /// One whose name is unused, or the only one.
    pub(super) fn next(&self, unused: impl Fn(&str) -> bool) -> Option<&Election> {
        if self.others.is_empty() {
            return Some(&self.first);
        }
        let mut all = std::iter::once(&self.first).chain(&self.others);
        all.find(|life| unused(life.identity().as_str()))
    }
}

/// What the adversary can do beside choosing clock rates, showing old states, and delaying and losing what is on its way.
#[derive(Debug, Clone, Copy)]
pub struct Powers {
    /// Writes are answered wrongly: with a conflict after they were done, or as unknown or refused.
    pub misleads: bool,
    /// The users stop candidates, ask them to step down, and let work end; it ends by itself too.
    pub people: bool,
    /// Candidates crash and are restarted.
    pub crashes: bool,
    /// Somebody writes a label: the version moves, the record does not.
    pub labels: bool,
    /// Somebody writes another holder into the record.
    pub rewrites: bool,
    /// Somebody empties the record's holder; counts as a deletion.
    pub empties: bool,
    /// How often somebody deletes the record.
    pub deletions: u8,
    /// Only a record that every candidate has seen is deleted.
    pub deletes_known: bool,
    /// Only a record by which nobody leads or is about to is deleted: nobody is at work, and no write is on its way. Says that only
    /// where candidates lead at once, by answers alone.
    pub deletes_dead: bool,
    /// Reads are answered a tick after they were sent. Only where reads are coarse.
    pub slow_reads: bool,
    /// The store finds that a write would change nothing, and answers with the version that it named.
    pub mute: bool,
}

impl Powers {
    /// None of them.
    pub const NONE: Self = Self {
        misleads: false,
        people: false,
        crashes: false,
        labels: false,
        rewrites: false,
        empties: false,
        deletions: 0,
        deletes_known: false,
        deletes_dead: false,
        slow_reads: false,
        mute: false,
    };
    /// What befalls a lock that only candidates write to.
    pub const USUAL: Self = Self {
        misleads: true,
        people: true,
        crashes: true,
        ..Self::NONE
    };
}

/// How the network is once it has healed, where that is checked in every state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Healing {
    /// Everything is delivered at once.
    Whole,
    /// The watch stays silent for ever, and everything else is delivered at once. Not where reads are coarse.
    WithoutWatch,
    /// Nothing is shown to anybody: for checking the check.
    Blind,
}

/// One world to be checked.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How far each clock may advance in one tick, at least and at most.
    pub rates: [u8; 2],
    /// How many writes of a candidate may be on their way at once. One more is lost at once.
    pub on_their_way: usize,
    /// Reads are answered unasked, at any time, instead of being asked for and on their way. What the machine then does
    /// with them is the same and more, and when it asks is no part of the state.
    pub coarse: bool,
    /// States that every candidate knows to have passed are forgotten, for later lives too: only a newer version counts
    /// (SAFETY 4).
    pub forgets: bool,
    /// What tells apart records that nobody will be shown any more is forgotten. Only where reads are coarse.
    pub forgets_dead: bool,
    /// Watches show something, at any time; else they are silent, and everything is known from answers.
    pub watches: bool,
    /// How many versions ago the oldest state was that is still shown, by a watch or by a read.
    pub oldest_shown: usize,
    /// No time passes while a write is on its way: it lands in the tick in which it was sent or never, and so does its answer
    /// arrive. In which order, and what is shown meanwhile, is the adversary's choice.
    pub prompt_writes: bool,
    /// Nothing was ever written, instead of a record that somebody released.
    pub from_nothing: bool,
    /// What the adversary can do.
    pub powers: Powers,
    /// In every state it is also asked whether somebody leads in time once the network heals.
    pub healing: Option<Healing>,
    /// Exploring ends after this time, whether or not every state was seen.
    pub limit: Option<Duration>,
    names: Names,
    configs: Vec<ElectionConfig>,
}

/// Under which names the candidates run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Each has its own, and keeps it when it is restarted.
    Own,
    /// All have the same.
    Twins,
    /// Each has its own, and another in every life.
    Unique,
}

/// So many more names take turns where a name is new in every life. One is used again only when it is mentioned nowhere.
const LIVES: [u8; 3] = [1, 2, 3];

impl Setting {
    /// Two equal candidates.
    ///
    /// # Errors
    /// Never: the names are not empty.
    pub fn new(rates: [u8; 2], ticks: Ticks) -> Result<Self, EmptyIdentity> {
        let config = |name| {
            Ok(ElectionConfig {
                timing: ticks.timing(),
                stagger: false,
                timer_lead: Duration::ZERO,
                ..ElectionConfig::new(Identity::new(name)?)
            })
        };
        Ok(Self {
            rates,
            on_their_way: 2,
            coarse: true,
            forgets: true,
            forgets_dead: true,
            watches: true,
            oldest_shown: OLDEST_REMEMBERED,
            prompt_writes: false,
            from_nothing: false,
            powers: Powers::USUAL,
            healing: None,
            limit: None,
            names: Names::Own,
            configs: vec![config("a0")?, config("b0")?],
        })
    }

    /// The same with a third candidate that is like the second.
    ///
    /// # Errors
    /// Never: the name is not empty.
    pub fn third(mut self) -> Result<Self, EmptyIdentity> {
        if let [_, second] = self.configs.as_slice() {
            let mut third = second.clone();
            if self.names != Names::Twins {
                third.identity = Identity::new("c0")?;
            }
            self.configs.push(third);
        }
        Ok(self)
    }

    /// The same with other durations for the candidate of the second seat.
    #[must_use]
    pub fn second(self, ticks: Ticks) -> Self {
        self.second_timing(ticks.timing())
    }

    /// The same with other durations, not whole ticks, for the candidate of the second seat.
    #[must_use]
    pub fn second_timing(mut self, timing: LeaseTiming) -> Self {
        if let Some(second) = self.configs.get_mut(1) {
            second.timing = timing;
        }
        self
    }

    fn all(mut self, set: impl Fn(&mut ElectionConfig)) -> Self {
        self.configs.iter_mut().for_each(set);
        self
    }

    /// The same with other powers of the adversary.
    #[must_use]
    pub fn powers(self, powers: Powers) -> Self {
        Self { powers, ..self }
    }

    /// The same with all candidates under one name.
    #[must_use]
    pub fn twins(mut self) -> Self {
        self.names = Names::Twins;
        let name = self.configs.first().map(|config| config.identity.clone());
        self.all(|config| {
            config
                .identity
                .clone_from(name.as_ref().unwrap_or(&config.identity.clone()))
        })
    }

    /// The same with a name of its own for every life of a candidate.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.names = Names::Unique;
        self
    }

    /// The same where the users have declared each name to be one candidate's alone.
    #[must_use]
    pub fn exclusive(self) -> Self {
        self.all(|config| config.exclusive_identity = true)
    }

    /// The same in strict mode.
    #[must_use]
    pub fn strict(self) -> Self {
        self.all(|config| config.missing_record = MissingRecord::ClaimThenLead)
    }

    /// The same with one rule dropped.
    #[must_use]
    pub fn broken(self, variant: Variant) -> Self {
        self.all(|config| config.variant = Some(variant))
    }

    /// The same with the question, in every state, whether somebody leads in time once the network heals.
    #[must_use]
    pub fn heals(mut self, healing: Healing) -> Self {
        self.healing = Some(healing);
        self
    }

    /// Whether the candidates differ in nothing but their names.
    pub(super) fn alike(&self) -> Alike {
        let mut timings = self.configs.iter().map(|config| &config.timing);
        let first = timings.next();
        match self.names {
            _ if timings.any(|timing| Some(timing) != first) => Alike::No,
            Names::Twins => Alike::Twins,
            Names::Own | Names::Unique => Alike::Renamed,
        }
    }

    /// Whether all candidates have one name.
    pub(super) fn is_of_twins(&self) -> bool {
        self.names == Names::Twins
    }

    /// How each candidate is set.
    pub fn configs(&self) -> &[ElectionConfig] {
        &self.configs
    }

    /// Whether somebody may take a holder or the whole record away.
    pub(super) fn deletes(&self) -> bool {
        self.powers.deletions > 0
    }

    /// Whether a missing record is claimed before somebody leads by it.
    pub(super) fn is_strict(&self) -> bool {
        let strict = |config: &ElectionConfig| config.missing_record == MissingRecord::ClaimThenLead;
        self.configs.iter().any(strict)
    }

    /// L of the most patient candidate, in ticks of its own clock.
    pub(super) fn longest_lease(&self) -> u64 {
        let leases = self.configs.iter().map(|config| config.timing.written_seconds());
        leases
            .max()
            .and_then(|most| u64::try_from(most).ok())
            .unwrap_or(0)
    }

    /// S of the most patient candidate, in ticks of its own clock, rounded up: `max(D / 3, min(3 P, 2 D / 3))`.
    pub(super) fn silence(&self) -> u64 {
        let waits = self.longest_lease();
        let periods = self
            .configs
            .iter()
            .map(|config| config.timing.retry_period().as_secs());
        let period = periods.max().unwrap_or(0);
        waits.div_ceil(3).max((3 * period).min((2 * waits).div_ceil(3)))
    }

    /// For how long the sends of each candidate matter.
    pub(super) fn spans(&self) -> Vec<Spans> {
        let spans = |config: &ElectionConfig| {
            let timing = &config.timing;
            let patience = timing.attempt_timeout();
            Spans {
                patience,
                oldest: timing.renew_deadline().max(patience).max(timing.retry_period()),
            }
        };
        self.configs.iter().map(spans).collect()
    }

    /// The candidates that take turns in each seat.
    ///
    /// # Errors
    /// Never: the names are not empty.
    pub(super) fn lives(&self) -> Result<Vec<Lives>, EmptyIdentity> {
        let letters = ['a', 'b', 'c'].into_iter();
        let lives = letters.zip(&self.configs);
        lives
            .map(|(letter, config)| self.lives_of(letter, config))
            .collect()
    }

    fn lives_of(&self, letter: char, config: &ElectionConfig) -> Result<Lives, EmptyIdentity> {
        let named = |number| {
            let identity = Identity::known_unique(format!("{letter}{number}"))?;
            Ok(Election::new(ElectionConfig {
                identity,
                ..config.clone()
            }))
        };
        Ok(match self.names {
            Names::Own | Names::Twins => Lives {
                first: Election::new(config.clone()),
                others: Vec::new(),
            },
            Names::Unique => Lives {
                first: named(0)?,
                others: LIVES.into_iter().map(named).collect::<Result<_, _>>()?,
            },
        })
    }
}
