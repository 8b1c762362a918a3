//! The topology file as a JSON Schema (draft 2020-12), for editors and other programs. It takes
//! what the parser takes, and keeps out what the parser would by the look of single values.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;

use super::{
    choices::{AddressesFile, GatewayFile, MssClampFile, PortsFile, RoutersFile},
    file::{RouterFile, TopologyFile},
    read::{COUNT, FLOW_TABLE, MTU, QUOTA, TIMEOUT},
};
use crate::rules::MssClamp;

/// A schema of the topology file: draft 2020-12.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<TopologyFile>().to_value();
    without_null_defaults(&mut schema);
    schema
}

/// TOML knows no null: a key without a value is one that is not there.
fn without_null_defaults(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            keys.retain(|key, value| key != "default" || !value.is_null());
            keys.values_mut().for_each(without_null_defaults);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A type that only stands for the schema of a key's value.
macro_rules! value {
    ($name:ident, $schema:tt) => {
        pub(super) enum $name {}

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
    "pattern": r"^[0-9]+(\.[0-9]+){3}:[0-9]+$",
    "examples": ["192.168.15.2:80"],
});
value!(Network, {
    "type": "string",
    "pattern": r"^[0-9]+(\.[0-9]+){3}(/[0-9]+)?$",
    "examples": ["10.0.0.0/8", "192.168.1.7"],
});
value!(Interface, { "type": "string", "minLength": 1, "maxLength": 15 });
value!(Protocol, { "enum": ["tcp", "udp", "sctp", "udplite"] });
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

impl JsonSchema for GatewayFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "gateway".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let address = generator.subschema_for::<Address>();
        json_schema!({ "anyOf": [address, { "const": false }] })
    }
}

impl JsonSchema for AddressesFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "addresses".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let address = generator.subschema_for::<Subnet>();
        json_schema!({
            "anyOf": [
                address,
                { "type": "array", "items": address, "minItems": 1, "uniqueItems": true },
            ],
        })
    }
}

impl JsonSchema for RoutersFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "routers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let router = generator.subschema_for::<RouterFile>();
        json_schema!({ "anyOf": [router, { "type": "array", "items": router }] })
    }
}

impl JsonSchema for PortsFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ports".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": u16::MAX },
                { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$", "examples": ["8000-17999"] },
            ],
        })
    }
}

impl JsonSchema for MssClampFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "mss_clamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let bytes = MssClamp::BYTES;
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": bytes.start(), "maximum": bytes.end() },
                { "const": MssClamp::PATH_MTU },
            ],
        })
    }
}
