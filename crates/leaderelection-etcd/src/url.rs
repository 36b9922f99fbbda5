//! `etcd://HOST:PORT[,HOST:PORT…]/KEY`: the form in which a command line names a lock, and in which a lock names itself.
//! With TLS it begins with `etcds://`.

use std::fmt;
use std::str::FromStr;

use crate::connection::{EtcdConnection, EtcdConnectionBuilder};
use crate::setup::SetupError;

const SCHEME: &str = "etcd://";
const SCHEME_OF_TLS: &str = "etcds://";

/// Where a lock is: the endpoints of one etcd cluster, and the key.
///
/// The key is everything after the first slash, as it stands: nothing is decoded, and a key that begins with a slash is
/// written with two.
///
/// ```
/// use leaderelection_etcd::EtcdUrl;
///
/// let url: EtcdUrl = "etcd://10.0.0.1:2379,10.0.0.2:2379/my-service/leader".parse()?;
/// assert_eq!(url.endpoints(), ["10.0.0.1:2379", "10.0.0.2:2379"]);
/// assert_eq!(url.key(), "my-service/leader");
/// # Ok::<(), leaderelection_etcd::SetupError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EtcdUrl {
    tls: bool,
    endpoints: Vec<String>,
    key: String,
}

impl EtcdUrl {
    /// The endpoints, each `HOST:PORT`. At least one.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// The key. Not empty.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it begins with `etcds://`.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Starts to set up a connection to its endpoints, with TLS if it says so.
    pub fn connection(&self) -> EtcdConnectionBuilder {
        let scheme = if self.tls { HTTPS } else { HTTP };
        EtcdConnection::builder(
            self.endpoints
                .iter()
                .map(|endpoint| format!("{scheme}{endpoint}")),
        )
    }
}

impl FromStr for EtcdUrl {
    type Err = SetupError;

    fn from_str(url: &str) -> Result<Self, SetupError> {
        let bad = |problem| SetupError::BadUrl {
            url: url.to_owned(),
            problem,
        };
        // A key may have an '@'. Where there is no telling what is the key, none is repeated.
        let (tls, rest) = match url.strip_prefix(SCHEME_OF_TLS) {
            Some(rest) => (true, Some(rest)),
            None => (false, url.strip_prefix(SCHEME)),
        };
        let (authority, key) = match rest {
            Some(rest) => rest
                .split_once('/')
                .map_or((rest, None), |(head, key)| (head, Some(key))),
            None => (url, None),
        };
        if authority.contains('@') {
            return Err(SetupError::CredentialsInEndpoint);
        }
        if rest.is_none() {
            return Err(bad("it does not begin with etcd:// or etcds://"));
        }
        if authority.is_empty() {
            return Err(bad("it names no endpoint"));
        }
        let endpoints = authority
            .split(',')
            .map(|endpoint| host_and_port(endpoint).map(|()| endpoint.to_owned()))
            .collect::<Result<_, _>>()?;
        match key {
            None | Some("") => Err(bad("it names no key")),
            Some(key) => Ok(Self {
                tls,
                endpoints,
                key: key.to_owned(),
            }),
        }
    }
}

impl fmt::Display for EtcdUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = self.endpoints.iter().map(String::as_str);
        f.write_str(&describe(self.tls, endpoints, self.key.as_bytes()))
    }
}

/// How a lock names itself. A client that the user made does not tell its endpoints; their place stays empty, as the
/// host's in `file:///`.
pub(crate) fn describe<'a>(tls: bool, endpoints: impl Iterator<Item = &'a str>, key: &[u8]) -> String {
    let scheme = if tls { SCHEME_OF_TLS } else { SCHEME };
    let endpoints: Vec<_> = endpoints.collect();
    format!("{scheme}{}/{}", endpoints.join(","), String::from_utf8_lossy(key))
}

const HTTP: &str = "http://";
const HTTPS: &str = "https://";

/// Takes off the scheme that etcd's own tools write before an endpoint. Tells whether that says with TLS or without.
pub(crate) fn endpoint(given: &str) -> Result<(Option<bool>, &str), SetupError> {
    if given.contains('@') {
        return Err(SetupError::CredentialsInEndpoint);
    }
    let (tls, bare) = match (given.strip_prefix(HTTPS), given.strip_prefix(HTTP)) {
        (Some(bare), _) => (Some(true), bare),
        (None, Some(bare)) => (Some(false), bare),
        (None, None) => (None, given),
    };
    host_and_port(bare).map(|()| (tls, bare))
}

fn host_and_port(endpoint: &str) -> Result<(), SetupError> {
    let bad = |problem| {
        Err(SetupError::BadEndpoint {
            endpoint: endpoint.to_owned(),
            problem,
        })
    };
    let Some((host, port)) = endpoint.rsplit_once(':') else {
        return bad("it has no port (etcd's own is 2379)");
    };
    if host.starts_with('[') != host.ends_with(']') || (host.contains(':') && !host.starts_with('[')) {
        return bad("an IPv6 address stands in brackets, and a port follows");
    }
    if host.is_empty() || host == "[]" {
        return bad("it has no host");
    }
    // Where a URI ends, and its path begins, is not left to whoever reads it next.
    if host.contains(|letter: char| "/?#\\".contains(letter) || letter.is_whitespace() || letter.is_control())
    {
        return bad("its host has a character that no host has");
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return bad("the port is not a number from 1 to 65535");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> String {
        url.parse::<EtcdUrl>().unwrap_err().to_string()
    }

    #[test]
    fn a_url_is_its_endpoints_and_its_key() {
        for (url, endpoints, key) in [
            ("etcd://h:1/k", &["h:1"][..], "k"),
            (
                "etcd://h:1,[::1]:2379,10.0.0.1:65535/a/b",
                &["h:1", "[::1]:2379", "10.0.0.1:65535"],
                "a/b",
            ),
            ("etcd://h:1//leading", &["h:1"], "/leading"),
            ("etcd://h:1/a@b?c#d%20e", &["h:1"], "a@b?c#d%20e"),
            ("etcds://h:1,i:2/k", &["h:1", "i:2"], "k"),
        ] {
            let parsed: EtcdUrl = url.parse().unwrap();
            assert_eq!(
                (parsed.endpoints(), parsed.key()),
                (
                    endpoints
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .as_slice(),
                    key
                )
            );
            assert_eq!(parsed.to_string(), url, "it is written as it is read");
            assert_eq!(parsed.is_tls(), url.starts_with("etcds:"));
            assert_eq!(
                describe(parsed.is_tls(), endpoints.iter().copied(), key.as_bytes()),
                url,
                "a lock names itself alike"
            );
        }
    }

    #[test]
    fn a_bad_url_says_what_is_wrong_and_which_form_is_right() {
        for (url, expected) in [
            ("", "does not begin with etcd://"),
            ("127.0.0.1:2379/k", "does not begin with etcd://"),
            ("http://h:1/k", "does not begin with etcd://"),
            ("etcd://", "names no endpoint"),
            ("etcd:///k", "names no endpoint"),
            ("etcd://h:1", "names no key"),
            ("etcd://h:1/", "names no key"),
            ("etcds://", "names no endpoint"),
            ("etcds:h:1/k", "does not begin with etcd:// or etcds://"),
            ("etcds://h:1/", "names no key"),
        ] {
            let said = problem(url);
            assert!(
                said.contains(expected) && said.contains("etcd://HOST:PORT[,HOST:PORT…]/KEY"),
                "{url}: {said}"
            );
        }
        for (url, expected) in [
            ("etcd://h/k", "\"h\": it has no port"),
            ("etcd://h:1,/k", "\"\": it has no port"),
            ("etcd://:1/k", "\":1\": it has no host"),
            ("etcd://[]:1/k", "\"[]:1\": it has no host"),
            ("etcd://::1:2379/k", "IPv6 address stands in brackets"),
            ("etcd://[::1]/k", "IPv6 address stands in brackets"),
            (
                "etcd://h:0/k",
                "\"h:0\": the port is not a number from 1 to 65535",
            ),
            ("etcd://h:65536/k", "the port is not"),
            ("etcd://h:+1/k", "the port is not"),
            ("etcd://h:x/k", "the port is not"),
            ("etcd://h?x:1/k", "a character that no host has"),
            ("etcd://h#x:1/k", "a character that no host has"),
            ("etcd://h x:1/k", "a character that no host has"),
        ] {
            let said = problem(url);
            assert!(said.contains(expected), "{url}: {said}");
        }
    }

    #[test]
    fn credentials_are_refused_and_not_repeated() {
        for url in [
            "etcd://root:secret@h:1/k",
            "etcds://root:secret@h:1/k",
            "etcd://h:1,root:secret@i:1/k",
            "http://root:secret@h:1/k",
        ] {
            let said = problem(url);
            assert!(
                said.contains("must not carry a user or a password") && !said.contains("secret"),
                "{said}"
            );
        }
        let said = endpoint("http://root:secret@h:1").unwrap_err().to_string();
        assert!(!said.contains("secret"), "{said}");
    }

    #[test]
    fn an_endpoint_may_carry_the_scheme_of_etcds_own_tools() {
        assert_eq!(endpoint("http://h:1"), Ok((Some(false), "h:1")));
        assert_eq!(endpoint("https://h:1"), Ok((Some(true), "h:1")));
        assert_eq!(endpoint("h:1"), Ok((None, "h:1")));
        let said = endpoint("http://h:1/").unwrap_err().to_string();
        assert!(said.contains("the port is not"), "{said}");
        // To a client that reads it as a URI this is the host h, at a port of its own.
        let said = endpoint("h/x:2379").unwrap_err().to_string();
        assert!(said.contains("a character that no host has"), "{said}");
    }
}
