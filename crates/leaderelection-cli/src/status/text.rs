//! A report for people.

use std::fmt::Write as _;

use super::problems::Problem;
use super::report::{Report, State};

/// Some lines, after one look.
pub(super) fn lines(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{label:<13} {}", printable(value));
    };
    line("lock", &report.lock);
    line("state", &report.message);
    if let Some(holder) = report
        .holder_identity
        .as_deref()
        .filter(|_| report.state == State::Led)
    {
        line("holder", &format!("{holder:?}"));
    }
    let dated = |time: &Option<String>| {
        time.as_ref().map_or_else(
            || "not in the record".to_owned(),
            |time| format!("{time} by the holder's clock"),
        )
    };
    if report.state == State::Led {
        line("since", &dated(&report.acquire_time));
        line(
            "last renewal",
            &format!(
                "{}; from here one look does not tell when",
                dated(&report.renew_time)
            ),
        );
        match (report.lease_duration_seconds, report.lease_left_seconds_at_most) {
            (Some(declared), Some(left)) => line(
                "lease",
                &format!(
                    "{declared}s, of which at most {left}s are left: how long it stood still before this look is not known"
                ),
            ),
            _ => line("lease", "without a duration that could run out"),
        }
    }
    if let Some(transitions) = report.leader_transitions {
        line("transitions", &transitions.to_string());
    }
    if let Some(version) = report.version {
        let renewed = if report.state == State::Led {
            ", which grows with every renewal"
        } else {
            ""
        };
        line("version", &format!("{version}{renewed}"));
    }
    if let Some(token) = token(report) {
        line("token", &token);
    }
    for (name, raw) in &report.other_fields {
        line("other field", &format!("{name}: {raw}"));
    }
    for problem in &report.problems {
        line("problem", &problem.message);
    }
    text
}

/// One line for one change. What is odd is said once, and not again with every renewal.
pub(super) fn line(report: &Report, said: &mut Vec<&'static str>) -> String {
    let mut text = report.at.clone();
    if let Some(event) = report.event.filter(|event| !report.message.starts_with(event)) {
        let _ = write!(text, " {event}:");
    }
    let _ = write!(text, " {}", report.message);
    let mut more = |what: std::fmt::Arguments<'_>| {
        let _ = write!(text, "; {what}");
    };
    if let Some(version) = report.version {
        more(format_args!("version {version}"));
    }
    if let Some(token) = token(report) {
        more(format_args!("token {token}"));
    }
    let led = report.state == State::Led;
    if led && matches!(report.event, Some("seen" | "acquired")) {
        if let Some(since) = &report.acquire_time {
            more(format_args!("since {since} by the holder's clock"));
        }
        if let Some(transitions) = report.leader_transitions {
            more(format_args!("transitions {transitions}"));
        }
    }
    if let Some(left) = report.lease_left_seconds_at_most.filter(|_| led) {
        more(format_args!("at most {left}s of its lease left"));
    }
    for (name, raw) in &report.other_fields {
        more(format_args!("{name}: {raw}"));
    }
    let news = |problem: &&Problem| !said.contains(&problem.code);
    for problem in report.problems.iter().filter(news) {
        more(format_args!("PROBLEM: {}", problem.message));
    }
    *said = report.problems.iter().map(|problem| problem.code).collect();
    printable(&text) + "\n"
}

/// What a record says may neither look like a line of its own, nor speak to the terminal.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') {
            printable.extend(letter.escape_default());
        } else {
            printable.push(letter);
        }
    }
    printable
}

fn token(report: &Report) -> Option<String> {
    match (report.token, report.token_at_most) {
        (Some(token), _) => Some(token.to_string()),
        (None, Some(at_most)) if report.event.is_some() => Some(format!("at most {at_most}")),
        (None, Some(at_most)) => Some(format!(
            "at most {at_most}: it is the version of the write that acquired the lease, which this look may not have seen"
        )),
        (None, None) => None,
    }
}
