//! One election on the members.

use std::path::Path;

use super::Row;
use crate::fault_table::{Access, Election, RETRY_PERIOD, Result, wait_until};
use crate::faults::Proxy;
use crate::servers::EtcdCluster;
use crate::time::wait;

/// The member that serves the elected candidate.
pub(super) const STRUCK: usize = 0;

/// A leader at work and its followers, each with the members that it knows.
pub(super) struct Stage {
    pub(super) election: Election,
    /// Between the elected candidate and each member that it knows, that which serves it first.
    ways: Vec<Proxy>,
    /// Between the followers and the one member that they know, in [`Row::Compacted`].
    pub(super) proxy: Proxy,
    names: Vec<(String, String)>,
}

impl Stage {
    /// Waits until the leader works and both others know it. Stages of one cluster differ by `number`.
    pub(super) fn new(cluster: &EtcdCluster, program: &Path, row: Row, number: usize) -> Result<Self> {
        let key = format!("faults/{number}");
        let members = cluster.endpoints();
        let ways: Vec<_> = members
            .iter()
            .map(|member| Proxy::before(member))
            .collect::<std::io::Result<_>>()?;
        let mut leads: Vec<_> = ways.iter().map(Proxy::endpoint).collect();
        let mut names = Vec::new();
        for (number, (way, member)) in leads.iter().zip(&members).enumerate() {
            names.extend([way, member].map(|endpoint| (endpoint.clone(), format!("MEMBER-{number}"))));
        }
        let [struck, others @ ..] = &members[..] else {
            return Err("no members".into());
        };
        let proxy = Proxy::before(others.first().ok_or("one member")?)?;
        let mut follow = [others, std::slice::from_ref(struck)].concat();
        if row.strikes_elected() {
            leads.truncate(1);
            follow.pop();
        }
        if row == Row::Compacted {
            follow = vec![proxy.endpoint()];
        }
        let access = |endpoints: &[String]| Access {
            lock: format!("etcd://{}/{key}", endpoints.join(",")),
            ..Access::default()
        };
        let leads = access(&leads);
        names.insert(0, (leads.lock.clone(), "LOCK".to_owned()));
        // At its start it asks several, and stays with any of them that answers.
        refuse_others(&ways);
        Ok(Self {
            election: Election::begin(program, row, &leads, &access(&follow))?,
            ways,
            proxy,
            names,
        })
    }

    /// Waits until the struck member alone serves the elected candidate, its watch too, though others might.
    pub(super) fn served_by_struck(&self) -> Result<()> {
        let passed = || self.ways.iter().map(Proxy::passed).collect::<Vec<_>>();
        let serves = || {
            let before = passed();
            wait(RETRY_PERIOD * 3);
            let served: Vec<_> = before
                .iter()
                .zip(passed())
                .map(|(before, now)| now > *before)
                .collect();
            matches!(served[..], [true, false, false])
        };
        wait_until("the struck member to serve", || {
            if !serves() {
                return Ok(false);
            }
            self.ways.iter().for_each(Proxy::release);
            let done = serves();
            if !done {
                refuse_others(&self.ways);
            }
            Ok(done)
        })?;
        // What was told of that is not told of the fault.
        self.election.leader.logged_so_far();
        Ok(())
    }

    /// What stands in the table for names that differ from run to run.
    pub(super) fn names(&self) -> Vec<(&str, &str)> {
        let names = self.names.iter();
        names.map(|(from, to)| (from.as_str(), to.as_str())).collect()
    }
}

fn refuse_others(ways: &[Proxy]) {
    ways.iter().skip(1).for_each(Proxy::refuse);
}
