//! The user's closures, on a thread of their own: in order, never at once, and a slow one holds up no renewal on any runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use tokio::sync::watch;

use super::builder::{OnNewLeader, OnStopped};
use super::event::{Event, TermEnd};
use crate::election::ElectionEvent;

/// Where the driver's side puts what the closures are to be told. Dropping it lets the thread end.
pub(super) struct Callbacks(mpsc::Sender<Told>);

enum Told {
    Stopped(TermEnd),
    NewLeader(String),
}

impl Callbacks {
    /// Starts the thread, if there is anything to call. The receiver's sender is gone when all calls have been made.
    pub(super) fn start(
        on_stopped: Option<OnStopped>,
        on_new_leader: Option<OnNewLeader>,
    ) -> std::io::Result<Option<(Self, watch::Receiver<()>)>> {
        if on_stopped.is_none() && on_new_leader.is_none() {
            return Ok(None);
        }
        let (sender, receiver) = mpsc::channel();
        let (running, done) = watch::channel(());
        std::thread::Builder::new()
            .name("leaderelection".to_owned())
            .spawn(move || {
                call_back(&receiver, on_stopped, on_new_leader);
                drop(running);
            })?;
        Ok(Some((Self(sender), done)))
    }

    pub(super) fn tell(&self, event: &Event) {
        let told = match event {
            Event::Stopped { end, .. } => Told::Stopped(end.clone()),
            Event::Noticed(ElectionEvent::HolderChanged(Some(holder))) => Told::NewLeader(holder.clone()),
            _ => return,
        };
        // The thread ends only after this sender.
        let _ = self.0.send(told);
    }
}

fn call_back(
    told: &mpsc::Receiver<Told>,
    mut on_stopped: Option<OnStopped>,
    mut on_new_leader: Option<OnNewLeader>,
) {
    for told in told {
        // A closure that panics is called again: what it is told is too important to stop at one.
        let call = catch_unwind(AssertUnwindSafe(|| match told {
            Told::Stopped(end) => on_stopped.iter_mut().for_each(|call| call(end.clone())),
            Told::NewLeader(holder) => on_new_leader.iter_mut().for_each(|call| call(holder.clone())),
        }));
        if let Err(panic) = call {
            tracing::error!(panic = super::message_of(&*panic), "a callback panicked");
        }
    }
}
