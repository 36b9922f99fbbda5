//! Candidates of either lock, ours and client-go's, and when they were at work.

use std::time::Duration;

use leaderelection_tests::clocked::{Working, worked};
use leaderelection_tests::leaderelect::Leaderelect;
use leaderelection_tests::servers::{GoContender, Said, monotonic};
use rustix::process::Signal;

use super::Result;

/// How old leaders go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    Killed,
    Released,
}

pub(crate) enum Process {
    Ours(Leaderelect),
    Go(Box<GoContender>),
}

pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) process: Process,
    lines: Vec<String>,
    pub(crate) gone: Option<Duration>,
}

/// One stretch of work, by the clock that all processes share.
#[derive(Debug, Clone)]
pub(crate) struct Shift {
    pub(crate) who: String,
    pub(crate) from: Duration,
    pub(crate) to: Option<Duration>,
}

pub(crate) fn candidate(name: &str, process: Process) -> Candidate {
    Candidate {
        name: name.to_owned(),
        process,
        lines: Vec::new(),
        gone: None,
    }
}

impl Candidate {
    pub(crate) fn shifts(&mut self) -> Result<Vec<Shift>> {
        let mut shifts: Vec<Shift> = Vec::new();
        let begin = |shifts: &mut Vec<Shift>, from| {
            let who = self.name.clone();
            shifts.push(Shift { who, from, to: None });
        };
        match &mut self.process {
            Process::Go(go) => {
                for event in go.events()? {
                    match event.said {
                        Said::StartedLeading => begin(&mut shifts, event.monotonic),
                        Said::WorkEnded => {
                            if let Some(shift) = shifts.last_mut() {
                                shift.to = Some(event.monotonic);
                            }
                        }
                        _ => {}
                    }
                }
            }
            Process::Ours(ours) => {
                self.lines.extend(ours.said_so_far());
                for line in &self.lines {
                    if let Some(working) = Working::parse(line) {
                        begin(&mut shifts, working.since.monotonic);
                    } else if let Some(ended) = worked(line) {
                        shifts.last_mut().ok_or("ended what it had not begun")?.to = Some(ended.monotonic);
                    }
                }
            }
        }
        if let Some(shift) = shifts.last_mut() {
            shift.to = shift.to.or(self.gone);
        }
        Ok(shifts)
    }

    pub(crate) fn is_at_work(&mut self) -> Result<bool> {
        Ok(self.shifts()?.last().is_some_and(|shift| shift.to.is_none()))
    }

    pub(crate) fn go_away(&mut self, going: Going) -> Result<()> {
        match (&mut self.process, going) {
            (Process::Go(go), Going::Killed) => {
                go.kill();
                self.gone = Some(monotonic());
            }
            (Process::Go(go), Going::Released) => go.terminate()?,
            (Process::Ours(ours), _) => ours.send(Signal::TERM)?,
        }
        Ok(())
    }
}

/// Who worked, and the milliseconds without anybody in between.
pub(crate) fn told(shifts: &[Shift]) -> String {
    let mut told = String::new();
    let mut last: Option<&Shift> = None;
    for shift in shifts {
        if let Some(to) = last.and_then(|last| last.to) {
            let gap = shift.from.as_secs_f64() - to.as_secs_f64();
            told += &format!(" -> {:.0} ms -> ", gap * 1e3);
        }
        told += &shift.who;
        last = Some(shift);
    }
    told
}
