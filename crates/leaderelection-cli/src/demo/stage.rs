//! The timeline: prints what candidates tell as they tell it, and waits for what an act expects.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use leaderelection::{Clock as _, FencingToken, MonoTime, SystemClock};
use tokio::sync::mpsc;

use super::candidate::{Told, What};

pub(super) struct Stage {
    told: mpsc::UnboundedReceiver<Told>,
    out: Box<dyn Write>,
    start: MonoTime,
    /// How long an act waits for what it expects.
    patience: Duration,
    leader: Option<Leader>,
    /// The end of the last work, for the latency that is shown with the next start.
    last_stop: Option<(String, MonoTime)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) name: String,
    pub(super) token: FencingToken,
    pub(super) since: MonoTime,
}

/// What an act waited for in vain.
#[derive(Debug, thiserror::Error)]
#[error("{wanted}: not within {patience:?}")]
pub(super) struct NotSeen {
    wanted: String,
    patience: Duration,
}

impl Stage {
    pub(super) fn new(told: mpsc::UnboundedReceiver<Told>, out: Box<dyn Write>, patience: Duration) -> Self {
        Self {
            told,
            out,
            start: SystemClock.mono(),
            patience,
            leader: None,
            last_stop: None,
        }
    }

    pub(super) fn start(&self) -> MonoTime {
        self.start
    }

    /// Prints a line. Whoever closed the terminal does not change how the demonstration ends.
    pub(super) fn print(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    pub(super) fn headline(&mut self, text: &str) {
        self.print(format_args!("\n{text}"));
    }

    /// Prints what the demonstration itself does or sees.
    pub(super) fn say(&mut self, who: &str, what: fmt::Arguments<'_>) {
        self.say_at(SystemClock.mono(), who, what);
    }

    fn say_at(&mut self, at: MonoTime, who: &str, what: fmt::Arguments<'_>) {
        let seconds = at.since(self.start).as_secs_f64();
        self.print(format_args!("{seconds:>9.3} s  {who:<4} {what}"));
    }

    /// Lets time pass.
    pub(super) async fn hold(&mut self, time: Duration) {
        let end = SystemClock.mono().after(time);
        while self.next(end).await.is_some() {}
    }

    /// Waits for something that is told, and answers what `pick` makes of it.
    pub(super) async fn until<T>(
        &mut self,
        wanted: impl Into<String>,
        mut pick: impl FnMut(&Told) -> Option<T>,
    ) -> Result<T, NotSeen> {
        let end = SystemClock.mono().after(self.patience);
        while let Some(told) = self.next(end).await {
            if let Some(picked) = pick(&told) {
                return Ok(picked);
            }
        }
        Err(NotSeen {
            wanted: wanted.into(),
            patience: self.patience,
        })
    }

    /// Who leads now, or next.
    pub(super) async fn leader(&mut self) -> Result<Leader, NotSeen> {
        if let Some(leader) = &self.leader {
            return Ok(leader.clone());
        }
        self.until("a leader", |told| leader_of(told, "")).await
    }

    /// The next leader that is not `old`.
    pub(super) async fn successor(&mut self, old: &str) -> Result<Leader, NotSeen> {
        match &self.leader {
            Some(leader) if leader.name != old => Ok(leader.clone()),
            _ => {
                self.until(format!("another leader than {old}"), |told| leader_of(told, old))
                    .await
            }
        }
    }

    /// When `who` tells `wanted`.
    pub(super) async fn tells(
        &mut self,
        who: &str,
        wanted: &str,
        is_it: fn(&What) -> bool,
    ) -> Result<MonoTime, NotSeen> {
        self.until(format!("{who} {wanted}"), |told| {
            (told.who == who && is_it(&told.what)).then_some(told.at)
        })
        .await
    }

    async fn next(&mut self, end: MonoTime) -> Option<Told> {
        let told = tokio::select! {
            biased;
            told = self.told.recv() => told?,
            () = SystemClock.sleep_until(end) => return None,
        };
        self.note(&told);
        Some(told)
    }

    fn note(&mut self, told: &Told) {
        let Told { at, who, what } = told;
        match what {
            What::Leads { token, term } => {
                self.leader = leader_of(told, "");
                let since = match &self.last_stop {
                    Some((old, stopped)) => {
                        format!("{} after {old}'s work had stopped", short(at.since(*stopped)))
                    }
                    None => format!("{} after the start", short(at.since(self.start))),
                };
                self.say_at(
                    *at,
                    who,
                    format_args!("LEADS   term {term}, token {token}, {since}"),
                );
            }
            What::WorkStopped | What::Crashed => {
                let led = self.leader.as_ref().is_some_and(|leader| leader.name == *who);
                if led {
                    self.leader = None;
                    self.last_stop = Some((who.clone(), *at));
                }
                match what {
                    What::Crashed => self.say_at(*at, who, format_args!("is dead; it released nothing")),
                    _ => self.say_at(*at, who, format_args!("its work has stopped")),
                }
            }
            What::AtRisk { remaining } => {
                self.say_at(
                    *at,
                    who,
                    format_args!("renewals fail; {} of the lease left", short(*remaining)),
                );
            }
            What::Lost(reason) => self.say_at(*at, who, format_args!("has lost the lease: {reason}")),
            What::Finishing => self.say_at(*at, who, format_args!("tells its work to finish")),
            What::Released => self.say_at(*at, who, format_args!("has released the lease")),
            What::Left => self.say_at(*at, who, format_args!("has left")),
            // Everybody follows everybody: acts say it where it matters.
            What::Follows(_) => {}
        }
    }
}

fn leader_of(told: &Told, but: &str) -> Option<Leader> {
    match &told.what {
        What::Leads { token, .. } if told.who != but => Some(Leader {
            name: told.who.clone(),
            token: *token,
            since: told.at,
        }),
        _ => None,
    }
}

/// A duration as people read it: three figures or so.
pub(super) fn short(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds >= 1_000.0 {
        format!("{:.3} s", milliseconds / 1e3)
    } else if milliseconds >= 10.0 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{milliseconds:.2} ms")
    }
}
