//! A real kube-apiserver with an etcd of its own.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::audit::{self, KubeRequest};
use super::janitor::Janitor;
use super::patience::Patience;
use super::process::Process;
use super::{Etcd, ServerError, http, ports, tls};

const PROGRAM: &str = "kube-apiserver";

/// It takes 2 to 4 seconds; a busy machine may take its time.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How long one of the fixture's own requests may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// How often a start is tried again with another port when somebody took it first.
const PORT_TRIES: usize = 5;

const ADMIN_TOKEN: &str = "admin-token";
const RESTRICTED_TOKEN: &str = "restricted-token";
/// An administrator too, but under a name of its own, which the audit leaves out.
const FIXTURE_TOKEN: &str = "fixture-token";

/// Token, user, uid and groups.
const TOKENS: &str = "\
admin-token,admin,uid-admin,system:masters
restricted-token,restricted,uid-restricted
fixture-token,fixture,uid-fixture,system:masters
";

/// A real kube-apiserver on loopback, serving over TLS, with RBAC and an [`Etcd`] of its own.
///
/// It has no controllers: nothing collects garbage, ends the deletion of a namespace or makes service accounts.
/// Dropping it ends both servers and removes their data, also while a test panics.
///
/// ```no_run
/// use leaderelection_tests::servers::KubeApiserver;
///
/// let server = KubeApiserver::shared()?;
/// let namespace = server.namespace("handover")?;
/// println!("KUBECONFIG={} kubectl -n {namespace} get leases", server.kubeconfig().display());
///
/// let mut mine = KubeApiserver::start()?;
/// mine.kill();
/// mine.restart()?;
/// # Ok::<(), leaderelection_tests::servers::ServerError>(())
/// ```
#[derive(Debug)]
pub struct KubeApiserver {
    // In this order they are dropped: the folder last.
    process: Option<Process>,
    etcd: Etcd,
    folder: TempDir,
    port: u16,
    flags: Vec<String>,
}

impl KubeApiserver {
    /// Starts an empty one and waits until it is ready.
    ///
    /// # Errors
    /// When a program is not built (the message names `tests/run.sh`), does not start, or does not serve within 90 s
    /// (the message ends with the server's log).
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with more flags than the others have.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(flags: &[&str]) -> Result<Self, ServerError> {
        let mut server = Self {
            process: None,
            etcd: Etcd::start()?,
            folder: tempfile::Builder::new()
                .prefix("leaderelection-kube-")
                .tempdir()
                .map_err(ServerError::io("make a temporary folder"))?,
            port: 0,
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
        };
        server.write("tokens.csv", TOKENS)?;
        server.write("audit-policy.yaml", audit::POLICY)?;
        let mut tries_left = PORT_TRIES;
        loop {
            server.port = ports::free().map_err(ServerError::io("find a free port"))?;
            server.write("kubeconfig", &server.kubeconfig_text(ADMIN_TOKEN))?;
            tries_left -= 1;
            match server.launch() {
                Ok(()) => return Ok(server),
                Err(ServerError::PortTaken { .. }) if tries_left > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The one that all tests of this process share, started by the first that asks.
    ///
    /// Each test takes a [`namespace`](Self::namespace) of its own, and leaves the server running: who wants to kill or
    /// stop one starts it.
    ///
    /// # Errors
    /// As [`KubeApiserver::start`], and the same again for each who asks after a start that failed.
    pub fn shared() -> Result<&'static Self, ServerError> {
        // Nobody drops a static: when the process ends, the janitor does it.
        static SHARED: OnceLock<Result<(KubeApiserver, Janitor), String>> = OnceLock::new();
        SHARED
            .get_or_init(|| {
                let server = Self::start().map_err(|error| error.to_string())?;
                let processes: Vec<u32> = server.pid().into_iter().chain(server.etcd.pid()).collect();
                let janitor = Janitor::clearing(&processes, &[server.folder(), server.etcd.folder()])
                    .map_err(|error| format!("start a janitor: {error}"))?;
                Ok((server, janitor))
            })
            .as_ref()
            .map(|(server, _)| server)
            .map_err(|problem| ServerError::Shared(problem.clone()))
    }

    /// Where clients connect: `https://127.0.0.1:PORT`. It stays the same across [`KubeApiserver::restart`].
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The PEM file of whom to trust.
    pub fn ca_file(&self) -> PathBuf {
        // The server writes its certificate and the authority that it made for it into one file.
        self.folder.path().join("certs/apiserver.crt")
    }

    /// The bearer token of user `admin`, who may do everything.
    pub fn admin_token(&self) -> &'static str {
        ADMIN_TOKEN
    }

    /// The bearer token of user `restricted`, who may do what a test's RBAC rules allow, at first nothing.
    pub fn restricted_token(&self) -> &'static str {
        RESTRICTED_TOKEN
    }

    /// A kubeconfig file for `admin`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Writes a kubeconfig file for whom that token is, known to the server or not.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_for(&self, token: &str) -> Result<PathBuf, ServerError> {
        static WRITTEN: AtomicU32 = AtomicU32::new(0);
        let name = format!("kubeconfig-{}", WRITTEN.fetch_add(1, Ordering::Relaxed));
        self.write(&name, &self.kubeconfig_text(token))
    }

    /// Creates a namespace that no other test has, and gives its name: the test's, a hyphen and a number.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn namespace(&self, test: &str) -> Result<String, ServerError> {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        // A label of DNS: small letters, digits and hyphens, at most 63.
        let test: String = test
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .take(50)
            .collect();
        let name = format!(
            "{}-{}",
            test.trim_matches('-'),
            CREATED.fetch_add(1, Ordering::Relaxed)
        );
        let body = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}"#);
        self.request("POST", "/api/v1/namespaces", &body)?;
        Ok(name)
    }

    /// The body of the answer to a GET as an administrator; [`requests`](Self::requests) does not count it.
    ///
    /// # Errors
    /// When it does not answer within 5 s, or with another status than a success (the message has the number).
    pub fn get(&self, path: &str) -> Result<String, ServerError> {
        self.request("GET", path, "")
    }

    /// Whether it is ready, by its own account.
    ///
    /// # Errors
    /// When it is killed, stopped (after 5 s) or not ready.
    pub fn ready(&self) -> Result<(), ServerError> {
        ready(self.port, &self.ca_file())
    }

    /// What clients asked for since the first start: every request that `wanted` selects, in the order of arrival.
    ///
    /// They are in the list from their arrival on, answered or not, an open watch too. What the server asks of itself and
    /// what this fixture asks are not. It comes from the server's audit log: its metrics count a watch only when that
    /// ends, know no namespace, and are full of the server's own requests.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self, wanted: impl Fn(&KubeRequest) -> bool) -> Result<Vec<KubeRequest>, ServerError> {
        self.requests_in("", wanted)
    }

    /// As [`requests`](Self::requests), in one namespace; all else is not even understood, which takes time.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests_in(
        &self,
        namespace: &str,
        wanted: impl Fn(&KubeRequest) -> bool,
    ) -> Result<Vec<KubeRequest>, ServerError> {
        audit::read(&self.folder.path().join("audit.log"), namespace, |request| {
            (namespace.is_empty() || request.namespace == namespace) && wanted(request)
        })
    }

    /// Its metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// When it does not answer within 5 s.
    pub fn metrics(&self) -> Result<String, ServerError> {
        self.get("/metrics")
    }

    /// The temporary folder that holds its files and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The etcd behind it.
    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// The etcd behind it, to be killed and restarted.
    pub fn etcd_mut(&mut self) -> &mut Etcd {
        &mut self.etcd
    }

    /// SIGKILL: clients see their connections reset, then refused. The data stays for [`KubeApiserver::restart`].
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port with the same data, after a [`kill`](Self::kill) if it still runs.
    ///
    /// # Errors
    /// As [`KubeApiserver::start`].
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        let patience = Patience::new(START_LIMIT);
        loop {
            match self.launch() {
                // The port has to be this one; who took it may give it back.
                Err(ServerError::PortTaken { .. }) if patience.pause() => {}
                done => return done,
            }
        }
    }

    /// SIGSTOP: connections stay open and nothing answers, until [`KubeApiserver::cont`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&self) -> Result<(), ServerError> {
        self.running()?.stop()
    }

    /// SIGCONT after [`KubeApiserver::stop`]: it answers what has been waiting.
    ///
    /// # Errors
    /// When it does not run.
    pub fn cont(&self) -> Result<(), ServerError> {
        self.running()?.cont()
    }

    fn running(&self) -> Result<&Process, ServerError> {
        self.process.as_ref().ok_or(ServerError::NotRunning(PROGRAM))
    }

    fn launch(&mut self) -> Result<(), ServerError> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        // The server makes this key for its certificate; service accounts, which no test uses, may have it too.
        let key = file("certs/apiserver.key");
        let args = [
            format!("--etcd-servers=http://{}", self.etcd.endpoint()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            // It looks for an address of this host otherwise, and does not start where there is only loopback.
            "--advertise-address=192.0.2.1".to_owned(),
            format!("--cert-dir={}", file("certs")),
            format!("--service-account-key-file={key}"),
            format!("--service-account-signing-key-file={key}"),
            "--service-account-issuer=https://leaderelection.invalid".to_owned(),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            format!("--audit-policy-file={}", file("audit-policy.yaml")),
            format!("--audit-log-path={}", file("audit.log")),
            // Written before the request goes on, and never into a second file (in MB).
            "--audit-log-mode=blocking".to_owned(),
            "--audit-log-maxsize=100000".to_owned(),
        ];
        let args: Vec<OsString> = args.iter().chain(&self.flags).map(OsString::from).collect();
        let mut process = Process::spawn(PROGRAM, &args, &self.folder.path().join("log"))?;
        let (port, ca_file) = (self.port, self.ca_file());
        process.wait_until(START_LIMIT, || ready(port, &ca_file))?;
        self.process = Some(process);
        Ok(())
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<String, ServerError> {
        request(self.port, &self.ca_file(), method, path, body)
    }

    fn kubeconfig_text(&self, token: &str) -> String {
        format!(
            "\
apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: {}
    certificate-authority: {}
users:
- name: test
  user:
    token: {token}
contexts:
- name: test
  context:
    cluster: test
    user: test
current-context: test
",
            self.url(),
            self.ca_file().display()
        )
    }

    /// Writes a file into the folder; tokens are for its owner's eyes.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf, ServerError> {
        let path = self.folder.path().join(name);
        let mut options = fs::File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(ServerError::io(format!("write {}", path.display())))?;
        Ok(path)
    }
}

fn ready(port: u16, ca_file: &Path) -> Result<(), ServerError> {
    request(port, ca_file, "GET", "/readyz", "").map(drop)
}

fn request(port: u16, ca_file: &Path, method: &str, path: &str, body: &str) -> Result<String, ServerError> {
    let name = format!("{method} https://127.0.0.1:{port}{path}");
    let mut stream = tls::connect(port, ca_file, REQUEST_LIMIT).map_err(ServerError::io(name.clone()))?;
    let authorization = format!("Bearer {FIXTURE_TOKEN}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    http::exchange(&mut stream, &name, method, path, &headers, body)?.successful(&name)
}
