//! Where the elections are.

use std::str::FromStr;

use serde::Serialize;

use super::Result;
use crate::servers::{Etcd, KubeApiserver};

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// One in the candidates' own process.
    Memory,
    /// A real etcd.
    Etcd,
    /// Leases on a real kube-apiserver.
    Kube,
}

impl Store {
    /// As it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Etcd => "etcd",
            Self::Kube => "kube",
        }
    }
}

impl FromStr for Store {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        [Self::Memory, Self::Etcd, Self::Kube]
            .into_iter()
            .find(|store| store.name() == text)
            .ok_or_else(|| format!("{text:?} is no store: memory, etcd or kube"))
    }
}

/// A server, where there is one: the same for both sides, which do not write the same objects.
#[derive(Debug)]
pub enum Place {
    /// In the candidates' own process.
    Memory,
    /// An etcd.
    Etcd(Etcd),
    /// A kube-apiserver.
    Kube(KubeApiserver),
}

impl Place {
    /// Starts it, empty.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn start(store: Store) -> Result<Self> {
        Ok(match store {
            Store::Memory => Self::Memory,
            Store::Etcd => Self::Etcd(Etcd::start()?),
            Store::Kube => Self::Kube(KubeApiserver::start()?),
        })
    }

    /// The arguments that lead there.
    pub(super) fn arguments(&self) -> Vec<String> {
        let (store, server) = match self {
            Self::Memory => (Store::Memory, String::new()),
            Self::Etcd(etcd) => (Store::Etcd, etcd.endpoint()),
            Self::Kube(server) => (Store::Kube, server.kubeconfig().display().to_string()),
        };
        ["--store", store.name(), "--server", &server]
            .map(str::to_owned)
            .into()
    }
}
