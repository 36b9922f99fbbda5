//! Requests that a client cannot send twice.
//!
//! kube's own clients retry by default, up to 15 times, whatever the method. A swap that is repeated in secret would break
//! SAFETY 8, and its last answer would hide what became of the first: "too many requests" after a time-out that landed
//! does not mean that nothing was written (SAFETY 9). A client that the user brought has that retry; its policy repeats a
//! request only where it can clone the body, and a streamed body cannot be cloned.

use std::convert::Infallible;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::runtime::Handle;
use tower::{BoxError, service_fn};

/// A body of these bytes that cannot be cloned.
///
/// kube makes one nowhere but of a response, so this one has been the response of a client without a server. That it
/// keeps its length, and is not sent twice, is tested.
///
/// Fails outside a tokio runtime, where kube's client panics.
pub(crate) async fn body(bytes: Vec<u8>) -> Result<Body, BoxError> {
    Handle::try_current()?;
    let echo = Client::new(
        service_fn(|request: Request<Body>| async move {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        }),
        "",
    );
    Ok(echo.send(Request::new(Body::from(bytes))).await?.into_body())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use http::StatusCode;
    use http_body::Body as _;
    use kube::client::retry::RetryPolicy;
    use tower::ServiceBuilder;
    use tower::retry::RetryLayer;

    use super::*;

    /// A client as the user may bring one, before a server that always answers 504, and how often it was asked.
    fn retrying() -> (Client, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let server = service_fn(move |_: Request<Body>| {
            counter.fetch_add(1, Ordering::Relaxed);
            async {
                let mut answer = Response::new(Body::empty());
                *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                Ok::<_, tower::BoxError>(answer)
            }
        });
        let service = ServiceBuilder::new()
            .layer(RetryLayer::new(RetryPolicy::server_retry()))
            .service(server);
        (Client::new(service, "default"), asked)
    }

    /// SAFETY 8.
    #[tokio::test(start_paused = true)]
    async fn the_retry_of_a_users_client_does_not_repeat_it() {
        let (client, asked) = retrying();
        let request = Request::new(body(b"{}".to_vec()).await.unwrap());
        assert_eq!(client.send(request).await.unwrap().status(), 504);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    /// The test above would show it.
    #[tokio::test(start_paused = true)]
    async fn an_ordinary_request_is_repeated() {
        let (client, asked) = retrying();
        let request = Request::new(Body::from(b"{}".to_vec()));
        assert_eq!(client.send(request).await.unwrap().status(), 504);
        assert_eq!(asked.load(Ordering::Relaxed), 16);
    }

    #[tokio::test]
    async fn it_keeps_its_length_and_its_bytes() {
        for bytes in [&b""[..], b"some"] {
            let body = body(bytes.to_vec()).await.unwrap();
            assert_eq!(body.size_hint().exact(), u64::try_from(bytes.len()).ok());
            assert_eq!(body.is_end_stream(), bytes.is_empty());
            assert!(body.try_clone().is_none());
            assert_eq!(body.collect_bytes().await.unwrap(), bytes);
        }
    }
}
