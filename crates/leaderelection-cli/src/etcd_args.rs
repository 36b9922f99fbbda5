//! How to reach a lock in etcd, and how long it lies there: TLS, a user and more, by flags and by etcdctl's environment.
//!
//! The environment is that of etcd's own tool, because whoever has a shell in which etcdctl finds its cluster should find his
//! election there too. What is only in the environment may be meant for etcdctl alone, so it is passed over where it does not
//! fit; a flag that does not fit is refused.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::duration;
use crate::lock_arg::LockArg;

/// See the module.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Locks in etcd")]
pub(crate) struct EtcdArgs {
    /// With etcds://, trust the authorities whose certificates (PEM) are in this file [env: ETCDCTL_CACERT] [default: those of the machine]
    #[arg(long, value_name = "FILE")]
    etcd_cacert: Option<PathBuf>,

    /// With etcds://, show the server this certificate (PEM) [env: ETCDCTL_CERT]
    #[arg(long, value_name = "FILE")]
    etcd_cert: Option<PathBuf>,

    /// The key of that certificate (PEM) [env: ETCDCTL_KEY]
    #[arg(long, value_name = "FILE")]
    etcd_key: Option<PathBuf>,

    /// With etcds://, expect the server's certificate to be for this name [default: the host in the lock]
    #[arg(long, value_name = "NAME")]
    etcd_server_name: Option<String>,

    /// Log in as this user [env: ETCDCTL_USER]
    #[arg(long, value_name = "NAME")]
    etcd_user: Option<String>,

    /// His password is in this file, which is read for every login [env: ETCDCTL_PASSWORD, the password itself]
    ///
    /// No flag takes the password itself, as everybody on the machine sees the arguments of its programs. COMMAND inherits the
    /// environment.
    #[arg(long, value_name = "FILE")]
    etcd_password_file: Option<PathBuf>,

    /// Let the lock's keys vanish when nobody has written them for this time: at least 4 lease durations [default: they stay]
    ///
    /// They hang on a lease of etcd, for garbage collection alone: it neither shortens nor lengthens a term. For all candidates or
    /// none.
    #[arg(long, value_name = "DURATION", value_parser = duration::positive, allow_hyphen_values = true)]
    etcd_garbage_collect_after: Option<Duration>,
}

/// What the flags and the environment come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EtcdAccess {
    pub(crate) cacert: Option<PathBuf>,
    /// A certificate and its key.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) server_name: Option<String>,
    pub(crate) user: Option<(String, Password)>,
    pub(crate) garbage_after: Option<Duration>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    Given(String),
    File(PathBuf),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl EtcdArgs {
    /// For these locks, held for that long, in that environment. The error says which flags do not go together.
    pub(crate) fn access(
        &self,
        locks: &[&LockArg],
        lease_duration: Duration,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<EtcdAccess, String> {
        let tls = locks.iter().any(|lock| lock.is_etcd_with_tls());
        let of_tls = [
            ("--etcd-cacert", self.etcd_cacert.is_some()),
            ("--etcd-cert", self.etcd_cert.is_some()),
            ("--etcd-key", self.etcd_key.is_some()),
            ("--etcd-server-name", self.etcd_server_name.is_some()),
        ];
        let of_all = [
            ("--etcd-user", self.etcd_user.is_some()),
            ("--etcd-password-file", self.etcd_password_file.is_some()),
            (
                "--etcd-garbage-collect-after",
                self.etcd_garbage_collect_after.is_some(),
            ),
        ];
        let given =
            |flags: &[(&'static str, bool)]| flags.iter().find(|(_, given)| *given).map(|(flag, _)| *flag);
        if !locks.iter().any(|lock| lock.is_etcd()) {
            return match given(&of_tls).or_else(|| given(&of_all)) {
                Some(flag) => Err(format!("{flag} is for locks in etcd")),
                None => Ok(EtcdAccess::default()),
            };
        }
        if let (false, Some(flag)) = (tls, given(&of_tls)) {
            return Err(format!("{flag} is for a lock with TLS, etcds://…"));
        }
        // etcdctl takes an empty variable for one that is not set.
        let environment = |name| environment(name).filter(|value| !value.is_empty());
        let mut access = EtcdAccess {
            user: self.user(environment)?,
            garbage_after: self.garbage_after(lease_duration)?,
            ..EtcdAccess::default()
        };
        if tls {
            let file =
                |flag: &Option<PathBuf>, name| flag.clone().or_else(|| environment(name).map(PathBuf::from));
            access.cacert = file(&self.etcd_cacert, "ETCDCTL_CACERT");
            access.certificate = match (
                file(&self.etcd_cert, "ETCDCTL_CERT"),
                file(&self.etcd_key, "ETCDCTL_KEY"),
            ) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                (Some(_), None) => {
                    return Err("the certificate needs its key: --etcd-key or ETCDCTL_KEY".to_owned());
                }
                (None, Some(_)) => {
                    return Err("the key needs its certificate: --etcd-cert or ETCDCTL_CERT".to_owned());
                }
            };
            access.server_name.clone_from(&self.etcd_server_name);
        }
        Ok(access)
    }

    fn garbage_after(&self, lease_duration: Duration) -> Result<Option<Duration>, String> {
        // As in the record: in whole seconds.
        let whole = |duration: Duration| {
            duration
                .as_secs()
                .saturating_add(u64::from(duration.subsec_nanos() > 0))
        };
        let least = Duration::from_secs(whole(lease_duration)).saturating_mul(4);
        match self.etcd_garbage_collect_after {
            Some(after) if after < least => Err(format!(
                "--etcd-garbage-collect-after {} must be at least 4 lease durations: {}",
                humantime::format_duration(after),
                humantime::format_duration(least)
            )),
            after => Ok(after),
        }
    }

    fn user(
        &self,
        environment: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<Option<(String, Password)>, String> {
        let text = |name| match environment(name).map(OsString::into_string) {
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(format!("{name} is no text in UTF-8")),
            None => Ok(None),
        };
        let mut password = match &self.etcd_password_file {
            Some(file) => Some(Password::File(file.clone())),
            None => text("ETCDCTL_PASSWORD")?.map(Password::Given),
        };
        let user = match &self.etcd_user {
            // Not repeated: who reads the error is not always who may know it.
            Some(user) if user.contains(':') => {
                return Err("--etcd-user is a name without a password".to_owned());
            }
            Some(user) => Some(user.clone()),
            None => match (text("ETCDCTL_USER")?, &password) {
                (Some(both), None) => match both.split_once(':') {
                    Some((user, secret)) => {
                        password = Some(Password::Given(secret.to_owned()));
                        Some(user.to_owned())
                    }
                    None => Some(both),
                },
                (user, _) => user,
            },
        };
        match (user, password) {
            (Some(user), Some(password)) => Ok(Some((user, password))),
            (Some(user), None) => Err(format!(
                "the user {user:?} of etcd needs a password: --etcd-password-file or ETCDCTL_PASSWORD"
            )),
            (None, _) if self.etcd_password_file.is_some() => {
                Err("--etcd-password-file needs --etcd-user".to_owned())
            }
            (None, _) => Ok(None),
        }
    }
}

#[cfg(all(test, feature = "etcd"))]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Only {
        #[command(flatten)]
        etcd: EtcdArgs,
    }

    #[expect(clippy::unwrap_used, reason = "a failing assertion is how a test speaks")]
    fn access(lock: &str, flags: &[&str], environment: &[(&str, &str)]) -> Result<EtcdAccess, String> {
        let only = Only::try_parse_from(["x"].iter().chain(flags)).unwrap();
        only.etcd
            .access(&[&lock.parse().unwrap()], Duration::from_millis(14_500), |name| {
                let set = environment.iter().find(|(set, _)| *set == name);
                set.map(|(_, value)| OsString::from(value))
            })
    }

    const WITH: &str = "etcds://h:1/k";
    const WITHOUT: &str = "etcd://h:1/k";
    const ETCDCTLS: [(&str, &str); 5] = [
        ("ETCDCTL_CACERT", "ca"),
        ("ETCDCTL_CERT", "cert"),
        ("ETCDCTL_KEY", "key"),
        ("ETCDCTL_USER", "u"),
        ("ETCDCTL_PASSWORD", "p"),
    ];

    fn with_password(password: &str) -> Option<(String, Password)> {
        Some(("u".to_owned(), Password::Given(password.to_owned())))
    }

    #[test]
    fn etcdctls_environment_serves_as_far_as_it_fits() {
        let all = access(WITH, &[], &ETCDCTLS).unwrap();
        assert_eq!(
            all,
            EtcdAccess {
                cacert: Some("ca".into()),
                certificate: Some(("cert".into(), "key".into())),
                server_name: None,
                user: with_password("p"),
                garbage_after: None,
            }
        );
        let user_alone = EtcdAccess {
            user: with_password("p"),
            ..EtcdAccess::default()
        };
        assert_eq!(access(WITHOUT, &[], &ETCDCTLS), Ok(user_alone));
        let empty = ETCDCTLS.map(|(name, _)| (name, ""));
        assert_eq!(access(WITH, &[], &empty), Ok(EtcdAccess::default()));
        let password_alone = [("ETCDCTL_PASSWORD", "p")];
        assert_eq!(access(WITH, &[], &password_alone), Ok(EtcdAccess::default()));
        let both = [("ETCDCTL_USER", "u:p:q")];
        assert_eq!(access(WITHOUT, &[], &both).unwrap().user, with_password("p:q"));
    }

    #[test]
    fn a_flag_wins_over_the_environment() {
        let flags = [
            "--etcd-cacert=a",
            "--etcd-cert=b",
            "--etcd-key=c",
            "--etcd-server-name=d",
            "--etcd-user=v",
            "--etcd-password-file=e",
            "--etcd-garbage-collect-after=1m",
        ];
        let expected = EtcdAccess {
            cacert: Some("a".into()),
            certificate: Some(("b".into(), "c".into())),
            server_name: Some("d".to_owned()),
            user: Some(("v".to_owned(), Password::File("e".into()))),
            garbage_after: Some(Duration::from_secs(60)),
        };
        assert_eq!(access(WITH, &flags, &[]), Ok(expected.clone()));
        assert_eq!(access(WITH, &flags, &ETCDCTLS), Ok(expected));
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        for (lock, flags, environment, said) in [
            (
                WITHOUT,
                &["--etcd-cacert=a"][..],
                &[][..],
                "--etcd-cacert is for a lock with TLS",
            ),
            (WITH, &["--etcd-cert=a"], &[], "--etcd-key or ETCDCTL_KEY"),
            (WITH, &["--etcd-key=a"], &[], "--etcd-cert or ETCDCTL_CERT"),
            (WITH, &[], &[("ETCDCTL_CERT", "a")], "--etcd-key or ETCDCTL_KEY"),
            (
                WITH,
                &["--etcd-user=u"],
                &[],
                "--etcd-password-file or ETCDCTL_PASSWORD",
            ),
            (
                WITH,
                &[],
                &[("ETCDCTL_USER", "u")],
                "--etcd-password-file or ETCDCTL_PASSWORD",
            ),
            (WITH, &["--etcd-password-file=f"], &[], "needs --etcd-user"),
            (WITH, &["--etcd-user=u:s3cret"], &[], "a name without a password"),
            (
                WITH,
                &["--etcd-garbage-collect-after=59s"],
                &[],
                "--etcd-garbage-collect-after 59s must be at least 4 lease durations: 1m",
            ),
        ] {
            let error = access(lock, flags, environment).unwrap_err();
            assert!(
                error.contains(said) && !error.contains("s3cret"),
                "{flags:?}: {error}"
            );
        }
    }

    #[cfg(feature = "kube")]
    #[test]
    fn another_lock_takes_no_flag_of_etcd() {
        let lock = "leases:ns/n";
        assert_eq!(access(lock, &[], &ETCDCTLS), Ok(EtcdAccess::default()));
        for flag in [
            "--etcd-cacert=a",
            "--etcd-user=u",
            "--etcd-password-file=f",
            "--etcd-garbage-collect-after=1h",
        ] {
            let error = access(lock, &[flag], &[]).unwrap_err();
            assert!(error.contains("is for locks in etcd"), "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", access(WITH, &[], &ETCDCTLS[3..]).unwrap());
        assert!(shown.contains("\"u\"") && !shown.contains("\"p\""), "{shown}");
    }
}
