//! One election on one Endpoints object of a real kube-apiserver, shared by real `leaderelect run` processes and
//! client-go's elector (v0.23.17): it goes back and forth, nobody starts early, and nobody is robbed.

#![expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]

use std::error::Error;
use std::time::Duration;

use leaderelection_tests::beside_go::{Change, Side, Stage, by_kill, by_release, row};
use leaderelection_tests::clocked::Moment;
use leaderelection_tests::servers::KubeApiserver;
use leaderelection_tests::time::wait;

type TestResult = Result<(), Box<dyn Error>>;

/// `leaderelect`, or its work.
const PROGRAM: &str = env!("CARGO_BIN_EXE_handover-kube");

/// How often each side takes over from the other.
const EACH_WAY: usize = 10;

const LEASE: Duration = Duration::from_secs(4);
const RETRY: Duration = Duration::from_secs(1);
/// Whole seconds, as client-go's record has them.
const TIMING: [Duration; 3] = [LEASE, Duration::from_secs(3), RETRY];
const STOP_GRACE: [&str; 2] = ["--stop-grace", "500ms"];

/// The longest that client-go sleeps between two looks: its jitter is up to 1.2.
const GO_LOOKS: f64 = 2.2 * RETRY.as_millis() as f64;
/// What a busy machine may add.
const BUSY: f64 = 1_500.0;

fn stage(name: &str, timing: [Duration; 3]) -> Stage<'static> {
    Stage::new(
        KubeApiserver::shared().unwrap(),
        name,
        PROGRAM,
        timing,
        &STOP_GRACE,
    )
    .unwrap()
}

/// Ours, Go, ours, ..
fn back_and_forth(each_way: usize) -> impl Iterator<Item = Side> {
    [Side::Ours, Side::Go].into_iter().cycle().take(2 * each_way + 1)
}

fn show(what: &str, timing: [Duration; 3], changes: &[Change]) {
    let mut table = format!("{what}, at {timing:?}:\n");
    for (from, to, name) in [
        (Side::Ours, Side::Go, "ours to Go"),
        (Side::Go, Side::Ours, "Go to ours"),
    ] {
        let such = changes
            .iter()
            .filter(|change| (change.from, change.to) == (from, to));
        for (what, value) in [
            ("from signal", (|change| change.from_signal) as fn(&Change) -> f64),
            ("nobody at work", |change| change.without_work),
            ("from the last renewal", |change| change.from_renewal),
        ] {
            table = table + &row(&format!("{name}: {what}"), such.clone().map(value)) + "\n";
        }
    }
    println!("{table}");
}

#[test]
fn released_it_goes_back_and_forth_and_no_two_are_at_work_at_once() -> TestResult {
    // Nobody waits for this lease, if all goes well; so it is long.
    let lease = Duration::from_secs(8);
    let mut stage = stage("release", [lease, Duration::from_secs(5), RETRY]);
    let pause = |round| Duration::from_millis(50 + 137 * round as u64 % 1_000);
    let changes = by_release(&mut stage, back_and_forth(EACH_WAY), pause)?;
    show(
        "Graceful hand-over",
        [lease, Duration::from_secs(5), RETRY],
        &changes,
    );
    for change in &changes {
        assert!(change.without_work > 0.0, "two at work: {change:?}");
        // Less than what is left of a lease that would have to run out; client-go looks every 2.2 s at worst.
        let limit = match change.to {
            Side::Ours => RETRY.as_millis() as f64 + BUSY,
            Side::Go => GO_LOOKS + BUSY,
        };
        assert!(limit < (lease - RETRY).as_millis() as f64);
        // client-go loses its release where a renewal of its own is on its way: docs/INTEROP.md.
        let in_time = change.from_signal < limit || change.release_lost;
        assert!(in_time, "was it released? {change:?}");
    }
    // Every change was an acquisition, and each added one: nobody else led in between.
    assert_eq!(stage.transitions_when_free()?, changes.len() as u64);
    Ok(())
}

/// SAFETY 5, 6 and 7: a killed leader's whole lease is waited out from its last renewal, by Go as well.
#[test]
fn killed_it_goes_back_and_forth_and_nobody_starts_before_the_lease_has_run_out() -> TestResult {
    let mut stage = stage("kill", TIMING);
    let changes = by_kill(&mut stage, back_and_forth(EACH_WAY))?;
    show("SIGKILL", TIMING, &changes);
    let lease = LEASE.as_millis() as f64;
    for change in &changes {
        assert!(change.from_renewal >= lease, "early: {change:?}");
        assert!(change.without_work > 0.0, "two at work: {change:?}");
        let limit = match change.to {
            Side::Ours => lease + BUSY,
            // It sees the last renewal at one look, and that its time is over at another.
            Side::Go => lease + 2.0 * GO_LOOKS + BUSY,
        };
        assert!(change.from_renewal < limit, "late: {change:?}");
    }
    // Every change was an acquisition, and each added one: nobody else led in between.
    assert_eq!(stage.transitions_when_free()?, changes.len() as u64);
    Ok(())
}

/// SAFETY 6: of renewals within one second Go could not tell one from another, if ours did not see to it that their seconds
/// differ. Go's own do not, so that who follows Go waits from the first of a second: up to a second less.
#[test]
fn go_waits_from_the_last_of_ours_also_where_several_fall_into_one_second() -> TestResult {
    let often = [LEASE, Duration::from_secs(3), Duration::from_millis(300)];
    let mut stage = stage("often", often);
    let changes = by_kill(&mut stage, back_and_forth(EACH_WAY / 2))?;
    show("SIGKILL", often, &changes);
    let lease = LEASE.as_millis() as f64;
    for change in &changes {
        let least = match change.from {
            Side::Ours => lease,
            Side::Go => lease - 1_000.0,
        };
        assert!(change.from_renewal >= least, "early: {change:?}");
        assert!(change.without_work > 0.0, "two at work: {change:?}");
    }
    Ok(())
}

const HOLD: Duration = Duration::from_secs(30);

/// Leads for [`HOLD`] beside two followers, one of each side.
fn holds(holder: Side) -> Result<String, Box<dyn Error>> {
    let mut stage = stage("hold", TIMING);
    let mut leader = stage.join(holder)?;
    let began = leader.works()?;
    let mut followers = [stage.join(Side::Ours)?, stage.join(Side::Go)?];
    for follower in &mut followers {
        follower.follows(&leader)?;
    }
    // Until the watch of ours is open.
    wait(RETRY);
    let before = [Side::Ours, Side::Go].map(|side| stage.writes(side).map(|writes| writes.len()));
    let settled = Moment::now();
    while Moment::now().since(settled) < HOLD.as_secs_f64() * 1e3 {
        wait(RETRY / 4);
        let robbed = leader.stirred(true)?;
        assert!(!robbed, "a renewing holder was robbed: {}", leader.identity());
        for follower in &mut followers {
            let works = follower.stirred(false)?;
            assert!(
                !works,
                "{} works beside {}",
                follower.identity(),
                leader.identity()
            );
        }
    }
    let [ours, go] = before;
    let ours = stage.writes(Side::Ours)?.len() - ours?;
    let go = stage.writes(Side::Go)?.len() - go?;
    let mut verbs: Vec<String> = stage
        .requests(|request| request.at > settled.wall && !request.user_agent.starts_with("contender"))?
        .into_iter()
        .map(|request| request.verb)
        .collect();
    verbs.dedup();
    let (renewals, others) = match holder {
        Side::Ours => (ours, go),
        Side::Go => (go, ours),
    };
    assert!(renewals > 20, "{renewals} renewals in {HOLD:?}");
    assert_eq!(others, 0, "a follower wrote");
    // A steady follower of ours sends nothing, beside Go too.
    let expected: &[&str] = if holder == Side::Ours { &["patch"] } else { &[] };
    assert_eq!(verbs, expected, "all that ours sent in {HOLD:?}");
    leader.ask_to_stop()?;
    let ended = leader.stopped()?.work_ended;
    Ok(format!(
        "  {holder:?}: {renewals} renewals in {HOLD:?}, at work for {:.1} s; followers wrote nothing, ours sent nothing at all",
        ended.since(began) / 1e3
    ))
}

#[test]
fn a_renewing_holder_is_never_robbed() -> TestResult {
    let go = std::thread::spawn(|| holds(Side::Go).map_err(|error| error.to_string()));
    let ours = holds(Side::Ours)?;
    let go = go.join().unwrap()?;
    println!("Held beside two followers, one of each side, at 4s / 3s / 1s:\n{ours}\n{go}");
    Ok(())
}

/// The short form of `--bin handover-kube`.
#[test]
fn a_hand_over_takes_far_less_than_a_polling_period() -> TestResult {
    let mut stage = stage("handover", TIMING);
    let changes = by_release(&mut stage, [Side::Ours; 6], |_| Duration::from_millis(30))?;
    let mut took: Vec<f64> = changes.iter().map(|change| change.from_signal).collect();
    took.sort_by(f64::total_cmp);
    println!("{}", row("ours to ours: from signal", took.iter().copied()));
    assert!(
        took[took.len() / 2] < RETRY.as_millis() as f64 / 2.0,
        "{changes:?}"
    );
    assert!(
        changes.iter().all(|change| change.without_work > 0.0),
        "{changes:?}"
    );
    Ok(())
}
