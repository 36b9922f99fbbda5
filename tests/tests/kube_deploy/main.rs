//! What is in `deploy/`, on a real kube-apiserver: each manifest is one, and the Role is enough for an election's whole life
//! and no more than that.

mod manifests;
mod role;
