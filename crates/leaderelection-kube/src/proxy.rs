//! Whether the proxy of the environment is for this cluster.
//!
//! kube takes `HTTPS_PROXY` for every cluster, and compares `NO_PROXY` with the proxy's own name. client-go, kubectl and
//! curl compare it with the cluster's, and Go never sends what is for this machine through a proxy; so do we. A proxy that
//! the kubeconfig names is taken as it is.

use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::Kubeconfig;

/// Whether the current context's cluster names a proxy of its own.
pub(crate) fn is_named_in(kubeconfig: &Kubeconfig) -> bool {
    let named = |current: &String| {
        let mut contexts = kubeconfig.contexts.iter();
        let context = contexts.find(|named| named.name == *current)?.context.as_ref()?;
        let mut clusters = kubeconfig.clusters.iter();
        let cluster = clusters.find(|named| named.name == context.cluster)?;
        cluster.cluster.as_ref()?.proxy_url.clone()
    };
    let proxy = kubeconfig.current_context.as_ref().and_then(named);
    proxy.is_some_and(|url| !url.is_empty())
}

/// Whether `matcher`, which knows the environment, sends what is for `cluster` through a proxy.
pub(crate) fn is_for(cluster: &Uri, matcher: &Matcher) -> bool {
    !is_this_machine(cluster.host().unwrap_or_default()) && matcher.intercept(cluster).is_some()
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_for_what_no_proxy_does_not_name() {
        let matcher = Matcher::builder()
            .https("http://proxy:3128")
            .no("10.0.0.0/8,.svc,example.org")
            .build();
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
            assert_eq!(is_for(&cluster.parse().unwrap(), &matcher), proxied, "{cluster}");
        }
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
        assert!(is_named_in(&kubeconfig("http://proxy", "c")));
        assert!(!is_named_in(&kubeconfig("", "c")));
        assert!(!is_named_in(&kubeconfig("http://proxy", "d")));
        assert!(!is_named_in(&kubeconfig("http://proxy", "missing")));
    }
}
