//! Values that are strings on the wire.
//!
//! Each value is parsed once, at the edge. A string that does not parse may contain anything, even an identity number
//! in the wrong field, so no error repeats the input. The messages of serde do ("invalid type: integer `…`"), so the
//! values do not derive `Deserialize` with `try_from = "String"`.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Visitor};

/// Reads a string and parses it. No error repeats the value.
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    // With `deserialize_str`, serde_json would refuse a number itself and repeat it in its error.
    deserializer.deserialize_any(Text(PhantomData))
}

/// A string of the store. It is taken unchecked: a rule that is newer than the record must not make the record
/// unreadable.
pub(crate) struct Stored(pub(crate) String);

impl FromStr for Stored {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Stored(text.to_owned()))
    }
}

struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Err(number())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Err(number())
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<T, E> {
        Err(number())
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<T, E> {
        Err(number())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Err(number())
    }
}

fn number<E: Error>() -> E {
    E::custom("invalid type: number, expected a string")
}

/// Implements serde as a string, `TryFrom<String>`, and a `Debug` that shows the value, for a type with `FromStr` and
/// `Display`. Not for personal data.
macro_rules! plain_text {
    ($($type:ident: $error:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        $crate::text::text!($type: $error);
    )+};
}

/// Implements serde as a string, `TryFrom<String>`, `as_str`, and a redacted `Debug`, for a `struct T(String)` with
/// `FromStr` that holds personal data. `Display` is missing on purpose, so that `{}` cannot print personal data.
macro_rules! personal_text {
    ($($type:ident: $error:ty),+ $(,)?) => {$(
        $crate::text::redacted_text!($type);
        $crate::text::text!($type: $error);
    )+};
}

/// As [`personal_text`], but `Deserialize` takes every string: the rules of `FromStr` have changed since records were
/// stored.
macro_rules! stored_text {
    ($($type:ident: $error:ty),+ $(,)?) => {$(
        $crate::text::redacted_text!($type);

        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize::<$crate::text::Stored, D>(deserializer).map(|stored| $type(stored.0))
            }
        }
    )+};
}

/// `Serialize`, `as_str` and `Debug`, shared by `personal_text` and `stored_text`.
macro_rules! redacted_text {
    ($type:ident) => {
        impl $type {
            /// The value as text. Personal data: never use it in a log, an error, a URL or a metric.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}([redacted])", stringify!($type))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

/// Conversions from text, shared by `plain_text` and `personal_text`.
macro_rules! text {
    ($type:ident: $error:ty) => {
        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize(deserializer)
            }
        }
    };
}

pub(crate) use {personal_text, plain_text, redacted_text, stored_text, text};

#[cfg(test)]
mod tests {
    use crate::division::DivisionCode;
    use crate::identity_number::IdentityNumber;

    #[test]
    fn no_error_repeats_the_input() {
        let canary = "110101202311012177";
        for json in [
            format!("\"{canary}\""),
            canary.to_owned(),
            format!("-{canary}"),
            format!("{canary}.5"),
            format!("{canary}{canary}"),
            format!("[{canary}]"),
            format!("{{\"{canary}\":{canary}}}"),
        ] {
            let read = serde_json::from_str::<IdentityNumber>(&json).expect_err("not a number");
            assert!(!read.to_string().contains("1101012"), "{read}");
            let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            let read = serde_json::from_value::<IdentityNumber>(value).expect_err("not a number");
            assert!(!read.to_string().contains("1101012"), "{read}");
            let read = serde_json::from_str::<DivisionCode>(&json).expect_err("not a code");
            assert!(!read.to_string().contains("1101012"), "{read}");
        }
    }

    #[test]
    fn another_type_is_named_as_such() {
        for json in ["1", "-1", "1.5", "true", "null"] {
            let error = serde_json::from_str::<DivisionCode>(json).expect_err("not a string").to_string();
            assert!(error.contains("expected a string"), "{json}: {error}");
        }
    }

    #[test]
    fn strings_are_read_wherever_serde_finds_them() {
        let expected: DivisionCode = "150100".parse().expect("a code");
        // The escape prevents serde from borrowing the string from the input.
        let read: DivisionCode = serde_json::from_str(r#""15\u0030100""#).expect("a code");
        assert_eq!(read, expected);
        let map: std::collections::BTreeMap<DivisionCode, u8> =
            serde_json::from_str("{\"150100\":1}").expect("a map with codes as keys");
        assert_eq!(map.get(&expected), Some(&1));
    }
}
