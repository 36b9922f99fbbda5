//! Kubernetes' Events of an election: who became leader, who stopped leading, as client-go tells it.
//!
//! ```text
//! election's events -- listen --> queue (bounded) -- Writer --> apiserver
//! ```
//!
//! Both ends are one task of their own, which only ever reads what the election tells: whatever becomes of an Event, no
//! renewal and no release waits for it.

mod text;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either};
use leaderelection::{Clock, Event, Events, LeaderElector, SystemClock};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;

use self::text::Transition;
use self::writer::Writer;
use crate::connection::KubeConnection;
use crate::lock_ref::LockRef;
use crate::setup::SetupError;

/// How many Events may wait behind one that the apiserver does not answer. Then new ones are dropped.
const QUEUE: usize = 16;

/// Writes Kubernetes' Events about an election onto the object of its lock, as client-go does when its lock has an
/// `EventRecorder`: type `Normal`, reason `LeaderElection`, message `ID became leader` or `ID stopped leading`.
///
/// `kubectl describe` shows them below the object, and `kubectl get events` in its namespace.
///
/// They are written as well as can be, and no better: one attempt for each, for at most 5 s; what comes faster than the
/// apiserver takes it is dropped; failures are logged, the first as a warning. The election never waits for them; but if you have
/// made the client yourself, and it takes only so many calls at once, an Event that hangs takes one of them for 5 s: then give
/// this a connection of its own.
///
/// It needs the permission to `create` `events` in the lock's namespace, and reads the object's uid by the `get` that the lock
/// has anyway. Where that read fails, Events have no uid, and `kubectl describe` does not find them. Unlike client-go, which
/// counts up an Event that comes again (and needs `patch` for it), this writes each anew.
///
/// ```no_run
/// use leaderelection::{Identity, LeaderElector};
/// use leaderelection_kube::{EventRecorder, KubeConnection, LockRef};
/// # use std::time::Duration;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let kube = KubeConnection::infer().await?;
/// let lock = LockRef::endpoints("my-namespace", "my-controller")?;
/// let elector = LeaderElector::builder(kube.lock(&lock), Identity::unique()).build()?;
/// let recording = EventRecorder::new(&kube, &lock, "my-controller").record(&elector)?;
/// let ended = elector
///     .run(tokio::signal::ctrl_c(), |leadership| async move { leadership.stop_requested().await })
///     .await;
/// // The program ends now, also where the election failed: a moment for the last one.
/// recording.finish(Duration::from_secs(1)).await;
/// ended?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EventRecorder {
    connection: KubeConnection,
    reference: LockRef,
    component: String,
    clock: Arc<dyn Clock>,
}

/// An election whose Events are being written. Dropping this changes nothing: it goes on until the election has ended.
#[derive(Debug)]
pub struct EventRecording {
    task: JoinHandle<()>,
    clock: ClockOf,
}

struct ClockOf(Arc<dyn Clock>);

impl EventRecorder {
    /// Events about that lock, written in the name of `component`, such as the name of the program: it stands in their
    /// `source.component` and `reportingComponent`.
    pub fn new(connection: &KubeConnection, reference: &LockRef, component: impl Into<String>) -> Self {
        Self {
            connection: connection.clone(),
            reference: reference.clone(),
            component: component.into(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The clock; the machine's own unless set. Give the elector's, where a test gives that one.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Writes the Events of that election, from its start to its end, on a task of its own.
    ///
    /// # Errors
    /// When there is no runtime.
    #[allow(
        clippy::disallowed_methods,
        reason = "nothing that is awaited on the elector's tasks may write Events"
    )]
    pub fn record(self, elector: &LeaderElector) -> Result<EventRecording, SetupError> {
        let runtime = Handle::try_current().map_err(|_| SetupError::NoRuntime)?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let clock = Arc::clone(&self.clock);
        let lock = self.reference.to_string();
        let listening = listen(elector.events(), queue, Arc::clone(&clock), lock);
        let identity = elector.identity().as_str().to_owned();
        let writing = Writer::new(self, identity).write_all(waiting);
        let task = runtime.spawn(async move {
            future::join(listening, writing).await;
        });
        Ok(EventRecording {
            task,
            clock: ClockOf(clock),
        })
    }
}

impl EventRecording {
    /// Waits, after the end of the election, until its last Events are written or given up, and for no longer than `within`.
    /// Answers whether they are; if not, they may still be, while the runtime lives.
    ///
    /// Only for a program that ends now: an Event that is on its way ends with the runtime.
    pub async fn finish(self, within: Duration) -> bool {
        let clock = self.clock.0;
        let end = clock.sleep_until(clock.mono().after(within));
        match future::select(self.task, end).await {
            Either::Left((ended, _)) => ended.is_ok(),
            Either::Right(((), _)) => false,
        }
    }
}

/// Puts what is worth an Event into the queue, and waits for nothing but the election.
async fn listen(mut events: Events, queue: Sender<Transition>, clock: Arc<dyn Clock>, lock: String) {
    while let Some(event) = events.recv().await {
        let transition = match event {
            Event::Started { token, .. } => Transition::became_leader(clock.wall(), token),
            Event::Stopped { .. } => Transition::stopped_leading(clock.wall()),
            _ => continue,
        };
        if queue.try_send(transition).is_err() {
            tracing::debug!(lock, "too many Events are waiting: one is dropped");
        }
    }
}

impl fmt::Debug for EventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder")
            .field("connection", &self.connection)
            .field("reference", &self.reference)
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClockOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
