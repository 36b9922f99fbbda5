//! COMMAND: what it is told, what becomes of its exit code, and of what it leaves behind.

use crate::*;

fn one_leads_and_its_command_knows_who_it_is_and_has_a_group_of_its_own<S: Store>() -> TestResult {
    let store = S::new()?;
    let (leader, start, follower) = pair(&store, &[], WORK);

    assert_eq!(start.identity, "a");
    assert!(start.token > 0);
    assert_eq!(
        stat(start.pid, 1),
        Some(leader.pid()),
        "its parent is the supervisor"
    );
    assert_eq!(stat(start.pid, 2), Some(start.pid), "it leads a process group");
    assert_ne!(stat(leader.pid(), 2), Some(start.pid));
    wait(Duration::from_millis(300));
    assert!(follower.said_so_far().is_empty(), "the follower's command runs");
    assert_eq!(children(follower.pid()), [0; 0], "a follower has no children");
    Ok(())
}

fn without_an_identity_it_is_unique_and_begins_with_the_host_name<S: Store>() -> TestResult {
    let store = S::new()?;
    let script = "echo $LEADERELECT_IDENTITY $(uname -n)";
    let output = store
        .leaderelect()
        .args(["run", "--lock", &store.lock(), "--", "sh", "-c", script])
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    let (identity, host) = said.trim().split_once(' ').ok_or("no identity")?;
    let random = identity.strip_prefix(host).ok_or("not the host name")?;
    assert_eq!(
        random.len(),
        "_00000000-0000-4000-8000-000000000000".len(),
        "{identity}"
    );
    Ok(())
}

fn a_command_that_ends_gives_its_exit_code_and_frees_the_lease<S: Store>() -> TestResult {
    let store = S::new()?;
    let begin = now();
    for (command, code) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["true"], 0),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["/no/such/command"], 127),
        (&["no-such-command"], 127),
        (&["/"], 126),
        (&["/dev/null"], 126),
    ] {
        let mut leader = start(&store, "a", &[], command);
        assert_eq!(leader.exited()?.code(), Some(code), "{command:?}");
        leader.logged("event=Released")?;
    }
    // Each would have waited for the lease of the one before.
    assert!(
        now().since(begin) < Duration::from_secs(15),
        "{:?}",
        now().since(begin)
    );
    Ok(())
}

fn what_the_command_leaves_behind_dies_before_the_lease_is_released<S: Store>() -> TestResult {
    let store = S::new()?;
    let leaves = "trap '' TERM HUP; sleep 1000 & echo left $!; exit 3";
    let mut leader = run(&store, "a", &[], leaves);
    let left = leader.said("left ")?.text.split_off(5).parse()?;
    assert_eq!(leader.exited()?.code(), Some(3));
    assert!(is_dead(left), "process {left} lives on");
    Ok(())
}

fn whoever_loses_its_log_loses_nothing_else<S: Store>() -> TestResult {
    let store = S::new()?;
    let script = "sleep 0.5; exit 5";
    let mut leader = store
        .leaderelect()
        .args(["run", "--lock", &store.lock(), "--", "sh", "-c", script])
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    drop(leader.stderr.take());
    assert_eq!(leader.wait()?.code(), Some(5));
    Ok(())
}

fn orphans_are_buried<S: Store>() -> TestResult {
    let store = S::new()?;
    let leaves = "(sh -c 'echo orphan $$; exec sleep 0.3' &); sleep 1000";
    let leader = run(&store, "a", &[], leaves);
    let orphan: u32 = leader.said("orphan ")?.text.split_off(7).parse()?;
    wait(Duration::from_millis(100));
    assert_eq!(
        stat(orphan, 1),
        Some(leader.pid()),
        "the supervisor has not adopted it"
    );
    let gone = || !Path::new(&format!("/proc/{orphan}")).exists();
    let end = now().after(AT_ONCE);
    while !gone() && now() < end {
        wait(Duration::from_millis(10));
    }
    assert!(gone(), "{orphan} is a corpse: {:?}", stat(orphan, 1));
    Ok(())
}

on_each_store! {
    one_leads_and_its_command_knows_who_it_is_and_has_a_group_of_its_own,
    without_an_identity_it_is_unique_and_begins_with_the_host_name,
    a_command_that_ends_gives_its_exit_code_and_frees_the_lease,
    what_the_command_leaves_behind_dies_before_the_lease_is_released,
    whoever_loses_its_log_loses_nothing_else,
    orphans_are_buried,
}
