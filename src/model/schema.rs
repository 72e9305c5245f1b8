//! What of the JSON of interface.md does not follow from how a type is laid out.

/// Says how a type that writes itself is written; it stands inline wherever it is used.
macro_rules! written {
    ($name:ty, $word:literal, $schema:tt) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $word.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }

            fn inline_schema() -> bool {
                true
            }
        }
    };
}
pub(crate) use written;
