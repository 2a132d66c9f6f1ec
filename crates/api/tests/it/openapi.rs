//! `web/openapi.json` is the document this code serves.
use std::path::Path;

#[test]
fn the_committed_document_is_the_one_this_code_serves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/openapi.json");
    let made = api::openapi::text(&api::openapi::document(&api::routes::operations()));
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "web/openapi.json is out of date; run: WRITE_OPENAPI=1 cargo test -p api --test it openapi, and commit it"
    );
}

#[test]
fn operations_are_unique_and_every_reference_has_its_schema() {
    let operations = api::routes::operations();
    let mut ids = std::collections::BTreeSet::new();
    for operation in &operations {
        assert!(ids.insert(operation.id.clone()), "{} twice", operation.id);
    }
    let document = api::openapi::document(&operations);
    let mut refs = Vec::new();
    collect(&document, &mut refs);
    for name in refs {
        assert!(document["components"]["schemas"].get(&name).is_some(), "no schema {name}");
    }
}

fn collect(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(|r| r.as_str()?.rsplit('/').next()) {
                found.push(name.to_owned());
            }
            map.values().for_each(|v| collect(v, found));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|v| collect(v, found)),
        _ => {}
    }
}
