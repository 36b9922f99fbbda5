//! `leaderelect move`: a [`Move`] until it is done or told to stop; with `--guard` also what follows on it.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use leaderelection::{ElectionError, Ended, Identity, LeaderElector, LeaseTiming, Move, MoveError};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{self, MoveArgs};
use crate::etcd_args::EtcdAccess;
use crate::log;

/// As a shell says that a program was ended by SIGTERM: what comes after `&&` must not begin.
const STOPPED: u8 = 128 + 15;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Lock(String),
    #[error(transparent)]
    Election(#[from] ElectionError),
    #[error(transparent)]
    Move(#[from] MoveError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs it, and answers with the exit code that `--help` promises.
pub(crate) fn run(args: MoveArgs) -> ExitCode {
    let timing = match args.timing() {
        Ok(timing) => timing,
        Err(error) => args::refuse("move", error),
    };
    let etcd = match args.etcd() {
        Ok(etcd) => etcd,
        Err(error) => args::refuse("move", error),
    };
    let name = args.from.name_in_a_move();
    if name == args.to.name_in_a_move() {
        args::refuse(
            "move",
            format!(
                "--from and --to are both {name} in one another's record: an election cannot be moved to itself, nor to a lock of the \
                 same name in another cluster"
            ),
        );
    }
    log::to_stderr();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(move_lock(args, &etcd, timing));
            // Dropped, it would wait for a credential plugin or a name server that never answers.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(Ended::Finished(())) => ExitCode::SUCCESS,
        Ok(Ended::Stopped) => {
            tracing::warn!("stopped before the election was moved");
            ExitCode::from(STOPPED)
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn move_lock(args: MoveArgs, etcd: &EtcdAccess, timing: LeaseTiming) -> Result<Ended<()>, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let mut stop = std::pin::pin!(stop);
    let (from_name, to_name) = (args.from.name_in_a_move(), args.to.name_in_a_move());
    let opened = async {
        // These may run a credential plugin, which may take its time.
        let from = args.from.open(etcd).await.map_err(Failure::Lock)?.lock;
        let to = args.to.open(etcd).await.map_err(Failure::Lock)?.lock;
        Ok::<_, Failure>((from, to))
    };
    let (from, to) = tokio::select! {
        opened = opened => opened?,
        () = &mut stop => return Ok(Ended::Stopped),
    };
    let a_move = || -> Result<Move, ElectionError> {
        let elector = LeaderElector::builder(Arc::clone(&from), Identity::unique())
            .timing(timing.clone())
            .build()?;
        Ok(Move::new(elector, Arc::clone(&to)).named(&from_name, &to_name))
    };
    let mut mover = a_move()?;
    if args.even_if_in_use {
        mover = mover.even_if_in_use();
    }
    // A mover that leads FROM when it is told to stop releases it.
    if mover.run(&mut stop).await? == Ended::Stopped {
        return Ok(Ended::Stopped);
    }
    tracing::info!("{from_name} is moved to {to_name}");
    if args.guard {
        tracing::info!("guarding {from_name} until told to stop");
        match a_move()?.guard(&mut stop).await? {
            // The move itself is done: nothing after `&&` has to wait for another.
            Ended::Stopped => tracing::info!("{from_name} is guarded no longer"),
            Ended::Finished(()) => {
                tracing::warn!("{from_name} is guarded no longer: the election was moved back")
            }
        }
    }
    Ok(Ended::Finished(()))
}
