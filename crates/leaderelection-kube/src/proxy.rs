//! Which proxy is for a cluster: that of the kubeconfig as it is, else that of the environment as Go takes it.
//!
//! kube takes `HTTPS_PROXY` for every cluster, and compares `NO_PROXY` with the proxy's own name, also where the kubeconfig
//! names the proxy. client-go compares it with the cluster's, for the proxy of the environment alone, and never sends what
//! is for this machine through that one.

use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::Kubeconfig;

use crate::setup::SetupError;

/// The proxy that the current context's cluster names.
pub(crate) fn named_in(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let mut contexts = kubeconfig.contexts.iter();
    let context = contexts.find(|named| named.name == *current)?.context.as_ref()?;
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters.find(|named| named.name == context.cluster)?;
    let proxy = cluster.cluster.as_ref()?.proxy_url.clone()?;
    (!proxy.is_empty()).then_some(proxy)
}

/// The proxy of the environment, where it is for that cluster.
pub(crate) fn of_environment(
    cluster: &Uri,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, SetupError> {
    let first = |names: [&'static str; 2]| {
        let mut set = names.into_iter().filter_map(|name| Some((name, variable(name)?)));
        set.find(|(_, value)| !value.is_empty())
    };
    let names = match cluster.scheme_str() {
        Some("http") => ["HTTP_PROXY", "http_proxy"],
        _ => ["HTTPS_PROXY", "https_proxy"],
    };
    let Some((name, value)) = first(names) else {
        return Ok(None);
    };
    let none_for = first(["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, value)| value);
    // To the matcher it is a domain, and no address is in one.
    let for_nothing = none_for.split(',').any(|part| part.trim() == "*");
    // Of the matcher only what NO_PROXY means: it keeps the proxy without its password.
    let matcher = Matcher::builder()
        .all("http://proxy.invalid")
        .no(none_for)
        .build();
    let to_this_machine = is_this_machine(cluster.host().unwrap_or_default());
    if for_nothing || to_this_machine || matcher.intercept(cluster).is_none() {
        return Ok(None);
    }
    url(&value).map(Some).map_err(|problem| SetupError::Proxy {
        named_by: name.to_owned(),
        problem,
    })
}

/// A proxy's URL; without a scheme it speaks HTTP, as everywhere.
pub(crate) fn url(text: &str) -> Result<Uri, String> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    // Its words hold nothing of the text, in which a password stands.
    with_scheme
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(cluster: &str, set: &[(&str, &str)]) -> Result<Option<String>, SetupError> {
        let variable = |name: &str| {
            let found = set.iter().find(|(its_name, _)| *its_name == name)?;
            Some(found.1.to_owned())
        };
        Ok(of_environment(&cluster.parse().unwrap(), variable)?.map(|url| url.to_string()))
    }

    #[test]
    fn a_proxy_is_for_what_no_proxy_does_not_name() {
        let set = [
            ("HTTPS_PROXY", "http://me:secret@10.0.0.5:3128"),
            ("NO_PROXY", "10.0.0.0/8,.svc,example.org,"),
        ];
        for (cluster, proxied) in [
            ("https://192.0.2.1:6443", true),
            ("https://other.org", true),
            ("https://10.1.2.3:6443", false),
            ("https://kubernetes.default.svc", false),
            ("https://api.example.org:6443", false),
            // Only HTTPS_PROXY is set.
            ("http://192.0.2.1", false),
            // This machine.
            ("https://127.0.0.1:6443", false),
            ("https://[::1]:6443", false),
            ("https://LocalHost:6443", false),
        ] {
            let expected = proxied.then(|| "http://me:secret@10.0.0.5:3128/".to_owned());
            assert_eq!(proxy(cluster, &set), Ok(expected), "{cluster}");
        }
        assert_eq!(proxy("https://192.0.2.1", &[("NO_PROXY", "*")]), Ok(None));
    }

    #[test]
    fn names_are_taken_as_go_takes_them() {
        let cluster = "https://192.0.2.1";
        let expected = Ok(Some("http://proxy:3128/".to_owned()));
        assert_eq!(proxy(cluster, &[("https_proxy", "proxy:3128")]), expected);
        let both = [("HTTPS_PROXY", ""), ("https_proxy", "http://proxy:3128")];
        assert_eq!(proxy(cluster, &both), expected);
        let everything = [("HTTPS_PROXY", "proxy:3128"), ("no_proxy", "*")];
        assert_eq!(proxy(cluster, &everything), Ok(None));
        let error = proxy(cluster, &[("HTTPS_PROXY", "http://me:the secret@proxy")]).unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("HTTPS_PROXY") && !told.contains("the secret"),
            "{told}"
        );
    }

    #[test]
    fn a_proxy_is_named_by_the_current_contexts_cluster() {
        let kubeconfig = |proxy: &str, current: &str| {
            let text = format!(
                r#"{{"clusters": [{{"name": "c", "cluster": {{"server": "https://x", "proxy-url": "{proxy}"}}}},
                                  {{"name": "d", "cluster": {{"server": "https://x"}}}}],
                    "contexts": [{{"name": "c", "context": {{"cluster": "c"}}}}, {{"name": "d", "context": {{"cluster": "d"}}}}],
                    "current-context": "{current}"}}"#
            );
            Kubeconfig::from_yaml(&text).unwrap()
        };
        let named = named_in(&kubeconfig("http://proxy", "c"));
        assert_eq!(named.as_deref(), Some("http://proxy"));
        assert_eq!(named_in(&kubeconfig("", "c")), None);
        assert_eq!(named_in(&kubeconfig("http://proxy", "d")), None);
        assert_eq!(named_in(&kubeconfig("http://proxy", "missing")), None);
    }
}
