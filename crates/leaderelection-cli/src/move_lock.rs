//! `leaderelect move`: a [`Move`] until it is done or told to stop.

use std::io;
use std::process::ExitCode;

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
    let mover = async {
        // These may run a credential plugin, which may take its time.
        let from = args.from.open(etcd).await.map_err(Failure::Lock)?.lock;
        let to = args.to.open(etcd).await.map_err(Failure::Lock)?.lock;
        let elector = LeaderElector::builder(from, Identity::unique())
            .timing(timing)
            .build()?;
        Ok::<_, Failure>(Move::new(elector, to).named(&from_name, &to_name))
    };
    let mut mover = tokio::select! {
        mover = mover => mover?,
        () = &mut stop => return Ok(Ended::Stopped),
    };
    if args.even_if_in_use {
        mover = mover.even_if_in_use();
    }
    // A mover that leads FROM when it is told to stop releases it.
    let moved = mover.run(stop).await?;
    if moved == Ended::Finished(()) {
        tracing::info!("{from_name} is moved to {to_name}");
    }
    Ok(moved)
}
