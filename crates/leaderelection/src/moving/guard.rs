//! What keeps a closed lock closed: [`Move::guard`].

use std::pin::pin;

use futures_util::FutureExt;

use super::step::Standing;
use super::{Beside, Move, MoveError};
use crate::elector::Ended;

impl Move {
    /// Stays by the old lock after the move, and closes it again when somebody has opened it, until `stop`.
    ///
    /// A closed lock is opened by whoever writes over it without respecting it: a leader of client-go with ReleaseOnCancel that
    /// wakes after longer than its lease, a client that empties the holder, a deletion. Then old candidates that are left lead by
    /// it, beside those of the new lock. The guard waits by the old lock like a candidate, is told by its watch, and closes the
    /// lock in a term of its own, in which nobody else is at work by it. Where an old candidate is faster, two are at work until
    /// that one has gone, and then it is closed: the guard makes that short and unlikely, and only the end of the last old
    /// candidate makes it impossible.
    ///
    /// Run it when the election is moved ([`run`](Self::run)), beside the work by the new lock, for as long as old candidates may
    /// be left; any number may run at once. Where it finds no record it does as its elector was set (SAFETY 18): nobody leads by a
    /// closed lock whose record is deleted. It closes nothing unless the new lock is open, and ends when the election has been
    /// moved back.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn guard<S: Future>(self, stop: S) -> Result<Ended<()>, MoveError> {
        self.names_differ()?;
        let mut stop = pin!(stop.fuse());
        loop {
            let mut stopped = false;
            let enough = async {
                (&mut stop).await;
                stopped = true;
            };
            let ended = self
                .candidacy
                .elector()
                .run(enough, |leadership| self.close(leadership, Beside::Open))
                .await?;
            if let Ended::Finished(closed) = ended {
                closed?;
            }
            if stopped {
                return Ok(Ended::Stopped);
            }
            if self.look(&self.to).await?.standing == Standing::Moved {
                return Ok(Ended::Finished(()));
            }
            tokio::select! {
                biased;
                _ = &mut stop => return Ok(Ended::Stopped),
                () = self.pause(None) => {}
            }
        }
    }

    /// A lock that were moved to itself would be closed for good.
    pub(super) fn names_differ(&self) -> Result<(), MoveError> {
        if self.from.name == self.to.name {
            return Err(MoveError::Same {
                name: self.to.name.clone(),
            });
        }
        Ok(())
    }
}
