//! Tells a path through the model in words, so that a counterexample can be read.

use super::action::{Action, Meddling, Reply};
use super::seat::Fate;
use super::world::World;

/// One line per step: what was done, and what the world is then.
pub(super) fn tell(path: Vec<(World, Option<Action>)>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut steps = path.into_iter().peekable();
    while let Some((before, Some(action))) = steps.next() {
        let then = steps.peek().map(|(after, _)| state(after)).unwrap_or_default();
        lines.push(format!("{:<44} {then}", step(&before, action)));
    }
    lines
}

fn name(seat: usize) -> char {
    ['A', 'B', 'C'].get(seat).copied().unwrap_or('?')
}

fn step(before: &World, action: Action) -> String {
    let call = |seat: usize, call: usize| {
        let call = before.seats.get(seat).and_then(|seat| seat.calls.get(call));
        call.map_or_else(String::new, |call| {
            let holder = &call.attempt.record.holder_identity;
            let ghost = if call.fate == Fate::Ghost { "ghost " } else { "" };
            match holder.as_str() {
                "" => format!("{ghost}release"),
                _ if call.fate == Fate::Ghost => "ghost write".to_owned(),
                _ => format!("{:?}", call.attempt.purpose).to_lowercase(),
            }
        })
    };
    match action {
        Action::Tick(ticks) => {
            let clocks = ticks.iter().take(before.seats.len()).enumerate();
            let clocks: Vec<String> = clocks
                .map(|(seat, ticks)| format!("{} +{ticks}", name(seat)))
                .collect();
            format!("time: {}", clocks.join(", "))
        }
        Action::Show { seat, ago } => format!("{} is shown {}", name(seat), when(ago)),
        Action::AnswerRead { seat, ago } => format!("{}'s read shows {}", name(seat), when(ago)),
        Action::FailRead { seat } => format!("{}'s read fails", name(seat)),
        Action::Land { seat, call: at } => format!("{}'s {} lands", name(seat), call(seat, at)),
        Action::Answer {
            seat,
            call: at,
            reply,
        } => {
            let reply = match reply {
                Reply::Done => "done".to_owned(),
                Reply::Conflict(None) => "conflict".to_owned(),
                Reply::Conflict(Some(ago)) => format!("conflict with {}", when(ago)),
                Reply::Ambiguous => "unknown".to_owned(),
                Reply::Refused => "refused".to_owned(),
                Reply::Nothing => "done, as the version before".to_owned(),
            };
            format!("{} hears of its {}: {reply}", name(seat), call(seat, at))
        }
        Action::Lose { seat, call: at } => format!("{}'s {} is lost", name(seat), call(seat, at)),
        Action::EndWork { seat } => format!("{}'s work ends", name(seat)),
        Action::Stop { seat } => format!("{} is asked to leave", name(seat)),
        Action::StepDown { seat } => format!("{} is asked to step down", name(seat)),
        Action::Crash { seat } => format!("{} crashes and starts anew", name(seat)),
        Action::Meddle(Meddling::Label) => "somebody writes a label".to_owned(),
        Action::Meddle(Meddling::Rewrite(seconds)) => format!("somebody writes a holder, for {seconds} s"),
        Action::Meddle(Meddling::Empty) => "somebody empties the holder".to_owned(),
        Action::Meddle(Meddling::Delete) => "somebody deletes the record".to_owned(),
    }
}

fn when(ago: usize) -> String {
    match ago {
        0 => "the record".to_owned(),
        1 => "the record before".to_owned(),
        _ => format!("the record {ago} versions ago"),
    }
}

fn state(world: &World) -> String {
    let record = world.store.record(0).map_or("none".to_owned(), |record| {
        if record.is_free() {
            "free".to_owned()
        } else {
            format!("held by {}", record.holder_identity)
        }
    });
    let working: String = world
        .seats
        .iter()
        .enumerate()
        .filter(|(_, seat)| seat.working)
        .map(|(seat, _)| name(seat))
        .collect();
    format!("record {record:<9} at work: {working}")
}
