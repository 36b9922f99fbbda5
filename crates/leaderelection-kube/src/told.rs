//! What is told of an error of kube: everything but what must not be in a log.
//!
//! kube's own words hold what a credential plugin printed, the command with its environment, parts of what should have been
//! a token, and a proxy's password. Errors that may hold such a thing are put into words of our own, and are not passed on.

use std::error::Error as StdError;

use kube::client::AuthError;

use crate::config::server;

/// Words for an error that may hold a secret, in it or in its sources. `None`: its own words are harmless.
pub(crate) fn without_secrets(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<AuthError>() {
        return Some(credentials(error));
    }
    #[cfg(feature = "rustls-tls")]
    if let Some(kube::client::RustlsTlsError::InvalidIdentityPem(_)) = error.downcast_ref() {
        return Some("the client certificate or its key is no PEM".to_owned());
    }
    match error.downcast_ref::<kube::Error>()? {
        kube::Error::ProxyProtocolUnsupported { proxy_url } => Some(format!(
            "the proxy {} has a protocol that is not supported; http, https and socks5 are",
            server(proxy_url)
        )),
        kube::Error::ProxyProtocolDisabled {
            proxy_url,
            protocol_feature,
        } => Some(format!(
            "the proxy {} needs the feature `{}` of leaderelection-kube",
            server(proxy_url),
            protocol_feature.trim_start_matches("kube/")
        )),
        _ => None,
    }
}

/// Why there are no credentials.
fn credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => format!(
            "the credential plugin failed with {}; what it printed may hold secrets and is not repeated: run the command of the \
             kubeconfig by hand to see it",
            out.status
        ),
        AuthError::AuthExecParse(error) => {
            let place = error.location().map_or_else(String::new, |place| {
                format!(", line {}, column {}", place.line(), place.column())
            });
            format!("what the credential plugin printed is no ExecCredential in JSON or YAML{place}")
        }
        AuthError::MalformedTokenExpirationDate(_) => {
            "the credentials expire at a time that is not of the form 2006-01-02T15:04:05Z".to_owned()
        }
        // They name files and programs.
        AuthError::InvalidBasicAuth(_)
        | AuthError::InvalidBearerToken(_)
        | AuthError::UnrefreshableTokenResponse
        | AuthError::ExecPluginFailed
        | AuthError::AuthExecStart(_)
        | AuthError::AuthExec(_)
        | AuthError::ReadTokenFile(..)
        | AuthError::MissingCommand
        | AuthError::ExecMissingClusterInfo => error.to_string(),
        // Of some features of kube, or with a part of what was read.
        _ => "kube's client could not get credentials; why may hold secrets and is not shown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    fn failed_plugin() -> Output {
        Command::new("sh")
            .args(["-c", "echo the-secret; echo the-secret >&2; exit 3"])
            .output()
            .unwrap()
    }

    #[test]
    fn what_a_plugin_printed_and_was_given_is_not_told() {
        let error = AuthError::AuthExecRun {
            cmd: "TOKEN=\"the-secret\" \"plugin\" \"--password=the-secret\"".to_owned(),
            out: Box::new(failed_plugin()),
        };
        assert!(error.to_string().contains("the-secret"), "kube tells it: {error}");
        let told = without_secrets(&error).unwrap();
        assert!(told.contains("exit status: 3"), "{told}");
        assert!(!told.contains("the-secret"), "{told}");
    }

    #[test]
    fn a_proxys_password_is_not_told() {
        let proxy_url = Box::new("ftp://user:the-secret@proxy:3128".parse().unwrap());
        let told = without_secrets(&kube::Error::ProxyProtocolUnsupported { proxy_url }).unwrap();
        assert!(
            told.contains("ftp://proxy:3128") && !told.contains("the-secret"),
            "{told}"
        );
        let error = kube::Error::ProxyProtocolDisabled {
            proxy_url: Box::new("socks5://user:the-secret@proxy:1080".parse().unwrap()),
            protocol_feature: "kube/socks5",
        };
        let told = without_secrets(&error).unwrap();
        assert!(
            told.contains("socks5://proxy:1080") && told.contains("`socks5`"),
            "{told}"
        );
        assert!(!told.contains("the-secret"), "{told}");
    }

    #[test]
    fn what_holds_no_secret_keeps_its_words() {
        assert!(without_secrets(&kube::Error::TlsRequired).is_none());
        let told = without_secrets(&AuthError::MissingCommand).unwrap();
        assert_eq!(told, AuthError::MissingCommand.to_string());
    }
}
