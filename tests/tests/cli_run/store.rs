//! The stores that every case runs on, each with the lock of one election.

use std::error::Error;
use std::marker::PhantomData;
use std::path::Path;
use std::process::Command;

use leaderelection_kube::KubeConnection;
use leaderelection_tests::kube_door::{Kind, KubeDoor};
use leaderelection_tests::servers::{Etcd, KubeApiserver, ServerError};
use leaderelection_tests::side_door::SideDoor;

use crate::{PROGRAM, TestResult};

const KEY: &str = "leader";

pub(crate) trait Store: Sized {
    /// For a case that leaves the server alone: it may be another's too, the lock is not.
    fn new() -> Result<Self, Box<dyn Error>>;

    /// For a case that kills or stops the server.
    fn of_its_own() -> Result<Self, Box<dyn Error>>;

    /// As `--lock` takes it.
    fn lock(&self) -> String;

    /// `leaderelect` in an environment in which it finds the store.
    fn leaderelect(&self) -> Command;

    /// SIGKILL to the server.
    fn kill(&mut self);

    /// Starts it again.
    fn restart(&mut self) -> Result<(), ServerError>;

    /// SIGSTOP to the server.
    fn stop(&mut self) -> Result<(), ServerError>;

    /// SIGCONT.
    fn cont(&mut self) -> Result<(), ServerError>;

    /// Puts this in the record's place, as an operator might.
    fn overwrite(&self, record: &str) -> TestResult;
}

impl Store for Etcd {
    fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self::start()?)
    }

    fn of_its_own() -> Result<Self, Box<dyn Error>> {
        Ok(Self::start()?)
    }

    fn lock(&self) -> String {
        format!("etcd://{}/{KEY}", self.endpoint())
    }

    fn leaderelect(&self) -> Command {
        Command::new(PROGRAM)
    }

    fn kill(&mut self) {
        Self::kill(self);
    }

    fn restart(&mut self) -> Result<(), ServerError> {
        Self::restart(self)
    }

    fn stop(&mut self) -> Result<(), ServerError> {
        Self::stop(self)
    }

    fn cont(&mut self) -> Result<(), ServerError> {
        Self::cont(self)
    }

    fn overwrite(&self, record: &str) -> TestResult {
        runtime()?.block_on(async { SideDoor::open(self.endpoint(), KEY).await?.put(record).await })?;
        Ok(())
    }
}

/// A namespace of an apiserver, for one object.
pub(crate) struct Objects<K> {
    server: Server,
    namespace: String,
    kind: PhantomData<K>,
}

pub(crate) type Endpoints = Objects<OfEndpoints>;
pub(crate) type Leases = Objects<OfLease>;
pub(crate) type ConfigMaps = Objects<OfConfigMap>;

pub(crate) trait OfKind {
    const KIND: Kind;
}

/// A kind of object, as a type.
macro_rules! of_kind {
    ($Type:ident, $Kind:ident) => {
        pub(crate) struct $Type;

        impl OfKind for $Type {
            const KIND: Kind = Kind::$Kind;
        }
    };
}

of_kind!(OfEndpoints, Endpoints);
of_kind!(OfLease, Lease);
of_kind!(OfConfigMap, ConfigMap);

enum Server {
    Shared(&'static KubeApiserver),
    Own(Box<KubeApiserver>),
}

impl Server {
    fn get(&self) -> &KubeApiserver {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }

    fn own(&mut self) -> &mut KubeApiserver {
        match self {
            Self::Own(server) => server,
            Self::Shared(_) => unreachable!("other cases need it"),
        }
    }
}

impl<K: OfKind> Objects<K> {
    fn of(server: Server) -> Result<Self, Box<dyn Error>> {
        let namespace = server.get().namespace("run")?;
        Ok(Self {
            server,
            namespace,
            kind: PhantomData,
        })
    }

    fn kubeconfig(&self) -> impl AsRef<Path> {
        self.server.get().kubeconfig()
    }
}

impl<K: OfKind> Store for Objects<K> {
    fn new() -> Result<Self, Box<dyn Error>> {
        Self::of(Server::Shared(KubeApiserver::shared()?))
    }

    fn of_its_own() -> Result<Self, Box<dyn Error>> {
        Self::of(Server::Own(Box::new(KubeApiserver::start()?)))
    }

    fn lock(&self) -> String {
        format!("{}:{}/{KEY}", K::KIND.plural(), self.namespace)
    }

    fn leaderelect(&self) -> Command {
        let mut leaderelect = Command::new(PROGRAM);
        leaderelect.env("KUBECONFIG", self.kubeconfig().as_ref());
        leaderelect
    }

    fn kill(&mut self) {
        self.server.own().kill();
    }

    fn restart(&mut self) -> Result<(), ServerError> {
        self.server.own().restart()
    }

    fn stop(&mut self) -> Result<(), ServerError> {
        self.server.own().stop()
    }

    fn cont(&mut self) -> Result<(), ServerError> {
        self.server.own().cont()
    }

    fn overwrite(&self, record: &str) -> TestResult {
        runtime()?.block_on(async {
            let kube = KubeConnection::from_kubeconfig(self.kubeconfig()).await?;
            let door = KubeDoor::on(K::KIND, kube.client().clone(), &self.namespace, KEY);
            door.put(record).await?;
            Ok(())
        })
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
