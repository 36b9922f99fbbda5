//! The recipe by phases of docs/MOVING.md, for clients that a closed lock does not hold back: those of the old lock, those that
//! hold the old one and within it the new, those of the new one.

use leaderelection::{LeaderElectorBuilder, Leadership};
use leaderelection_conformance::{Faults, Partition};
use tokio::task::AbortHandle;

use super::*;

/// Works only while it leads the old lock and, within that, the new one.
#[allow(clippy::disallowed_methods, reason = "a candidate of a test is a task")]
fn both(
    stage: &Stage,
    who: &str,
    outer: LeaderElectorBuilder,
    inner: impl Fn() -> LeaderElectorBuilder + Send + Sync + 'static,
) -> AbortHandle {
    let (stage, who) = (stage.clone(), who.to_owned());
    let outer = outer.build().unwrap();
    let nested = tokio::spawn(async move {
        let work = |leadership: Leadership| {
            let inner = inner().build().unwrap();
            let (stage, who) = (stage.clone(), who.clone());
            async move {
                let work = |within: Leadership| {
                    let on_stage = stage.enter(&who, &within);
                    async move {
                        let _on_stage = on_stage;
                        pending::<()>().await;
                    }
                };
                inner.run(leadership.stop_requested(), work).await
            }
        };
        outer.run(pending::<()>(), work).await.map(drop).unwrap();
    });
    nested.abort_handle()
}

/// A process, with a network of its own to each lock.
struct Process {
    who: String,
    ends: AbortHandle,
    networks: Vec<Faults>,
}

/// A roll-out: processes go one by one, each phase when all of the phase before last have gone, while networks come and go. Never
/// two at work, and in each phase somebody is, of the phase.
#[tokio::test(start_paused = true)]
async fn by_phases_no_two_are_at_work() {
    let mut shifts_of_both = 0;
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let (stage, (from, to)) = (Stage::default(), locks());
        let mut running: Vec<Process> = Vec::new();
        for (phase, round) in [0, 1, 2].into_iter().flat_map(|phase| [(phase, 0), (phase, 1)]) {
            let who = format!("{}{round}", ["old", "both", "new"][phase]);
            let (old, new) = (bad(&from, &mut random), bad(&to, &mut random));
            let networks = vec![old.faults(), new.faults()];
            let builder = |lock: FaultLock<MemoryLock>, seed| candidate(lock, &who).seed(seed);
            let seeds = [random.next(), random.next()];
            let ends = match phase {
                0 => stage.run(&who, builder(old, seeds[0])),
                1 => {
                    let name = who.clone();
                    let new = Arc::new(new);
                    let inner = move || candidate(Arc::clone(&new), &name).seed(seeds[1]);
                    both(&stage, &who, builder(old, seeds[0]), inner)
                }
                _ => stage.run(&who, builder(new, seeds[1])),
            };
            running.push(Process { who, ends, networks });
            for _ in 0..12 {
                sleep(random.between(ms(0), s(20))).await;
                let at = usize::try_from(random.below(running.len() as u64)).unwrap();
                let network = &running[at].networks[usize::from(random.below(2) == 0)];
                network.partition(match random.below(3) {
                    0 => Partition::Full,
                    1 => Partition::Replies,
                    _ => Partition::None,
                });
            }
            // One of the phase before goes; when the second of a phase has come, none of it is left.
            if phase > 0 {
                let gone = running.remove(0);
                gone.ends.abort();
                sleep(ms(1)).await;
                // Its work is gone, and what it sent may land later.
                assert!(!stage.now().contains(&gone.who));
            }
        }
        for process in &running {
            process.networks.iter().for_each(Faults::clear_all);
        }
        sleep(s(180)).await;
        assert!(
            stage.now().iter().all(|who| who.starts_with("new")) && stage.now().len() == 1,
            "seed {seed}: {:?}",
            stage.now()
        );
        assert_eq!(
            stage.at_once(),
            Duration::ZERO,
            "seed {seed}: {:#?}",
            stage.shifts()
        );
        shifts_of_both += stage
            .shifts()
            .iter()
            .filter(|shift| shift.who.starts_with("both"))
            .count();
        running.iter().for_each(|process| process.ends.abort());
        stage.close().await;
    }
    assert!(
        shifts_of_both > 60,
        "those with both have hardly worked: {shifts_of_both} shifts"
    );
}
