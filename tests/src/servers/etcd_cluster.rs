//! Several real etcds that are one cluster.

use std::sync::OnceLock;

use super::etcd::Etcd;
use super::patience::Patience;
use super::{EtcdSettings, Janitor, ServerError};

/// Members of a cluster: the least of which one may be missing.
const MEMBERS: usize = 3;

/// How long an election among the members may take, which they begin after a second of silence.
const LEADER_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// A cluster of three real members on loopback, serving. Dropping it ends them and removes their data.
///
/// ```no_run
/// let mut cluster = leaderelection_tests::servers::EtcdCluster::start()?;
/// let leader = cluster.leader()?;
/// cluster.member_mut(leader).kill();
/// println!("{} leads now", cluster.leader()?);
/// cluster.member_mut(leader).restart()?;
/// # Ok::<(), leaderelection_tests::servers::ServerError>(())
/// ```
#[derive(Debug)]
pub struct EtcdCluster {
    members: Vec<Etcd>,
}

impl EtcdCluster {
    /// Starts an empty one and waits until all members serve.
    ///
    /// # Errors
    /// As [`Etcd::start`], for any member.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with(&EtcdSettings::new())
    }

    /// As [`start`](Self::start), with those settings for each member.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(settings: &EtcdSettings) -> Result<Self, ServerError> {
        Etcd::trying_ports(|| {
            let mut members = Vec::new();
            for _ in 0..MEMBERS {
                members.push(Etcd::prepare(settings)?);
            }
            let names = |number: usize| format!("member-{number}");
            let peers: Vec<_> = members
                .iter()
                .enumerate()
                .map(|(number, member)| format!("{}={}", names(number), member.peer_url()))
                .collect();
            let peers = peers.join(",");
            for (number, member) in members.iter_mut().enumerate() {
                member.set_flag("--name", &names(number));
                member.set_flag("--initial-advertise-peer-urls", &member.peer_url());
                member.set_flag("--initial-cluster", &peers);
            }
            let mut cluster = Self { members };
            cluster.launch_all()?;
            Ok(cluster)
        })
    }

    /// One that the tests of this process share; each uses keys of its own. Who kills or stops a member starts a cluster of his own.
    ///
    /// # Errors
    /// As [`start`](Self::start), and the same again for each who asks after a start that failed.
    pub fn shared() -> Result<&'static Self, ServerError> {
        // Nobody drops a static: when the process ends, the janitor does it.
        static SHARED: OnceLock<Result<(EtcdCluster, Janitor), String>> = OnceLock::new();
        SHARED
            .get_or_init(|| {
                let cluster = Self::start().map_err(|error| error.to_string())?;
                let processes: Vec<u32> = cluster.members.iter().filter_map(Etcd::pid).collect();
                let folders: Vec<_> = cluster.members.iter().map(Etcd::folder).collect();
                let janitor = Janitor::clearing(&processes, &folders)
                    .map_err(|error| format!("start a janitor: {error}"))?;
                Ok((cluster, janitor))
            })
            .as_ref()
            .map(|(cluster, _)| cluster)
            .map_err(|problem| ServerError::Shared(problem.clone()))
    }

    /// The members, by number.
    pub fn members(&self) -> &[Etcd] {
        &self.members
    }

    /// A member, to kill, stop or start again.
    ///
    /// # Panics
    /// When there is none of that number.
    #[expect(clippy::indexing_slicing, reason = "as the documentation says")]
    pub fn member_mut(&mut self, number: usize) -> &mut Etcd {
        &mut self.members[number]
    }

    /// Where clients connect, for each member.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Etcd::endpoint).collect()
    }

    /// The number of the member that leads the others, by its own account. Waits for one.
    ///
    /// # Errors
    /// When within 30 s none does, or two do.
    pub fn leader(&self) -> Result<usize, ServerError> {
        let patience = Patience::new(LEADER_LIMIT);
        loop {
            let leaders: Vec<_> = (0..)
                .zip(&self.members)
                .filter(|(_, member)| member.leads().unwrap_or(false))
                .map(|(number, _)| number)
                .collect();
            if let [leader] = leaders[..] {
                return Ok(leader);
            }
            if !patience.pause() {
                return Err(ServerError::BadAnswer {
                    request: "who leads the members".to_owned(),
                    problem: format!("{leaders:?}"),
                });
            }
        }
    }

    /// Kills all members that run, and starts all again with their data.
    ///
    /// # Errors
    /// As [`Etcd::restart`].
    pub fn restart_all(&mut self) -> Result<(), ServerError> {
        for member in &mut self.members {
            member.kill();
        }
        self.launch_all()
    }

    /// None serves before a majority runs.
    fn launch_all(&mut self) -> Result<(), ServerError> {
        for member in &mut self.members {
            member.spawn()?;
        }
        self.members.iter_mut().try_for_each(Etcd::wait_until_it_serves)
    }
}
