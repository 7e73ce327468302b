//! Whether a status is what `docs/status-schema.json` says, or something else what its schema says. A small reader of JSON Schema: what the file uses (`type`,
//! `enum`, `required`, `properties`, `items`, `minimum`, `format`, `$ref`), and nothing else. The end-to-end tests of
//! the command line read statuses by it, too.

use serde_json::Value;

/// The committed schema.
pub(crate) fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/status-schema.json")).expect("the schema is JSON")
}

/// Every way in which `status` is not what the schema says; stricter than JSON Schema: a field that is not described
/// is a fault.
pub(crate) fn faults(status: &Value) -> Vec<String> {
    let schema = schema();
    faults_in(&schema, &schema, status, "status")
}

/// The same of anything that `schema`, a part of the file `root`, describes.
#[allow(dead_code, reason = "the end-to-end tests of the command line use it")]
pub(crate) fn faults_by(root: &Value, schema: &Value, told: &Value) -> Vec<String> {
    faults_in(root, schema, told, "told")
}

/// Every way in which `told` is not what `docs/commands-schema.json` says of this definition.
#[allow(dead_code, reason = "the end-to-end tests of the command line use it")]
pub(crate) fn faults_of(definition: &str, told: &Value) -> Vec<String> {
    let root: Value = serde_json::from_str(include_str!("../../../../docs/commands-schema.json"))
        .expect("the schema is JSON");
    let schema = root["$defs"]
        .get(definition)
        .unwrap_or_else(|| panic!("{definition} is not defined"));
    faults_in(&root, schema, told, definition)
}

fn faults_in(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root
            .pointer(&reference[1..])
            .unwrap_or_else(|| panic!("{reference} is not defined"));
        found.extend(faults_in(root, target, value, path));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{path}: {value} is none of {words:?}"));
    }
    if !is_of_type(&schema["type"], value) {
        found.push(format!("{path}: {value} is not of type {}", schema["type"]));
    }
    if let (Some(minimum), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
        && number < minimum
    {
        found.push(format!("{path}: {number} is less than {minimum}"));
    }
    if let (Some("date-time"), Some(text)) = (schema["format"].as_str(), value.as_str())
        && !(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok())
    {
        found.push(format!("{path}: {text} is no UTC time of RFC 3339"));
    }
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        // JSON Schema 2020-12, validation 6.5.3: only an object can lack a property.
        if value.is_object() && value.get(name).is_none() {
            found.push(format!("{path}: {name} is missing"));
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, field) in value.as_object().into_iter().flatten() {
            match properties.get(name) {
                Some(schema) => found.extend(faults_in(root, schema, field, &format!("{path}.{name}"))),
                None => found.push(format!("{path}: {name} is not described")),
            }
        }
    }
    if schema.get("items").is_some() {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            found.extend(faults_in(
                root,
                &schema["items"],
                item,
                &format!("{path}[{index}]"),
            ));
        }
    }
    found
}

fn is_of_type(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("null") => value.is_null(),
        other => panic!("the schema uses a type that this reader does not know: {other:?}"),
    };
    match kinds {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    }
}
