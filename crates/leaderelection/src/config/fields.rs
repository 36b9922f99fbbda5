//! How the fields are read: whatever is wrong with one names it, says what stands there, and what is allowed.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;

use super::error::ConfigProblem;
use super::{LeaderElectionConfiguration, duration, quoted};

pub(super) fn leader_elect<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let field = Field {
        name: "leaderElect",
        allowed: || "must be true or false".to_owned(),
        flag: |flag| Ok(flag.unwrap_or_else(|| default().leader_elect)),
        text: |_| Err("must be true or false".to_owned()),
    };
    from.deserialize_any(field)
}

pub(super) fn lease_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration_of("leaseDuration", from, |default| default.lease_duration)
}

pub(super) fn renew_deadline<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration_of("renewDeadline", from, |default| default.renew_deadline)
}

pub(super) fn retry_period<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration_of("retryPeriod", from, |default| default.retry_period)
}

pub(super) fn resource_lock<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let given = text_of("resourceLock", from)?;
    Ok(if given.is_empty() {
        default().resource_lock
    } else {
        given
    })
}

pub(super) fn resource_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text_of("resourceName", from)
}

pub(super) fn resource_namespace<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text_of("resourceNamespace", from)
}

pub(super) fn write_duration<S: Serializer>(duration: &Duration, into: S) -> Result<S::Ok, S::Error> {
    into.serialize_str(&duration::written(*duration))
}

fn default() -> LeaderElectionConfiguration {
    LeaderElectionConfiguration::default()
}

/// Zero is a field that is not set, as in Go.
fn duration_of<'de, D: Deserializer<'de>>(
    name: &'static str,
    from: D,
    unset: fn(LeaderElectionConfiguration) -> Duration,
) -> Result<Duration, D::Error> {
    let field = Field {
        name,
        allowed: duration::no_text,
        flag: |_| Err(duration::no_text()),
        text: duration::read,
    };
    Ok(match from.deserialize_any(field)? {
        Duration::ZERO => unset(default()),
        given => given,
    })
}

fn text_of<'de, D: Deserializer<'de>>(name: &'static str, from: D) -> Result<String, D::Error> {
    let field = Field {
        name,
        allowed: || "must be a string".to_owned(),
        // As in Go, null is a string that is not set.
        flag: |flag| match flag {
            None => Ok(String::new()),
            Some(_) => Err("must be a string".to_owned()),
        },
        text: |text| Ok(text.to_owned()),
    };
    from.deserialize_any(field)
}

/// One field, and what may stand there.
struct Field<T> {
    name: &'static str,
    allowed: fn() -> String,
    /// What `true`, `false` or, as `None`, `null` stands for.
    flag: fn(Option<bool>) -> Result<T, String>,
    text: fn(&str) -> Result<T, String>,
}

impl<T> Field<T> {
    fn wrong<E: Error>(&self, value: impl fmt::Display) -> E {
        E::custom(ConfigProblem::new(self.name, value.to_string(), (self.allowed)()))
    }

    fn told<E: Error>(&self, value: &str, read: Result<T, String>) -> Result<T, E> {
        read.map_err(|problem| E::custom(ConfigProblem::new(self.name, value, problem)))
    }
}

impl<'de, T> Visitor<'de> for Field<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, which {}", self.name, (self.allowed)())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let read = (self.text)(text);
        self.told(&quoted(text), read)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<T, E> {
        let read = (self.flag)(Some(flag));
        self.told(&flag.to_string(), read)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        let read = (self.flag)(None);
        self.told("null", read)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Err(self.wrong(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Err(self.wrong(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Err(self.wrong(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Err(self.wrong(A_LIST))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(self.wrong(A_MAP))
    }
}

const A_LIST: &str = "a list";
const A_MAP: &str = "a map";

/// Where the fields that are not known would be: there must be none.
pub(super) struct NoOther;

impl<'de> Deserialize<'de> for NoOther {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct None;
        impl<'de> Visitor<'de> for None {
            type Value = NoOther;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a LeaderElectionConfiguration")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut others: A) -> Result<NoOther, A::Error> {
                let Some((name, Shown(value))) = others.next_entry::<String, Shown>()? else {
                    return Ok(NoOther);
                };
                let fields = "the fields are leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceLock, \
                              resourceName and resourceNamespace";
                let problem = format!("is not known; {fields}");
                Err(A::Error::custom(format_args!("{name}: {value}: {problem}")))
            }
        }
        from.deserialize_map(None)
    }
}

/// Any value, as an error shows it.
struct Shown(String);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Shown;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Shown, E> {
                Ok(Shown(quoted(text)))
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Shown, E> {
                Ok(Shown(flag.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<Shown, E> {
                Ok(Shown("null".to_owned()))
            }

            fn visit_none<E: Error>(self) -> Result<Shown, E> {
                self.visit_unit()
            }

            fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Shown, D::Error> {
                from.deserialize_any(self)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Shown, E> {
                Ok(Shown(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Shown, E> {
                Ok(Shown(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Shown, E> {
                Ok(Shown(number.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shown, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Shown(A_LIST.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shown, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Shown(A_MAP.to_owned()))
            }
        }
        from.deserialize_any(Any)
    }
}
