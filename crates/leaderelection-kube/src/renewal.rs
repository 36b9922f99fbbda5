//! Credentials that the apiserver takes no longer, fetched anew.
//!
//! kube reads token files anew, and runs a plugin again when the time comes that it named. All else it keeps for good: the
//! token of a kubeconfig, what a plugin gave without an end, a client certificate. When such a thing ends, the apiserver says
//! 401, and has done nothing. Then the place that the credentials came from is asked again, and the next call has what it gives.
//! The call that was refused fails as it would have: nothing is sent twice (SAFETY 8).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode, Uri};
use kube::Client;
use kube::client::Body;
use leaderelection::{Clock, MonoTime, SystemClock};
use tokio::runtime::Handle;
use tower::service_fn;

use crate::config::{self, Source};
use crate::setup::SetupError;

/// From one time that credentials are fetched to the next: so soon that a term outlives a file which is written a little after
/// the old token has ended, and ever less often for a client that is not let in at all, whose plugin may ask a person.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A client of that source, whose credentials are renewed.
pub(crate) async fn client(source: Source) -> Result<(Client, Uri), SetupError> {
    let config = source.load().await?;
    let cluster = config.cluster_url.clone();
    let client = config::client(config).await?;
    let namespace = client.default_namespace().to_owned();
    let renewal = Arc::new(Renewal {
        source,
        cluster: cluster.clone(),
        state: Mutex::new(State {
            client,
            number: 0,
            busy: false,
            pause: FIRST_PAUSE,
            not_before: MonoTime::ZERO,
        }),
    });
    let renewed = service_fn(move |request: Request<Body>| Arc::clone(&renewal).send(request));
    Ok((Client::new(renewed, namespace), cluster))
}

struct Renewal {
    source: Source,
    /// The one that was connected to at first: credentials are for this one, and no other is the same election.
    cluster: Uri,
    state: Mutex<State>,
}

struct State {
    client: Client,
    /// Counts the clients, so that late refusals of an old one do not end a new one.
    number: u64,
    busy: bool,
    pause: Duration,
    not_before: MonoTime,
}

impl Renewal {
    async fn send(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let (client, number) = {
            let state = self.state();
            (state.client.clone(), state.number)
        };
        let answer = client.send(request).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.refused(number);
        } else {
            self.state().pause = FIRST_PAUSE;
        }
        Ok(answer)
    }

    /// On a task of its own: a plugin may take longer than a call, and a call may be given up.
    fn refused(self: Arc<Self>, number: u64) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let now = SystemClock.mono();
        {
            let mut state = self.state();
            if state.busy || state.number != number || now < state.not_before {
                return;
            }
            state.busy = true;
            state.not_before = now.after(state.pause);
            state.pause = (state.pause * 2).min(LONGEST_PAUSE);
        }
        runtime.spawn(async move {
            let made = self.fetched().await;
            let mut state = self.state();
            state.busy = false;
            let server = config::server(&self.cluster);
            match made {
                Ok(client) => {
                    state.client = client;
                    state.number += 1;
                    tracing::info!(server, "the credentials were refused, and have been fetched anew");
                }
                Err(error) => {
                    tracing::warn!(server, %error, "the credentials were refused, and there are no new ones");
                }
            }
        });
    }

    async fn fetched(&self) -> Result<Client, SetupError> {
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
