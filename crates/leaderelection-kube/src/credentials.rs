//! What a request is authorized by, asked for beside the calls.
//!
//! kube asks for it within a call. A plugin whose token has come to its end runs while the call waits, and the next call runs it
//! again when this one was given up: a plugin that hangs would be run by every call of an election, each time on a thread of
//! the runtime, until it has none left and nothing goes on. Here one task asks for all calls at once, and goes on when
//! they are given up.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::{HeaderValue, Request, Response, header};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use leaderelection::{Clock, MonoTime, SystemClock};
use tokio::runtime::Handle;
use tower::{BoxError, Layer, service_fn};

/// The value of `Authorization`, or why there is none.
type Asking = Shared<BoxFuture<'static, Result<Option<HeaderValue>, Arc<kube::Error>>>>;

/// Takes kube's place in asking. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// Answers what kube would send.
    shown: Client,
    asking: Arc<Mutex<Option<(MonoTime, Asking)>>>,
}

impl Credentials {
    /// Takes them out of a configuration, of which a client can be made that asks for none. `None` where there are none but
    /// perhaps a certificate, which stays. Runs the plugin, and waits for it.
    pub(crate) fn taken_from(config: &mut Config) -> Result<Option<Self>, kube::Error> {
        let Some(layer) = config.auth_layer()? else {
            return Ok(None);
        };
        let authorized = &mut config.auth_info;
        authorized.username = None;
        authorized.password = None;
        authorized.token = None;
        authorized.token_file = None;
        authorized.auth_provider = None;
        authorized.exec = None;
        let show = service_fn(|request: Request<Body>| async move {
            let mut shown = Response::new(Body::empty());
            *shown.headers_mut() = request.into_parts().0.headers;
            Ok::<_, BoxError>(shown)
        });
        Ok(Some(Self {
            shown: Client::new(layer.layer(show), ""),
            asking: Arc::default(),
        }))
    }

    /// Asks, or joins those who have asked and have no answer yet; and since when they ask.
    pub(crate) fn ask(&self, runtime: &Handle) -> (MonoTime, Asking) {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, asked)) = &*asking
            && asked.peek().is_none()
        {
            return (*since, asked.clone());
        }
        let shown = self.shown.clone();
        let asked = async move {
            let shown = shown.send(Request::new(Body::empty())).await?;
            Ok(shown.headers().get(header::AUTHORIZATION).cloned())
        };
        let asked = asked.map(|asked| asked.map_err(Arc::new)).boxed().shared();
        // Who asks may be given up at any time.
        runtime.spawn(asked.clone());
        let news = (SystemClock.mono(), asked);
        *asking = Some(news.clone());
        news
    }
}
