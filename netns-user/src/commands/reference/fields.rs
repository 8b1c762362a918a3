//! The fields of a type's JSON, from its JSON Schema.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

/// A field of the output of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its path: `routers[].drops[].reason`. The items of an output that is an array are its start.
    pub(super) path: String,
    /// Its type in words.
    pub(super) kind: String,
    /// Its meaning, from its doc comment.
    pub(super) meaning: String,
}

/// The output of a command, as its schema describes it.
#[derive(Debug)]
pub(super) struct Output {
    /// Whether it is an array of objects; else it is one object.
    pub(super) is_array: bool,
    pub(super) fields: Vec<Field>,
}

/// The output of a command that prints a `T`.
pub(super) fn output_of<T: JsonSchema>() -> Output {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let items = schema.get("items");
    let mut fields = Vec::new();
    add_fields(&mut fields, "", items.unwrap_or(&schema));
    Output { is_array: items.is_some(), fields }
}

/// Adds the fields of an object, and below each of them its own ones.
fn add_fields(fields: &mut Vec<Field>, prefix: &str, object: &Value) {
    let required: Vec<&str> = list(object, "required").iter().filter_map(Value::as_str).collect();
    for (name, schema) in object.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        let path = format!("{prefix}{name}");
        let present = Presence::of(schema, required.contains(&name.as_str()));
        fields.push(Field {
            kind: kind(schema, &present),
            meaning: meaning(schema, &present),
            path: path.clone(),
        });
        let schema = present.schema;
        match schema.get("items") {
            Some(items) => add_fields(fields, &format!("{path}[]."), items),
            None => add_fields(fields, &format!("{path}."), schema),
        }
    }
}

/// Whether a field has a value in every output.
struct Presence<'a> {
    /// The schema of its value, without null.
    schema: &'a Value,
    /// Whether the value may be null.
    is_nullable: bool,
    /// Whether the field may be absent. Then it is never null.
    may_be_absent: bool,
}

impl<'a> Presence<'a> {
    fn of(schema: &'a Value, is_required: bool) -> Self {
        let is_null = |schema: &Value| schema["type"] == "null";
        let choices = list(schema, "anyOf");
        let value = choices.iter().find(|choice| !is_null(choice));
        let is_nullable =
            choices.iter().any(is_null) || list(schema, "type").iter().any(|kind| kind == "null");
        Self {
            schema: value.unwrap_or(schema),
            is_nullable: is_nullable && is_required,
            may_be_absent: !is_required,
        }
    }

    /// The word for a field without a value.
    fn missing(&self) -> &'static str {
        if self.may_be_absent { "absent" } else { "null" }
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> &'a [Value] {
    schema.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The type of a field in words.
fn kind(schema: &Value, present: &Presence<'_>) -> String {
    let mut kinds = vec![kind_of(present.schema, false)];
    kinds.extend(present.is_nullable.then(|| "null".to_owned()));
    let kinds = kinds.join(" or ");
    assert!(!kinds.is_empty(), "no type: {schema}");
    if present.may_be_absent { format!("{kinds}; may be absent") } else { kinds }
}

/// The type of a value, or of several.
fn kind_of(schema: &Value, are_several: bool) -> String {
    let mut types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("oneOf").is_some() => vec!["string"],
        _ => panic!("no type: {schema}"),
    };
    // Null is told apart: an item of an array may be null too.
    let has_null = are_several && types.contains(&"null");
    types.retain(|kind| *kind != "null");
    let plural = if are_several { "s" } else { "" };
    let mut words: Vec<String> = types.iter().map(|kind| format!("{kind}{plural}")).collect();
    if types == ["array"] {
        let number = match (&schema["minItems"], &schema["maxItems"]) {
            (Value::Number(least), Value::Number(most)) if least == most => format!("{least} "),
            _ => String::new(),
        };
        words = vec![format!("array{plural} of {number}{}", kind_of(&schema["items"], true))];
    }
    if has_null {
        format!("items, each a {types} or null", types = types.join(", a "))
    } else {
        words.join(" or ")
    }
}

/// The meaning of a field, and the meanings of the words that it may be.
fn meaning(schema: &Value, present: &Presence<'_>) -> String {
    let told = |schema: &Value| {
        schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    // Rust's name for a missing value.
    let mut text = told(schema).replace("`None`", present.missing());
    let items = present.schema.get("items");
    let words = words(items.unwrap_or(present.schema));
    if !words.is_empty() {
        let words: Vec<String> = words
            .into_iter()
            .map(|(word, meaning)| match meaning.trim_end_matches('.') {
                "" => format!("`\"{word}\"`"),
                meaning => format!("`\"{word}\"` ({meaning})"),
            })
            .collect();
        text += &format!(" One of {}.", words.join(", "));
    }
    text
}

/// The words that a value may be, with their meanings.
fn words(schema: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let own = list(schema, "enum").iter().chain(schema.get("const")).filter_map(word);
    let meaning = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let is_choice = schema.get("const").is_some();
    let own = own.map(|word| (word, if is_choice { meaning.to_owned() } else { String::new() }));
    own.chain(list(schema, "oneOf").iter().flat_map(words)).collect()
}

mod tests {
    use serde::Serialize;

    use super::*;

    /// A road.
    #[derive(Serialize, JsonSchema)]
    struct Road {
        /// Its name.
        name: String,
        /// Its length in metres; `None`: nobody has measured it.
        length: Option<u32>,
        /// Its towns; `None`: it has none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        towns: Vec<Town>,
        /// Its surface; `None`: nobody knows.
        surface: Option<Surface>,
        /// Both ends.
        ends: [Option<String>; 2],
        #[serde(flatten)]
        age: Age,
    }

    #[derive(Serialize, JsonSchema)]
    struct Town {
        /// How many live there.
        people: u64,
    }

    #[derive(Serialize, JsonSchema)]
    struct Age {
        /// In years.
        age: u8,
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Surface {
        Stone,
        /// With holes.
        Tar,
    }

    #[test]
    fn a_field_has_its_path_its_type_and_the_meaning_of_its_doc_comment() {
        let Output { is_array, fields } = output_of::<Vec<Road>>();
        assert!(is_array);
        let told: Vec<[&str; 3]> = fields
            .iter()
            .map(|Field { path, kind, meaning }| [path.as_str(), kind, meaning])
            .collect();
        assert_eq!(
            told,
            [
                ["age", "integer", "In years."],
                ["ends", "array of 2 items, each a string or null", "Both ends."],
                [
                    "length",
                    "integer or null",
                    "Its length in metres; null: nobody has measured it."
                ],
                ["name", "string", "Its name."],
                [
                    "surface",
                    "string or null",
                    "Its surface; null: nobody knows. One of `\"stone\"`, `\"tar\"` (With holes)."
                ],
                ["towns", "array of objects; may be absent", "Its towns; absent: it has none."],
                ["towns[].people", "integer", "How many live there."],
            ]
        );
    }
}
