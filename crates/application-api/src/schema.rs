//! Schemas of fields that Rust's type does not tell.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Stands for a point in time in schemas.
pub(crate) struct DateTime;

impl JsonSchema for DateTime {
    fn schema_name() -> Cow<'static, str> {
        "DateTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// An object whose fields nobody declares.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A number or text.
pub(crate) fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-int-or-string": true})
}

/// A directory that is not the root of a repository.
pub(crate) fn path_below_root(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "pattern": "^.{2,}|[^./]$"})
}

/// The phases of a hydration.
pub(crate) fn hydrate_phase(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["Hydrating", "Failed", "Hydrated"]})
}

/// A description of limited length.
pub(crate) fn short_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 255})
}
