//! What a checked world is made of: durations, clock rates, names, and the rule that is dropped.

use std::time::Duration;

use leaderelection::election::{Election, ElectionConfig, Variant};
use leaderelection::{EmptyIdentity, Identity, LeaseTiming};

use super::places::Alike;

/// The two candidates, by their seats.
pub const SEATS: [usize; 2] = [0, 1];

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
    /// Nothing was ever written, instead of a record that somebody released.
    pub from_nothing: bool,
    names: Names,
    configs: [ElectionConfig; 2],
}

/// Under which names the candidates run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Each has its own, and keeps it when it is restarted.
    Own,
    /// Both have the same.
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
            from_nothing: false,
            names: Names::Own,
            configs: [config("a0")?, config("b0")?],
        })
    }

    /// The same with other durations for the candidate of the second seat.
    #[must_use]
    pub fn second(mut self, ticks: Ticks) -> Self {
        let [_, second] = &mut self.configs;
        second.timing = ticks.timing();
        self
    }

    /// The same with both candidates under one name.
    #[must_use]
    pub fn twins(mut self) -> Self {
        let [first, second] = &mut self.configs;
        second.identity = first.identity.clone();
        self.names = Names::Twins;
        self
    }

    /// The same with a name of its own for every life of a candidate.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.names = Names::Unique;
        self
    }

    /// The same with one rule dropped.
    #[must_use]
    pub fn broken(mut self, variant: Variant) -> Self {
        for config in &mut self.configs {
            config.variant = Some(variant);
        }
        self
    }

    /// Whether the candidates differ in nothing but their names.
    pub(super) fn alike(&self) -> Alike {
        let [first, second] = &self.configs;
        match self.names {
            _ if first.timing != second.timing => Alike::No,
            Names::Twins => Alike::Twins,
            Names::Own | Names::Unique => Alike::Renamed,
        }
    }

    /// How each candidate is set.
    pub fn configs(&self) -> &[ElectionConfig; 2] {
        &self.configs
    }

    /// The rule that is dropped.
    pub(super) fn variant(&self) -> Option<Variant> {
        self.configs.iter().find_map(|config| config.variant)
    }

    /// For how long the sends of each candidate matter.
    pub(super) fn spans(&self) -> [Spans; 2] {
        self.configs.each_ref().map(|config| {
            let timing = &config.timing;
            let patience = timing.attempt_timeout();
            Spans {
                patience,
                oldest: timing.renew_deadline().max(patience).max(timing.retry_period()),
            }
        })
    }

    /// The candidates that take turns in each seat.
    ///
    /// # Errors
    /// Never: the names are not empty.
    pub(super) fn lives(&self) -> Result<[Lives; 2], EmptyIdentity> {
        let [first, second] = &self.configs;
        Ok([self.lives_of('a', first)?, self.lives_of('b', second)?])
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
