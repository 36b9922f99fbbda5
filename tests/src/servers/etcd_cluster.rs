//! Several real etcds that are one cluster.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::etcd::Etcd;
use super::patience::Patience;
use super::{EtcdSettings, Janitor, ServerError, find_program};
use crate::faults::Network;

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
    /// By member, where the others connect.
    peer_urls: Vec<String>,
    /// Between them, where it can be parted.
    network: Option<Network>,
}

/// Nobody drops a static: when the process ends, the janitor does it.
type Shared = OnceLock<Result<(EtcdCluster, Janitor), String>>;

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
        Self::start_on(settings, |_| Ok(None))
    }

    /// As [`start_with`](Self::start_with), and the members reach each other through a [network](Self::network) that can be parted.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_apart(settings: &EtcdSettings) -> Result<Self, ServerError> {
        Self::start_on(settings, |members| {
            let endpoints: Vec<_> = members.iter().map(Etcd::peer_endpoint).collect();
            let network = Network::between(&endpoints).map_err(ServerError::io("make a network"))?;
            Ok(Some(network))
        })
    }

    fn start_on(
        settings: &EtcdSettings,
        network: impl Fn(&[Etcd]) -> Result<Option<Network>, ServerError>,
    ) -> Result<Self, ServerError> {
        Etcd::trying_ports(|| {
            let mut members = Vec::new();
            for _ in 0..MEMBERS {
                members.push(Etcd::prepare(settings)?);
            }
            let network = network(&members)?;
            let mut peer_urls = Vec::new();
            for (number, member) in members.iter_mut().enumerate() {
                let address = match &network {
                    Some(network) => network.address(number),
                    None => member.peer_endpoint(),
                };
                peer_urls.push(format!("http://{address}"));
                if let Some(proxy) = network.as_ref().and_then(|network| network.proxy(number)) {
                    member.set_variable("HTTP_PROXY", proxy);
                }
            }
            let mut cluster = Self {
                members,
                peer_urls,
                network,
            };
            let initial = cluster.initial();
            for (number, member) in cluster.members.iter_mut().enumerate() {
                member.set_flag("--name", &name(number));
                if let Some(url) = cluster.peer_urls.get(number) {
                    member.set_flag("--initial-advertise-peer-urls", url);
                }
                member.set_flag("--initial-cluster", &initial);
            }
            cluster.launch_all()?;
            Ok(cluster)
        })
    }

    /// One that the tests of this process share; each uses keys of its own. Who kills or stops a member starts a cluster of his own.
    ///
    /// # Errors
    /// As [`start`](Self::start), and the same again for each who asks after a start that failed.
    pub fn shared() -> Result<&'static Self, ServerError> {
        static SHARED: Shared = OnceLock::new();
        Self::shared_in(&SHARED, &EtcdSettings::new())
    }

    /// The same, of the oldest line that still gets fixes.
    ///
    /// # Errors
    /// As [`shared`](Self::shared).
    pub fn shared_oldest() -> Result<&'static Self, ServerError> {
        static SHARED: Shared = OnceLock::new();
        Self::shared_in(&SHARED, &EtcdSettings::new().oldest())
    }

    fn shared_in(place: &'static Shared, settings: &EtcdSettings) -> Result<&'static Self, ServerError> {
        place
            .get_or_init(|| {
                let cluster = Self::start_with(settings).map_err(|error| error.to_string())?;
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

    /// Between the members, if they were [started apart](Self::start_apart).
    pub fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// At which the others reach a member, as its cluster knows it. Empty where there is none of that number.
    pub fn peer_url(&self, number: usize) -> &str {
        self.peer_urls.get(number).map_or("", String::as_str)
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

    /// Starts a member without data, which its cluster has to expect: who was there before was removed, and this one added.
    ///
    /// # Errors
    /// As [`Etcd::restart`].
    pub fn replace(&mut self, number: usize) -> Result<(), ServerError> {
        let member = self.member_mut(number);
        member.forget()?;
        member.set_flag("--initial-cluster-state", "existing");
        member.restart()
    }

    /// Kills all members, takes away what they have, and starts them with what a snapshot holds, as `etcdutl snapshot restore` of
    /// the same version makes it. Without `bump` revisions are counted on from the snapshot's; with it from so many later, and what
    /// was before is compacted away.
    ///
    /// # Errors
    /// When it cannot be restored, and as [`Etcd::restart`].
    pub fn restore(&mut self, snapshot: &Path, bump: Option<u64>) -> Result<(), ServerError> {
        let etcdutl = find_program("etcdutl")?;
        let initial = self.initial();
        for member in &mut self.members {
            member.forget()?;
        }
        for (number, member) in self.members.iter().enumerate() {
            let mut command = Command::new(&etcdutl);
            command.args(["snapshot", "restore"]).arg(snapshot);
            command.arg("--data-dir").arg(member.data());
            command.args(["--name", &name(number), "--initial-cluster", &initial]);
            command.args(["--initial-advertise-peer-urls", self.peer_url(number)]);
            if let Some(bump) = bump {
                command.args(["--bump-revision", &bump.to_string(), "--mark-compacted"]);
            }
            let done = command.output().map_err(ServerError::io("start etcdutl"))?;
            if !done.status.success() {
                return Err(ServerError::BadAnswer {
                    request: "etcdutl snapshot restore".to_owned(),
                    problem: String::from_utf8_lossy(&done.stderr).into_owned(),
                });
            }
        }
        self.launch_all()
    }

    /// All members, as `--initial-cluster` names them.
    fn initial(&self) -> String {
        let all = self.peer_urls.iter().enumerate();
        let all: Vec<_> = all
            .map(|(number, url)| format!("{}={url}", name(number)))
            .collect();
        all.join(",")
    }

    /// None serves before a majority runs.
    fn launch_all(&mut self) -> Result<(), ServerError> {
        for member in &mut self.members {
            member.spawn()?;
        }
        self.members.iter_mut().try_for_each(Etcd::wait_until_it_serves)
    }
}

fn name(number: usize) -> String {
    format!("member-{number}")
}
