//! One Event after the other, each once.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{self, Either};
use http::{Method, Request, header};
use leaderelection::LockError;
use serde::Deserialize;
use tokio::sync::mpsc::Receiver;

use super::EventRecorder;
use super::text::{Found, Transition};
use crate::creation::FIELD_MANAGER;
use crate::failure::{Call, Verb};
use crate::object::{self, METADATA_ONLY, Resource};
use crate::once;
use crate::status::Answer;

/// How long one Event may take.
const ATTEMPT: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    recorder: EventRecorder,
    identity: String,
    resource: &'static Resource,
    /// What the last answer said: the object may be gone when a term ends, and the Event is about it all the same.
    found: Found,
    failing: bool,
}

impl Writer {
    pub(super) fn new(recorder: EventRecorder, identity: String) -> Self {
        let resource = object::resource(recorder.reference.kind());
        Self {
            recorder,
            identity,
            resource,
            found: Found::default(),
            failing: false,
        }
    }

    /// Ends when nothing more can come.
    pub(super) async fn write_all(mut self, mut waiting: Receiver<Transition>) {
        while let Some(transition) = waiting.recv().await {
            let clock = self.recorder.clock.clone();
            let end = clock.sleep_until(clock.mono().after(ATTEMPT));
            let outcome = match future::select(pin!(self.write(transition)), end).await {
                Either::Left((outcome, _)) => outcome.map_err(|error| error.to_string()),
                Either::Right(((), _)) => Err(format!("no answer within {ATTEMPT:?}")),
            };
            self.tell(outcome);
        }
    }

    async fn write(&mut self, transition: Transition) -> Result<(), LockError> {
        match self.look().await {
            Ok(found) => self.found = found,
            Err(error) => tracing::debug!(%error, "an Event is written without a look at the lock's object"),
        }
        let lock = &self.recorder.reference;
        let name = transition.event_name(lock);
        let event = transition.event(
            &name,
            (lock, self.resource),
            &self.found,
            &self.identity,
            &self.recorder.component,
        );
        let object = format!("events {}/{name}", lock.namespace());
        let call = self.call(Verb::Create, &object);
        let path = format!(
            "/api/v1/namespaces/{}/events?fieldManager={}",
            lock.namespace(),
            FIELD_MANAGER
        );
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        let answer = self.ask(&call, request, event.to_string().into_bytes()).await?;
        if answer.code.is_success() {
            Ok(())
        } else {
            Err(call.refused(&answer))
        }
    }

    /// The object of the lock as it is now.
    async fn look(&self) -> Result<Found, LockError> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            uid: String,
            resource_version: String,
        }
        let (lock, Resource { api, plural, .. }) = (&self.recorder.reference, self.resource);
        let object = format!("{plural} {}/{}", lock.namespace(), lock.name());
        let call = self.call(Verb::Get, &object);
        let path = format!("{api}/namespaces/{}/{plural}/{}", lock.namespace(), lock.name());
        let request = Request::builder().method(Method::GET).uri(path);
        let answer = self.ask(&call, request, Vec::new()).await?;
        if !answer.code.is_success() {
            return Err(call.refused(&answer));
        }
        let Object { metadata } = serde_json::from_slice(&answer.body)
            .map_err(|error| call.nonsense(&format!("the answer is no object: {error}")))?;
        Ok(Found {
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        })
    }

    /// One request, sent once, whatever the client would do; and of the answer the metadata.
    async fn ask(
        &self,
        call: &Call<'_>,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Answer, LockError> {
        let body = once::body(body).await.map_err(|error| call.broken(error))?;
        let request = request
            .header(header::ACCEPT, METADATA_ONLY)
            .body(body)
            .map_err(|error| call.broken(error))?;
        let client = self.recorder.connection.client();
        let response = client.send(request).await.map_err(|error| call.broken(error))?;
        object::collect(call, response).await
    }

    fn call<'a>(&'a self, verb: Verb, object: &'a str) -> Call<'a> {
        Call {
            verb,
            object,
            server: self.recorder.connection.server(),
        }
    }

    /// Only the first failure is worth a person's attention until one is written.
    fn tell(&mut self, outcome: Result<(), String>) {
        let lock = &self.recorder.reference;
        match outcome {
            Ok(()) => self.failing = false,
            Err(error) if self.failing => {
                tracing::debug!(%lock, error, "still no Event can be written");
            }
            Err(error) => {
                self.failing = true;
                tracing::warn!(%lock, error, "an Event could not be written; the election goes on without");
            }
        }
    }
}
