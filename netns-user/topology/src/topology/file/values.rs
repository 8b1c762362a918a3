//! Values of the file with their positions, and the kinds of values as the JSON Schema describes
//! them.

use schemars::json_schema;
use toml::Spanned;

use crate::topology::limits::{COUNT, FLOW_TABLE, INTERFACE_NAME, MTU, QUOTA, TIMEOUT};

/// Text, and where it is written.
pub(crate) type Text = Spanned<String>;

/// A number, and where it is written. It is wider than the range of any key, so that a number out
/// of range is reported in our words.
pub(crate) type Number = Spanned<i64>;

/// Gives a type a schema that is written where the type is used, not in a definition of its own.
macro_rules! inline_schema {
    ($type:ty, |$generator:ident| $schema:expr) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(super) use inline_schema;

/// Declares a type that only stands for the schema of a key's value.
macro_rules! value {
    ($name:ident, $schema:tt) => {
        pub(super) enum $name {}

        inline_schema!($name, |_generator| json_schema!($schema));
    };
}

value!(Address, {
    "type": "string",
    "pattern": r"^[0-9]+(\.[0-9]+){3}$",
    "examples": ["192.168.15.1"],
});
value!(Subnet, {
    "type": "string",
    "pattern": r"^[0-9]+(\.[0-9]+){3}/[0-9]+$",
    "examples": ["192.168.15.1/24"],
});
value!(Destination, {
    "type": "string",
    "pattern": r"^(default|[0-9]+(\.[0-9]+){3}/[0-9]+)$",
    "examples": ["10.1.0.0/16", "default"],
});
value!(Target, {
    "type": "string",
    "pattern": r"^[^\s/]+:[0-9]+$",
    "examples": ["blue:80", "192.168.15.2:80"],
});
value!(Network, {
    "type": "string",
    "pattern": r"^[0-9]+(\.[0-9]+){3}(/[0-9]+)?$",
    "examples": ["10.0.0.0/8", "192.168.1.7"],
});
value!(Interface, { "type": "string", "minLength": 1, "maxLength": INTERFACE_NAME });
value!(Protocols, {
    "type": "string",
    "pattern": concat!(
        r"^ *([Tt][Cc][Pp]|[Uu][Dd][Pp]([Ll][Ii][Tt][Ee])?|[Ss][Cc][Tt][Pp]) *",
        r"(, *([Tt][Cc][Pp]|[Uu][Dd][Pp]([Ll][Ii][Tt][Ee])?|[Ss][Cc][Tt][Pp]) *)*$",
    ),
    "examples": ["tcp", "udp", "sctp", "udplite", "tcp,udp"],
});
value!(Metric, { "type": "integer", "minimum": 0, "maximum": u32::MAX });
value!(Mtu, { "type": "integer", "minimum": MTU.start(), "maximum": MTU.end() });
value!(Count, { "type": "integer", "minimum": COUNT.start(), "maximum": COUNT.end() });
value!(Timeout, { "type": "integer", "minimum": TIMEOUT.start(), "maximum": TIMEOUT.end() });
value!(FlowTable, {
    "type": "integer",
    "minimum": FLOW_TABLE.start(),
    "maximum": FLOW_TABLE.end(),
});
value!(Quota, { "type": "integer", "minimum": QUOTA.start(), "maximum": QUOTA.end() });
