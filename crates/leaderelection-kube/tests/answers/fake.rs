//! A server that gives one answer to everything and remembers what it was asked.
#![expect(unreachable_pub, reason = "a module of a test, which is no library")]

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, header};
use http_body_util::StreamBody;
use kube::Client;
use kube::client::Body;
use leaderelection_kube::{EndpointsLock, KubeConnection, SetupError};
use tower::BoxError;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub accept: String,
    pub content_type: String,
    pub body: String,
}

/// What is answered.
#[derive(Clone)]
pub struct Answer {
    code: u16,
    body: String,
    retry_after: Option<String>,
    piece: usize,
    broken: bool,
    error: Option<fn() -> BoxError>,
}

pub struct Fake {
    answer: Answer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Answer {
    pub fn new(code: u16, body: String) -> Self {
        Self {
            code,
            body,
            retry_after: None,
            piece: usize::MAX,
            broken: false,
            error: None,
        }
    }

    /// No answer at all.
    pub fn none(error: fn() -> BoxError) -> Self {
        Self {
            error: Some(error),
            ..Self::new(200, String::new())
        }
    }

    pub fn retry_after(self, value: &str) -> Self {
        Self {
            retry_after: Some(value.to_owned()),
            ..self
        }
    }

    /// In pieces of so many bytes.
    pub fn in_pieces(self, piece: usize) -> Self {
        Self { piece, ..self }
    }

    /// With a connection that breaks at the end of it.
    pub fn broken(self) -> Self {
        Self { broken: true, ..self }
    }

    fn give(
        &self,
    ) -> Result<Response<impl http_body::Body<Data = Bytes, Error = BoxError> + Send + use<>>, BoxError> {
        if let Some(error) = self.error {
            return Err(error());
        }
        let mut pieces: Vec<Result<_, BoxError>> = self
            .body
            .as_bytes()
            .chunks(self.piece)
            .map(|piece| Ok(http_body::Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        if self.broken {
            pieces.push(Err("connection reset".into()));
        }
        let mut response = Response::builder().status(self.code);
        if let Some(value) = &self.retry_after {
            response = response.header(header::RETRY_AFTER, value);
        }
        Ok(response.body(StreamBody::new(stream::iter(pieces).boxed()))?)
    }
}

impl Fake {
    pub fn new(answer: Answer) -> Self {
        Self {
            answer,
            seen: Arc::default(),
        }
    }

    pub fn lock(&self) -> Result<EndpointsLock, SetupError> {
        self.connection().endpoints("ns", "leader")
    }

    pub fn connection(&self) -> KubeConnection {
        let (answer, seen) = (self.answer.clone(), Arc::clone(&self.seen));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (answer, seen) = (answer.clone(), Arc::clone(&seen));
            async move {
                let (head, body) = request.into_parts();
                let text = |headers: &HeaderMap, name| {
                    headers
                        .get(name)
                        .and_then(|value| value.to_str().ok())
                        .unwrap_or_default()
                        .to_owned()
                };
                let body = body.collect_bytes().await?;
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen {
                    method: head.method.to_string(),
                    path: head.uri.to_string(),
                    accept: text(&head.headers, header::ACCEPT),
                    content_type: text(&head.headers, header::CONTENT_TYPE),
                    body: String::from_utf8_lossy(&body).into_owned(),
                });
                answer.give()
            }
        });
        KubeConnection::from_client(Client::new(service, "default"))
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
