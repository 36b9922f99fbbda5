//! What a seed stands for: it draws the store's nature, the perils and the candidates.

use std::sync::Arc;
use std::time::Duration;

use leaderelection::election::{ElectionConfig, Input, MissingRecord};
use leaderelection::{Content, Identity, LeaderElectionRecord};

use super::candidate::{Candidate, Clock};
use super::durations::{Durations, Kind};
use super::people::foreign_record;
use super::random::{MILLISECOND, Random, SECOND};
use super::store::{Nature, Store};
use super::{Event, Perils, Walls, World};

/// The world of a seed, with everything in it that will make it move.
pub(super) fn world(seed: u64, tells_story: bool, adjust: &dyn Fn(&mut ElectionConfig)) -> (Kind, World) {
    let mut random = Random::new(seed);
    let count = random.pick(&[2usize, 2, 3]);
    let strict = random.chance(40);
    let garbage = random.chance(30);
    let foreign = random.chance(40);
    let twins = random.chance(25);
    let nature = Nature {
        dates_absence: random.chance(50),
        shows_conflict: random.chance(60),
        ignores_equal_write: random.chance(50),
        undoes_writes: random.chance(15),
    };
    let watches = random.below(4) > 0;
    let walls = random.pick(&[Walls::True, Walls::Jumping, Walls::SetBack]);
    let labels = random.below(2) > 0;
    let perils = Perils {
        deletions: strict && random.chance(60),
        garbage,
        foreign,
        labels,
        watches,
        walls,
    };
    let exclusive = !twins && random.chance(40);
    let durations = Durations::draw(&mut random);
    let timer_lead = Duration::from_millis(if random.chance(50) { 0 } else { 2 });
    // Whoever missed the longer declaration, because it was overwritten, would wait too short.
    let mixed = !perils.foreign && !perils.garbage && !perils.deletions && random.chance(30);

    let mut candidates = Vec::new();
    for who in 0..count {
        let mut config = ElectionConfig::new(if twins && who < 2 {
            Identity::new("x").unwrap()
        } else if exclusive {
            Identity::new(format!("e{who}")).unwrap()
        } else {
            Identity::unique()
        });
        config.timing = if mixed && who == 0 {
            &durations.longer
        } else {
            &durations.timing
        }
        .clone();
        config.exclusive_identity = exclusive;
        config.missing_record = if strict {
            MissingRecord::ClaimThenLead
        } else {
            MissingRecord::LeadAtOnce
        };
        config.seed = random.next();
        config.stagger = random.chance(50);
        config.timer_lead = timer_lead;
        adjust(&mut config);
        let clock = clock(&mut random, durations.ratio as i64);
        candidates.push(Candidate::new(config, clock));
    }

    let lease = durations.lease as i64 * MILLISECOND * if mixed { 3 } else { 1 };
    let mut world = World::new(random, Store::new(nature), candidates, perils, lease, tells_story);
    if world.perils.foreign && world.random.chance(50) {
        let record = LeaderElectionRecord {
            leader_transitions: world.random.pick(&[3, i64::MAX, -7]),
            lease_duration_seconds: 3,
            ..foreign_record()
        };
        world.write(Some(Content::Record(Arc::new(record))), None);
    }
    world.note(|| {
        let rates: Vec<_> = world.candidates.iter().map(|it| it.clock.rate).collect();
        format!(
            "{:?}, lead {timer_lead:?}, mixed {mixed}, rates {rates:?}, strict {strict}, twins {twins}, \
             exclusive {exclusive}, {:?}",
            durations.timing, world.perils
        )
    });
    for who in 0..count {
        world.at(0, Event::UserActs { who });
        world.at(0, Event::WallJumps { who });
        world.tell_at(who as i64 * MILLISECOND, who, 0, Input::Wake);
    }
    world.at(0, Event::OperatorActs);
    world.at(world.heals_at(), Event::Heals);
    (durations.kind, world)
}

/// A clock as fast as the world, as fast as is tolerated, or something between.
fn clock(random: &mut Random, ratio: i64) -> Clock {
    let quarters = random.pick(&[0i64, 1, 2, 3, 4]);
    Clock {
        rate: random.pick(&[1000, ratio, 1000 + quarters * (ratio - 1000) / 4]),
        offset: random.below(1000) as i64 * SECOND,
        wall_offset: random.below(10) as i64 - 5,
    }
}
