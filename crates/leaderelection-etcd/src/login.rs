//! User and password. etcd gives a token for them, which every call carries.
//!
//! A token ends: when it was not used for a while (`--auth-token-ttl`, 5 minutes), when the user changes, when a member that
//! restarts does not find it in its log. etcd then refuses a call before it does anything (`invalid auth token`), so the call may
//! be made again with a new token, within the same attempt, and is one write at most all the same (SAFETY 8). Everything that
//! fails on the way to a token has written nothing, and is no doubtful write (SAFETY 9).

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use etcd_client::{Client, Error};
use leaderelection::{LockError, LockErrorKind};
use tokio::sync::Mutex;

use crate::failure::{Call, token_refused};

/// Who one is.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Password,
}

#[derive(Clone)]
pub(crate) enum Password {
    Given(String),
    /// Read for every token, because files of secrets are replaced.
    File(PathBuf),
}

impl Password {
    fn read(&self) -> Result<String, String> {
        match self {
            Self::Given(password) => Ok(password.clone()),
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => Err(format!("the password, {}: {error}", path.display())),
            },
        }
    }
}

/// A password must not come into a log.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("…"),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// The token of one member's client, which that keeps.
pub(crate) struct Login {
    credentials: Credentials,
    /// There was one once, or etcd wants none.
    done: AtomicBool,
    /// How many logins have ended.
    ended: AtomicU64,
    /// How the last one ended; held while one goes on, so that calls which find the token refused at once fetch one.
    last: Mutex<Result<(), LockError>>,
}

impl Login {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            done: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            last: Mutex::new(Ok(())),
        }
    }

    /// Makes the call with a token, and once more if that is refused.
    pub(crate) async fn call<T, F: Future<Output = Result<T, LockError>>>(
        &self,
        client: &Client,
        call: &Call<'_>,
        ask: impl Fn() -> F,
    ) -> Result<T, LockError> {
        // In boxes: a login takes twice as much as the call, and is hardly ever made.
        if !self.done.load(Ordering::Acquire) {
            let ended = self.ended.load(Ordering::Acquire);
            Box::pin(self.renew(client, call, ended)).await?;
        }
        let ended = self.ended.load(Ordering::Acquire);
        match ask().await {
            Err(error) if token_refused(&error) => {
                Box::pin(self.renew(client, call, ended)).await?;
                ask().await
            }
            answer => answer,
        }
    }

    /// Fetches a token, unless that was done since so many logins had ended.
    async fn renew(&self, client: &Client, call: &Call<'_>, ended: u64) -> Result<(), LockError> {
        let mut last = self.last.lock().await;
        if self.ended.load(Ordering::Acquire) == ended {
            *last = self.log_in(client, call).await;
            self.done.fetch_or(last.is_ok(), Ordering::Release);
            self.ended.fetch_add(1, Ordering::Release);
        }
        last.clone()
    }

    async fn log_in(&self, client: &Client, call: &Call<'_>) -> Result<(), LockError> {
        let Credentials { user, password } = &self.credentials;
        let doing = format!("{call}: login of user {user:?}");
        let password = password
            .read()
            .map_err(|problem| LockError::new(LockErrorKind::Denied, format!("{doing}: {problem}")))?;
        // Its clones share the token.
        match client.clone().update_user(Some((user.clone(), password))).await {
            Err(Error::GRpcStatus(status))
                if status.message() == "etcdserver: authentication is not enabled" =>
            {
                // As etcd's own client: whoever enables it later gets a login.
                Ok(())
            }
            outcome => outcome.map_err(|error| call.login_failed(&doing, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_without_the_end_of_its_line_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (text, password) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" s e \n", " s e "),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Password::File(path.clone()).read().as_deref(), Ok(password));
        }
        let missing = Password::File(folder.path().join("missing"));
        let said = missing.read().unwrap_err();
        assert!(said.contains("missing: No such file"), "{said}");
        let credentials = Credentials {
            user: "u".to_owned(),
            password: Password::Given("secret".to_owned()),
        };
        let shown = format!("{credentials:?}");
        assert!(shown.contains('u') && !shown.contains("secret"), "{shown}");
    }
}
