//! How the fields are read: whatever is wrong with one names it, says what stands there, and what is allowed.

use std::fmt;
use std::time::Duration;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::ser::Serializer;

use super::error::ConfigProblem;
use super::{LeaderElectionConfiguration, duration, quoted};

const STRUCT: &str = "LeaderElectionConfiguration";

/// All there are, in Go's order.
const FIELDS: [&str; 7] = [
    "leaderElect",
    "leaseDuration",
    "renewDeadline",
    "retryPeriod",
    "resourceLock",
    "resourceName",
    "resourceNamespace",
];

pub(super) fn write_duration<S: Serializer>(duration: &Duration, into: S) -> Result<S::Ok, S::Error> {
    into.serialize_str(&duration::written(*duration))
}

/// Not derived: serde's own error of a field that is not known does not say what stands there, and as a struct it could not be null,
/// nor tell, where it lies flat in another, what nobody knows.
impl<'de> Deserialize<'de> for LeaderElectionConfiguration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = LeaderElectionConfiguration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {STRUCT}: a map of {}", AllFields)
    }

    /// As in Go, what is there and empty is not set.
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Self::Value::default())
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut config = LeaderElectionConfiguration::default();
        let mut read = Vec::with_capacity(FIELDS.len());
        while let Some(Name(name)) = map.next_key()? {
            let Some(field) = FIELDS.into_iter().find(|field| *field == name) else {
                return map.next_value_seed(NotKnown(name));
            };
            if read.contains(&field) {
                return Err(A::Error::duplicate_field(field));
            }
            read.push(field);
            match field {
                "leaderElect" => set(&mut config.leader_elect, map.next_value_seed(a_flag(field))?),
                "leaseDuration" => set(
                    &mut config.lease_duration,
                    map.next_value_seed(a_duration(field))?,
                ),
                "renewDeadline" => set(
                    &mut config.renew_deadline,
                    map.next_value_seed(a_duration(field))?,
                ),
                "retryPeriod" => set(&mut config.retry_period, map.next_value_seed(a_duration(field))?),
                "resourceLock" => set(&mut config.resource_lock, map.next_value_seed(a_text(field))?),
                "resourceName" => set(&mut config.resource_name, map.next_value_seed(a_text(field))?),
                _ => set(
                    &mut config.resource_namespace,
                    map.next_value_seed(a_text(field))?,
                ),
            }
        }
        Ok(config)
    }
}

/// What is there and empty is, as in Go, not set: the default stays.
fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// The value of a field that there is not: an error here is one at its place in the file.
struct NotKnown(String);

impl<'de> DeserializeSeed<'de> for NotKnown {
    type Value = LeaderElectionConfiguration;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        let Shown(value) = Shown::deserialize(from)?;
        let name = self.0;
        Err(D::Error::custom(format_args!(
            "{name}: {value}: is not known; the fields are {AllFields}"
        )))
    }
}

struct AllFields;

impl fmt::Display for AllFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [fields @ .., last] = FIELDS;
        write!(f, "{} and {last}", fields.join(", "))
    }
}

/// The name of a field, also where a format writes it without quotes.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Identifier;
        impl Visitor<'_> for Identifier {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a field of {STRUCT}")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(name.to_owned()))
            }
        }
        from.deserialize_identifier(Identifier)
    }
}

fn a_flag(name: &'static str) -> Field<bool> {
    Field {
        name,
        allowed: || "must be true or false".to_owned(),
        flag: Ok,
        text: |_| Err("must be true or false".to_owned()),
    }
}

fn a_duration(name: &'static str) -> Field<Duration> {
    Field {
        name,
        allowed: duration::no_text,
        flag: |_| Err(duration::no_text()),
        text: |text| Ok(Some(duration::read(text)?).filter(|given| !given.is_zero())),
    }
}

fn a_text(name: &'static str) -> Field<String> {
    Field {
        name,
        allowed: || "must be a string".to_owned(),
        flag: |flag| match flag {
            None => Ok(None),
            Some(_) => Err("must be a string".to_owned()),
        },
        text: |text| Ok(Some(text.to_owned()).filter(|given| !given.is_empty())),
    }
}

/// One field, and what may stand there; `None` is one that is not set.
struct Field<T> {
    name: &'static str,
    allowed: fn() -> String,
    /// What `true`, `false` or, as `None`, `null` stands for.
    flag: fn(Option<bool>) -> Result<Option<T>, String>,
    text: fn(&str) -> Result<Option<T>, String>,
}

impl<T> Field<T> {
    fn wrong<E: Error>(&self, value: impl fmt::Display) -> E {
        E::custom(ConfigProblem::new(self.name, value.to_string(), (self.allowed)()))
    }

    fn told<E: Error>(&self, value: &str, read: Result<Option<T>, String>) -> Result<Option<T>, E> {
        read.map_err(|problem| E::custom(ConfigProblem::new(self.name, value, problem)))
    }
}

impl<'de, T> DeserializeSeed<'de> for Field<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        from.deserialize_option(OrNull(self))
    }
}

/// A field, or null: as an option, because where a format has bare words, one would be null, too.
struct OrNull<T>(Field<T>);

impl<'de, T> Visitor<'de> for OrNull<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        let read = (self.0.flag)(None);
        self.0.told("null", read)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        self.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        from.deserialize_any(self.0)
    }
}

impl<'de, T> Visitor<'de> for Field<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, which {}", self.name, (self.allowed)())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        let read = (self.text)(text);
        self.told(&quoted(text), read)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Option<T>, E> {
        let read = (self.flag)(Some(flag));
        self.told(&flag.to_string(), read)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Err(self.wrong("a word without quotes"))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<T>, E> {
        Err(self.wrong(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<T>, E> {
        Err(self.wrong(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<T>, E> {
        Err(self.wrong(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
        let Shown(value) = Any.visit_seq(list)?;
        Err(self.wrong(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        let Shown(value) = Any.visit_map(map)?;
        Err(self.wrong(value))
    }
}

/// Any value, as an error shows it.
struct Shown(String);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

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
        Ok(Shown("a list".to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shown, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Shown("a map".to_owned()))
    }
}
