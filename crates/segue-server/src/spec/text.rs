//! Texts of a certain form. They are never made: fields name them as their schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $schema:tt;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )+
    };
}

texts! {
    /// 8-4-4-4-12 hexadecimal digits.
    Uuid = {"type": "string", "format": "uuid"};
    /// RFC 3339, in UTC.
    Time = {"type": "string", "format": "date-time"};
    /// Absolute, percent-encoded.
    Uri = {"type": "string", "format": "uri"};
    /// The same, or empty.
    UriReference = {"type": "string", "format": "uri-reference"};
    /// Three base64url parts.
    Jwt = {"type": "string", "format": "jwt", "pattern": r"^[\w-]+\.[\w-]+\.[\w-]+$"};
    /// Any object.
    Object = {"type": "object"};
}
