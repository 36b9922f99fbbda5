//! `leaderelect status`: who leads by a lock, seen from outside. It reads and never writes.
//!
//! ```text
//! args.rs       what it is told, and what --help says of codes and fields
//! seen.rs       what was seen, and what has changed: without clock and store
//! problems.rs   what is odd about a record
//! report.rs     what is said: the fields of --output json      text.rs: the same for people
//! follow.rs     --watch: reads and watches, over and over
//! source.rs     a lock that can only be read, each call within its time
//! out.rs        standard output, which somebody may close
//! ```

mod args;
mod follow;
mod out;
mod problems;
mod report;
mod seen;
mod source;
mod text;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::io;
use std::process::ExitCode;

use leaderelection::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};

use self::args::Output;
pub(crate) use self::args::StatusArgs;
use self::follow::{Backoff, Tell};
use self::report::{Report, State};
use self::seen::Viewer;
use self::source::{Source, within};
use crate::args::refuse;
use crate::etcd_args::EtcdAccess;
use crate::log;

/// Runs it, and answers with the exit code that `--help` promises.
pub(crate) fn run(args: StatusArgs) -> ExitCode {
    let etcd = match args.etcd() {
        Ok(etcd) => etcd,
        Err(error) => refuse("status", error),
    };
    log::to_stderr();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            let ended = if args.watch {
                runtime.block_on(watch(&args, &etcd))
            } else {
                runtime.block_on(look(&args, &etcd))
            };
            // Dropped, it would wait for a credential plugin, a name server, or a reader of its output.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(state) => ExitCode::from(state.exit_code()),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The lock's name and the lock; a name alone where opening it took too long.
#[cfg_attr(
    not(any(feature = "etcd", feature = "kube")),
    allow(unused_variables, reason = "there is no lock to open")
)]
async fn open(args: &StatusArgs, etcd: &EtcdAccess, viewer: &mut Viewer) -> Result<Option<Source>, String> {
    // This may run a credential plugin, which may take its time.
    match within(
        &SystemClock,
        args.timeout,
        "opening of the lock",
        args.lock.clone().open(etcd),
    )
    .await
    {
        Ok(opened) => Ok(Some(Source::new(opened?.lock, args.timeout))),
        Err(why) => {
            viewer.failed(why);
            Ok(None)
        }
    }
}

async fn look(args: &StatusArgs, etcd: &EtcdAccess) -> Result<State, String> {
    let mut viewer = Viewer::default();
    let mut name = args.lock.name_in_a_move();
    if let Some(source) = open(args, etcd, &mut viewer).await? {
        name = source.name();
        match source.get(&SystemClock).await {
            Ok(observation) => drop(viewer.read(SystemClock.mono(), observation)),
            Err(why) => drop(viewer.failed(why)),
        }
    }
    let report = Report::new(&name, &viewer, None, SystemClock.now());
    let text = match args.output {
        Output::Text => text::lines(&report),
        Output::Json => json(&report),
    };
    // Whoever closed it has the exit code.
    match out::write(&text).await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(report.state),
    }
}

async fn watch(args: &StatusArgs, etcd: &EtcdAccess) -> Result<State, String> {
    let signals = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut terminate, mut interrupt) = (
        signals(SignalKind::terminate())?,
        signals(SignalKind::interrupt())?,
    );
    // Nothing seen is nothing reached.
    let last = Cell::new(State::Unreachable);
    let problems = RefCell::new(Vec::new());
    let telling = async {
        let tell = Tell::new(&SystemClock, async |report: Report| {
            last.set(report.state);
            out::write(&match args.output {
                Output::Text => text::line(&report, &mut problems.borrow_mut()),
                Output::Json => json(&report),
            })
            .await
        });
        let mut viewer = Viewer::default();
        let mut backoff = Backoff::default();
        let source = loop {
            if let Some(source) = open(args, etcd, &mut viewer).await? {
                break source;
            }
            if backoff.is_first() {
                tell.tell(&args.lock.name_in_a_move(), &viewer, seen::Event::Unreachable)
                    .await
                    .map_err(|error| error.to_string())?;
            }
            backoff.pause(&SystemClock).await;
        };
        match follow::follow(&source, viewer, &tell).await {
            error if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            error => Err(format!("standard output: {error}")),
        }
    };
    tokio::select! {
        told = telling => told?,
        () = out::closed(&SystemClock) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(last.get())
}

fn json(report: &Report) -> String {
    // It has no map with keys that are not text, so this does not fail.
    serde_json::to_string(report).unwrap_or_default() + "\n"
}
