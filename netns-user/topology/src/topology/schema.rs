//! The topology file as a JSON Schema (draft 2020-12), for editors and other programs. The schema
//! accepts every file that the parser accepts, and rejects what the form of a single value shows to
//! be wrong.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::TopologyFile;

/// The JSON Schema of the topology file, draft 2020-12.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<TopologyFile>().to_value();
    remove_null_defaults(&mut schema);
    schema
}

/// TOML has no null: a key without a value is left out of the file.
fn remove_null_defaults(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            keys.retain(|key, value| key != "default" || !value.is_null());
            keys.values_mut().for_each(remove_null_defaults);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_null_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
