//! Names that Kubernetes allows, checked before anything is sent: a name is part of a path.

/// Why this is no name of a namespace (a DNS label, RFC 1123).
pub(crate) fn namespace(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 63 {
        return Err("it is longer than 63 characters");
    }
    label(name)
}

/// Why this is no name of an object (a DNS subdomain, RFC 1123).
pub(crate) fn object(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 253 {
        return Err("it is longer than 253 characters");
    }
    name.split('.').try_for_each(label)
}

/// Why this is no key of a label: a name, after a DNS subdomain and a slash where it belongs to somebody.
pub(crate) fn label_key(key: &str) -> Result<(), String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            object(prefix)
                .map_err(|problem| format!("its key has a prefix that is no DNS name: {problem}"))?;
            name
        }
        None => key,
    };
    if name.is_empty() {
        return Err("its key has no name".to_owned());
    }
    label_text(name).map_err(|problem| format!("its key: {problem}"))
}

/// Why this is no value of a label.
pub(crate) fn label_value(value: &str) -> Result<(), String> {
    label_text(value).map_err(|problem| format!("its value: {problem}"))
}

fn label_text(text: &str) -> Result<(), &'static str> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric();
    if text.len() > 63 {
        return Err("it is longer than 63 characters");
    }
    if !text.bytes().all(|byte| letter(byte) || b"-_.".contains(&byte)) {
        return Err("only letters, digits, '-', '_' and '.' are allowed");
    }
    let ends = [text.bytes().next(), text.bytes().next_back()];
    if ends.into_iter().flatten().any(|end| !letter(end)) {
        return Err("it must begin and end with a letter or a digit");
    }
    Ok(())
}

fn label(label: &str) -> Result<(), &'static str> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !label.bytes().all(|byte| letter(byte) || byte == b'-') {
        return Err("only lower-case letters, digits, '-' and, in the name of an object, '.' are allowed");
    }
    let ends = [label.bytes().next(), label.bytes().next_back()];
    if ends.into_iter().any(|end| !end.is_some_and(letter)) {
        return Err(
            "it must begin and end with a lower-case letter or a digit, and so must every part between dots",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_allows() {
        let longest = [
            "a".repeat(61).as_str(),
            &"b".repeat(63),
            &"c".repeat(63),
            &"d".repeat(63),
        ]
        .join(".");
        assert_eq!(longest.len(), 253);
        for name in ["a", "0", "kube-system", "a.b-c.9", &longest, &"x".repeat(64)] {
            assert_eq!(object(name), Ok(()), "{name}");
        }
        for name in ["a", "0", "kube-system", &"x".repeat(63)] {
            assert_eq!(namespace(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_it_does_not() {
        for name in [
            "",
            "A",
            "a_b",
            "a/b",
            "a b",
            "ä",
            "-a",
            "a-",
            ".",
            "a.",
            ".a",
            "a..b",
            "a.-b",
            "../x",
            "a%2fb",
            "a?b",
            &"x".repeat(254),
        ] {
            assert!(object(name).is_err(), "{name}");
            assert!(namespace(name).is_err(), "{name}");
        }
        for name in ["a.b", &"x".repeat(64)] {
            assert!(namespace(name).is_err(), "{name}");
        }
    }

    #[test]
    fn labels_that_kubernetes_allows_and_others() {
        let prefix = ["a".repeat(61), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
        let longest = format!("{prefix}/{}", "N".repeat(63));
        for key in ["a", "A_b.c-9", "app.kubernetes.io/name", &longest] {
            assert_eq!(label_key(key), Ok(()), "{key}");
        }
        for key in [
            "",
            "/",
            "/a",
            "a/",
            "a/b/c",
            "A.io/name",
            "-a",
            "a-",
            "a b",
            "ä",
            &"x".repeat(64),
        ] {
            assert!(label_key(key).is_err(), "{key}");
        }
        for value in ["", "a", "A_b.c-9", &"x".repeat(63)] {
            assert_eq!(label_value(value), Ok(()), "{value}");
        }
        for value in ["-a", "a.", "a b", "a/b", "ä", &"x".repeat(64)] {
            assert!(label_value(value).is_err(), "{value}");
        }
    }
}
