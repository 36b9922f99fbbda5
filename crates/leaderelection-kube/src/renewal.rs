//! Credentials that the apiserver takes no longer, fetched anew.
//!
//! kube reads token files anew, and runs a plugin again when the time comes that it named. All else it keeps for good: the
//! token of a kubeconfig, what a plugin gave without an end, a client certificate. When such a thing ends, the apiserver says
//! 401, and has done nothing. Then the place that the credentials came from is asked again, and the next call has what it gives.
//! The call that was refused fails as it would have: nothing is sent twice (SAFETY 8).
//!
//! A plugin may hang. After [`HANGS`] that is taken for a refusal, and it is run again beside; whichever answers first is
//! taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode, Uri, header};
use kube::Client;
use kube::client::Body;
use leaderelection::{Clock, MonoTime, SystemClock};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tower::service_fn;

use crate::config::{self, Made, Source};
use crate::setup::SetupError;

/// From one time that credentials are fetched to the next: so soon that a term outlives a file which is written a little after
/// the old token has ended, and ever less often for a client that is not let in at all, whose plugin may ask a person.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a plugin may take before it is run once more beside: as long as a connection may take, so that a renew deadline of
/// 10 s leaves time for another try. For a third it is twice as long, and so on: of a plugin that hangs for ever some 16 are
/// there after a day, each of which holds a thread of the runtime.
const HANGS: Duration = Duration::from_secs(3);

/// A client of that source, whose credentials are renewed.
pub(crate) async fn client(source: Source) -> Result<(Client, Uri), SetupError> {
    let runtime = Handle::try_current().map_err(|_| SetupError::NoRuntime)?;
    let config = source.load().await?;
    let cluster = config.cluster_url.clone();
    let made = config::client(config).await?;
    let namespace = made.client.default_namespace().to_owned();
    let renewal = Arc::new(Renewal {
        source,
        cluster: cluster.clone(),
        runtime,
        state: Mutex::new(State {
            made,
            number: 0,
            runs: 0,
            pause: FIRST_PAUSE,
            not_before: MonoTime::ZERO,
            hangs_from: MonoTime::ZERO,
        }),
        renewed: Notify::new(),
    });
    let renewed = service_fn(move |request: Request<Body>| Arc::clone(&renewal).send(request));
    Ok((Client::new(renewed, namespace), cluster))
}

struct Renewal {
    source: Source,
    /// The one that was connected to at first: credentials are for this one, and no other is the same election.
    cluster: Uri,
    /// Where it was made.
    runtime: Handle,
    state: Mutex<State>,
    /// Whenever there is another client.
    renewed: Notify,
}

struct State {
    made: Made,
    /// Counts the clients, so that late refusals of an old one do not end a new one.
    number: u64,
    /// How often credentials are being fetched, none of which has come to its end.
    runs: u32,
    pause: Duration,
    not_before: MonoTime,
    /// When the last of the runs has taken too long.
    hangs_from: MonoTime,
}

impl Renewal {
    async fn send(self: Arc<Self>, mut request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let (client, number) = self.authorize(&mut request).await?;
        let answer = client.send(request).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.refused(number);
        } else {
            self.state().pause = FIRST_PAUSE;
        }
        Ok(answer)
    }

    /// Puts the credentials into a request, and says by which client to send it.
    async fn authorize(self: &Arc<Self>, request: &mut Request<Body>) -> Result<(Client, u64), kube::Error> {
        loop {
            // From before the look at the state on: nothing is missed.
            let renewed = self.renewed.notified();
            let (Made { client, credentials }, number) = {
                let state = self.state();
                (state.made.clone(), state.number)
            };
            let Some(credentials) = credentials else {
                return Ok((client, number));
            };
            let (since, asked) = credentials.ask(&self.runtime);
            let hangs_from = since.after(HANGS);
            let hangs = SystemClock.mono() >= hangs_from;
            if hangs {
                Arc::clone(self).refused(number);
            }
            tokio::select! {
                shown = asked => {
                    let shown = shown.map_err(|error| kube::Error::Service(error.into()))?;
                    if let Some(shown) = shown {
                        request.headers_mut().insert(header::AUTHORIZATION, shown);
                    }
                    return Ok((client, number));
                }
                () = renewed => {}
                () = SystemClock.sleep_until(hangs_from), if !hangs => {}
            }
        }
    }

    /// On a task of its own: a plugin may take longer than a call, and a call may be given up.
    fn refused(self: Arc<Self>, number: u64) {
        let now = SystemClock.mono();
        {
            let mut state = self.state();
            if state.number != number || now < state.not_before {
                return;
            }
            if state.runs > 0 && now < state.hangs_from {
                return;
            }
            state.not_before = now.after(state.pause);
            state.pause = (state.pause * 2).min(LONGEST_PAUSE);
            state.hangs_from = now.after(HANGS.saturating_mul(2_u32.saturating_pow(state.runs)));
            state.runs += 1;
        }
        let runtime = self.runtime.clone();
        runtime.spawn(async move {
            let fetched = self.fetched().await;
            let mut state = self.state();
            state.runs -= 1;
            let server = config::server(&self.cluster);
            match fetched {
                // Another run was first.
                _ if state.number != number => {}
                Ok(made) => {
                    state.made = made;
                    state.number += 1;
                    self.renewed.notify_waiters();
                    tracing::info!(
                        server,
                        "the credentials were refused or did not come, and have been fetched anew"
                    );
                }
                Err(error) => {
                    tracing::warn!(server, %error, "the credentials were refused or did not come, and there are no new ones");
                }
            }
        });
    }

    async fn fetched(&self) -> Result<Made, SetupError> {
        let config = self.source.load().await?;
        if config.cluster_url != self.cluster {
            return Err(SetupError::OtherCluster {
                before: config::server(&self.cluster),
                now: config::server(&config.cluster_url),
            });
        }
        config::client(config).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
