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
}
