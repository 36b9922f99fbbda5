//! Compare-and-swap on one object of Kubernetes, whatever its kind and wherever it keeps the record.

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use leaderelection::{Expected, LeaderElectionRecord, LockError, Observation, Swap, Version};
use serde_json::{Map, Value};

use crate::connection::KubeConnection;
use crate::creation::Creation;
use crate::failure::{Call, Verb};
use crate::lock_ref::{Kind, LockRef};
use crate::once;
use crate::status::{self, Answer};
use crate::watch::Shared;
use crate::wire::Object;
use crate::{config_map, endpoints, lease};

/// More than any object can have: etcd takes 1.5 MiB, of which the apiserver's JSON may make six times as much (`\u003c`).
pub(crate) const LARGEST_ANSWER: usize = 16 << 20;

/// Metadata alone: what else an object holds never goes over the wire.
pub(crate) const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// A kind of object that can carry a record.
pub(crate) struct Resource {
    /// The path of its API, such as `/api/v1`.
    pub(crate) api: &'static str,
    /// Such as `v1`.
    pub(crate) api_version: &'static str,
    /// Such as `Endpoints`.
    pub(crate) kind: &'static str,
    /// Such as `endpoints`.
    pub(crate) plural: &'static str,
    /// The form in which answers are asked for.
    pub(crate) accept: &'static str,
    /// Takes the record from an object of that version.
    pub(crate) read: fn(&Object<'_>, Version) -> Observation,
    /// Puts a record into what is to be written, or says why such an object cannot hold it.
    pub(crate) write: fn(&mut Draft, &LeaderElectionRecord) -> Result<(), String>,
}

pub(crate) fn resource(kind: Kind) -> &'static Resource {
    match kind {
        Kind::Leases => &lease::LEASES,
        Kind::Endpoints => &endpoints::ENDPOINTS,
        Kind::ConfigMaps => &config_map::CONFIG_MAPS,
    }
}

/// What is to be written: everything that is not in it stays as it is.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) metadata: Map<String, Value>,
    /// Beside `metadata`, such as `spec`.
    pub(crate) fields: Map<String, Value>,
}

/// All objects of a kind in a namespace.
#[derive(Clone)]
pub(crate) struct Place {
    connection: KubeConnection,
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
}

impl Place {
    pub(crate) fn resource(&self) -> &'static Resource {
        resource(self.kind)
    }

    /// Resource, namespace and name, for errors.
    pub(crate) fn object(&self, name: &str) -> String {
        format!("{} {}/{name}", self.resource().plural, self.namespace)
    }

    pub(crate) fn call<'a>(&'a self, verb: Verb, object: &'a str) -> Call<'a> {
        Call {
            verb,
            object,
            server: self.connection.server(),
        }
    }

    /// Its path. Names were checked: they need no escaping.
    pub(crate) fn collection(&self) -> String {
        let Resource { api, plural, .. } = self.resource();
        format!("{api}/namespaces/{}/{plural}", self.namespace)
    }

    /// One request, sent once.
    pub(crate) async fn send(
        &self,
        call: &Call<'_>,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Response<Body>, LockError> {
        let body = once::body(body).await.map_err(|error| call.broken(error))?;
        let request = request
            .header(header::ACCEPT, self.resource().accept)
            .body(body)
            .map_err(|error| call.broken(error))?;
        self.connection
            .client()
            .send(request)
            .await
            .map_err(|error| call.broken(error))
    }
}

/// One object as a lock.
#[derive(Clone)]
pub(crate) struct ObjectLock {
    place: Place,
    resource: &'static Resource,
    reference: LockRef,
    shared: Option<Shared>,
    creation: Creation,
    /// Resource, namespace and name, for errors.
    object: String,
}

impl ObjectLock {
    pub(crate) fn new(connection: &KubeConnection, reference: LockRef) -> Self {
        let place = Place {
            // Shared watches outlive the locks that take part in them, and must not keep themselves alive.
            connection: connection.bare(),
            kind: reference.kind(),
            namespace: reference.namespace().to_owned(),
        };
        Self {
            resource: place.resource(),
            object: place.object(reference.name()),
            shared: connection.shared(&place, reference.name()),
            place,
            reference,
            creation: Creation::default(),
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    /// What else is written, which a lock's user chooses before the first call.
    pub(crate) fn creation(&mut self) -> &mut Creation {
        &mut self.creation
    }

    pub(crate) fn reference(&self) -> &LockRef {
        &self.reference
    }

    /// A read without a resourceVersion: the apiserver answers with what etcd holds, not with what it remembers (clause 1).
    pub(crate) async fn get(&self) -> Result<Observation, LockError> {
        self.in_turn(|| self.get_now()).await
    }

    pub(crate) async fn swap(
        &self,
        expected: Expected,
        record: &LeaderElectionRecord,
    ) -> Result<Swap, LockError> {
        self.in_turn(|| self.swap_now(expected, record)).await
    }

    /// A call that waits for the others that share the watch takes next to no memory meanwhile: what it sends is made when it is its turn.
    async fn in_turn<T, F>(&self, call: impl FnOnce() -> F) -> Result<T, LockError>
    where
        F: Future<Output = Result<T, LockError>>,
    {
        match &self.shared {
            Some(shared) => shared.crowd.one_of(call).await,
            None => Box::pin(call()).await,
        }
    }

    async fn get_now(&self) -> Result<Observation, LockError> {
        let call = self.call(Verb::Get);
        let answer = self.ask(&call, Method::GET, &self.item(), None).await?;
        match answer.code {
            code if code.is_success() => self
                .observe(&answer.body)
                .map_err(|problem| call.nonsense(&problem)),
            StatusCode::NOT_FOUND if self.is_missing(&answer) => Ok(Observation::Absent { as_of: None }),
            _ => Err(call.refused(&answer)),
        }
    }

    async fn swap_now(&self, expected: Expected, record: &LeaderElectionRecord) -> Result<Swap, LockError> {
        let verb = match expected {
            Expected::Absent => Verb::Create,
            Expected::Version(_) => Verb::Patch,
        };
        let call = self.call(verb);
        let mut draft = Draft::default();
        (self.resource.write)(&mut draft, record).map_err(|problem| call.impossible(&problem))?;
        match expected {
            Expected::Absent => self.create(&call, draft).await,
            // To the apiserver this means any version (SAFETY 8); nothing that exists has it.
            Expected::Version(version) if version.get() == 0 => Ok(Swap::Conflict(None)),
            Expected::Version(version) => self.patch(&call, version, draft).await,
        }
    }

    /// POST: the apiserver does it only where there is no object of that name.
    async fn create(&self, call: &Call<'_>, mut draft: Draft) -> Result<Swap, LockError> {
        self.creation.complete(&mut draft.metadata);
        let name = [
            ("namespace", self.reference.namespace()),
            ("name", self.reference.name()),
        ];
        draft
            .metadata
            .extend(name.map(|(field, value)| (field.to_owned(), value.into())));
        let kind = [
            ("apiVersion", self.resource.api_version),
            ("kind", self.resource.kind),
        ];
        draft
            .fields
            .extend(kind.map(|(field, value)| (field.to_owned(), value.into())));
        let body = Some(("application/json", &draft));
        let path = self.creation.path(&self.place.collection());
        let answer = self.ask(call, Method::POST, &path, body).await?;
        if self.conflicts(&answer, "AlreadyExists") {
            return Ok(Swap::Conflict(None));
        }
        self.done(call, &answer, &draft)
    }

    /// A merge PATCH that names the version: the apiserver does it only on that one. It never creates, as a PUT would.
    async fn patch(&self, call: &Call<'_>, version: Version, mut draft: Draft) -> Result<Swap, LockError> {
        draft
            .metadata
            .insert("resourceVersion".to_owned(), version.to_string().into());
        let body = Some(("application/merge-patch+json", &draft));
        let path = self.creation.path(&self.item());
        let answer = self.ask(call, Method::PATCH, &path, body).await?;
        if self.conflicts(&answer, "Conflict") {
            return Ok(Swap::Conflict(None));
        }
        if answer.code == StatusCode::NOT_FOUND && self.is_missing(&answer) {
            return Ok(Swap::Conflict(Some(Observation::Absent { as_of: None })));
        }
        self.done(call, &answer, &draft)
    }

    /// What is done is what the answer shows as written. An admission webhook may change or drop the record on its way into
    /// the store, and then nobody else knows that there is a leader.
    fn done(&self, call: &Call<'_>, answer: &Answer, draft: &Draft) -> Result<Swap, LockError> {
        if !answer.code.is_success() {
            return Err(call.refused(answer));
        }
        let nonsense = |problem: String| call.nonsense(&problem);
        let object = Object::parse(&answer.body, self.reference.name()).map_err(nonsense)?;
        let version = object.version().map_err(nonsense)?;
        // Compared as it is read, which may be less exact than it was given.
        let sent = draft.to_json();
        let sent = Object::any(&sent).map_err(nonsense)?;
        if (self.resource.read)(&object, version) == (self.resource.read)(&sent, version) {
            Ok(Swap::Done(version))
        } else {
            Err(call.nonsense("the answer shows another record than was sent; does a webhook change it?"))
        }
    }

    /// What a JSON object says of the lock, or what is wrong with it.
    fn observe(&self, json: &[u8]) -> Result<Observation, String> {
        let object = Object::parse(json, self.reference.name())?;
        Ok((self.resource.read)(&object, object.version()?))
    }

    fn conflicts(&self, answer: &Answer, reason: &str) -> bool {
        answer.code == StatusCode::CONFLICT && answer.status().is_some_and(|status| status.reason == reason)
    }

    /// Whether it is this object that is missing, rather than its namespace, the resource or the whole apiserver.
    fn is_missing(&self, answer: &Answer) -> bool {
        let Some(status) = answer.status() else {
            return false;
        };
        let about = status.details.unwrap_or_default();
        status.reason == "NotFound"
            && about.kind == self.resource.plural
            && about.name == self.reference.name()
    }

    /// One request and the whole answer.
    async fn ask(
        &self,
        call: &Call<'_>,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Draft)>,
    ) -> Result<Answer, LockError> {
        let mut request = Request::builder().method(method).uri(path);
        let mut bytes = Vec::new();
        if let Some((content_type, draft)) = body {
            request = request.header(header::CONTENT_TYPE, content_type);
            bytes = draft.to_json();
        }
        let response = self.place.send(call, request, bytes).await?;
        collect(call, response).await
    }

    fn call(&self, verb: Verb) -> Call<'_> {
        self.place.call(verb, &self.object)
    }

    fn item(&self) -> String {
        format!("{}/{}", self.place.collection(), self.reference.name())
    }
}

/// Reads an answer to its end.
pub(crate) async fn collect(call: &Call<'_>, response: Response<Body>) -> Result<Answer, LockError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER)
        .collect()
        .await
        .map_err(|error| call.broken(error))?;
    Ok(Answer {
        code: head.status,
        retry_after: status::retry_after(&head.headers),
        body: body.to_bytes().to_vec(),
    })
}

impl Draft {
    fn to_json(&self) -> Vec<u8> {
        let mut object = self.fields.clone();
        object.insert("metadata".to_owned(), self.metadata.clone().into());
        Value::Object(object).to_string().into_bytes()
    }
}
