//! How the types read and write JSON: what Go's encoder omits, strings that name one of a few values, errors with a path.

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// A document that does not have the shape of its type. Give up until the document changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {message}", if field.is_empty() { "the document" } else { field })]
pub struct FieldError {
    /// Path of the field, such as `spec.syncPolicy.retry.limit`.
    pub field: String,
    /// What was found and what was expected.
    pub message: String,
}

/// Reads a typed value from JSON; unknown fields are ignored and a null reads as an absent field, as in Go.
///
/// The error names the field. Values below `valuesObject` are kept as they are, since a null means something to Helm.
pub fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, FieldError> {
    if has_null(value) {
        let mut copy = value.clone();
        drop_nulls(&mut copy);
        read(&copy)
    } else {
        read(value)
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| FieldError {
        field: error.path().to_string().trim_start_matches('.').to_owned(),
        message: error.inner().to_string(),
    })
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        Value::Object(map) => {
            map.retain(|_, field| !field.is_null());
            map.iter_mut().filter(|(key, _)| *key != "valuesObject").for_each(|(_, field)| drop_nulls(field));
        }
        _ => {}
    }
}

/// Writes a typed value as JSON.
pub(crate) fn to_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("the types have string keys and infallible serialisers")
}

/// Tells whether a field has Go's zero value, which `omitempty` leaves out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Defines an enum that is a string in JSON. Text it does not know is kept as `Other`, so that an object written by a
/// newer version still reads, and is written back as it was.
macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// Text that is none of the above.
            Other(Box<str>),
        }

        impl $name {
            /// Returns the text as in JSON.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from(&*std::borrow::Cow::<'de, str>::deserialize(deserializer)?))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string"})
            }
        }
    };
}
pub(crate) use string_enum;
