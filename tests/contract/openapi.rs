//! A provider's OpenAPI document (3.0): its operations, and its schemas as JSON Schema Draft 4.
//!
//! Draft 4 is what OpenAPI 3.0 is made from. Four things are translated, in the strict sense each time: `nullable`; the
//! formats `int32` and `int64`, which limit a number; `readOnly` members, which no request may have; and members that
//! are not declared, which no object may have unless the document says so.

use serde_json::{Map, Value, json};

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From bilag.
    Request,
    /// To bilag.
    Answer,
}

/// A member of which answers may hold `null` although the document does not say so.
pub const NULL_IN_ANSWERS: &str = "x-null-in-answers";

/// Reads a document from its text, which is JSON or YAML.
///
/// # Errors
///
/// With what is wrong with it.
pub fn read(name: &str, text: &str) -> Result<Value, String> {
    if name.ends_with(".json") {
        return serde_json::from_str(text).map_err(|error| format!("{name}: {error}"));
    }
    let documents =
        yaml_rust2::YamlLoader::load_from_str(text).map_err(|error| format!("{name}: {error}"))?;
    match documents.as_slice() {
        [one] => from_yaml(one).ok_or_else(|| format!("{name}: has something that JSON has not")),
        _ => Err(format!("{name}: {} documents, not one", documents.len())),
    }
}

fn from_yaml(yaml: &yaml_rust2::Yaml) -> Option<Value> {
    use yaml_rust2::Yaml;
    Some(match yaml {
        Yaml::Real(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Boolean(flag) => Value::from(*flag),
        Yaml::Null => Value::Null,
        Yaml::Array(items) => Value::Array(items.iter().map(from_yaml).collect::<Option<_>>()?),
        Yaml::Hash(members) => {
            let member = |(key, value): (&Yaml, &Yaml)| {
                // Statuses stand there as numbers.
                let key = match key {
                    Yaml::String(text) => text.clone(),
                    Yaml::Integer(number) => number.to_string(),
                    _ => return None,
                };
                Some((key, from_yaml(value)?))
            };
            Value::Object(members.iter().map(member).collect::<Option<_>>()?)
        }
        Yaml::Alias(_) | Yaml::BadValue => return None,
    })
}

/// What a reference within the document leads to; the value itself if it is none.
///
/// # Panics
///
/// If a reference leads nowhere: the document was cut wrong.
pub fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(to) => {
            let found = to.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
            resolved(document, found.unwrap_or_else(|| panic!("{to} leads nowhere")))
        }
        None => value,
    }
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'d> {
    /// Its path with the names of what varies, as the document writes it.
    pub template: &'d str,
    path: &'d Value,
    /// What the document says about it.
    pub value: &'d Value,
}

impl<'d> Operation<'d> {
    /// The operation for a method and a decoded path; where several templates fit, the one with the fewest variables.
    pub fn find(document: &'d Value, method: &str, path: &[String]) -> Option<Operation<'d>> {
        let mut found: Option<(usize, Operation<'d>)> = None;
        for (template, item) in document.get("paths")?.as_object()? {
            let parts: Vec<&str> = template.split('/').filter(|part| !part.is_empty()).collect();
            let is_variable = |part: &str| part.starts_with('{') && part.ends_with('}');
            let fits = parts.len() == path.len()
                && parts.iter().zip(path).all(|(part, given)| is_variable(part) || part == given);
            let Some(value) = item.get(method.to_lowercase()).filter(|_| fits) else { continue };
            let variables = parts.iter().filter(|part| is_variable(part)).count();
            if found.as_ref().is_none_or(|(fewest, _)| variables < *fewest) {
                found = Some((variables, Operation { template, path: item, value }));
            }
        }
        found.map(|(_, operation)| operation)
    }

    /// Its parameters of one place (`query`, `header`, `path`), with those of its path.
    pub fn parameters(&self, document: &'d Value, place: &str) -> Vec<&'d Value> {
        [self.path, self.value]
            .iter()
            .filter_map(|value| value.get("parameters")?.as_array())
            .flatten()
            .map(|parameter| resolved(document, parameter))
            .filter(|parameter| parameter["in"] == place)
            .collect()
    }

    /// What is said about an answer of a status.
    pub fn answer(&self, document: &'d Value, status: u16) -> Option<&'d Value> {
        let answers = self.value.get("responses")?;
        let class = format!("{}XX", status / 100);
        let found = [status.to_string(), class, "default".to_owned()];
        found.iter().find_map(|status| answers.get(status)).map(|answer| resolved(document, answer))
    }
}

/// A schema of the document that stands alone: Draft 4, with all that it refers to.
pub fn standing_alone(document: &Value, schema: &Value, way: Way) -> Value {
    let declared = document.pointer("/components/schemas").and_then(Value::as_object);
    let kinds: Vec<(&str, &Value)> = (declared.into_iter().flatten())
        .filter_map(|(name, schema)| {
            Some((name.as_str(), schema.pointer("/properties/object/enum")?.get(0)?))
        })
        .collect();
    let translate = Translate { way, kinds: &kinds };
    let schemas: Map<String, Value> = (declared.into_iter().flatten())
        .map(|(name, schema)| (name.clone(), translate.schema(schema)))
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "allOf": [translate.schema(schema)],
        "components": { "schemas": schemas },
    })
}

/// Makes schemas in Draft 4.
struct Translate<'d> {
    way: Way,
    /// Stripe's objects that the document declares: the schema's name, and what `object` is in it.
    kinds: &'d [(&'d str, &'d Value)],
}

impl Translate<'_> {
    /// # Panics
    ///
    /// If it uses what is not translated, so that nothing is passed over.
    fn schema(&self, schema: &Value) -> Value {
        let way = self.way;
        let Some(schema) = schema.as_object() else { panic!("not a schema: {schema}") };
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
        let nullable = flag("nullable") || way == Way::Answer && flag(NULL_IN_ANSWERS);
        let mut out = Map::new();
        if schema.contains_key("x-object") && !schema.contains_key("properties") {
            // An object whose members were left out of the document, which may be one of several: what says that it
            // is of a kind that the document declares has to be so.
            let kinds: Vec<&Value> = self.kinds.iter().map(|(_, kind)| *kind).collect();
            let known = json!({ "required": ["object"], "properties": { "object": { "enum": kinds } } });
            let named =
                self.kinds.iter().map(|(name, _)| json!({ "$ref": format!("#/components/schemas/{name}") }));
            out.insert("type".to_owned(), "object".into());
            if !kinds.is_empty() {
                let all = std::iter::once(json!({ "not": known })).chain(named);
                out.insert("anyOf".to_owned(), all.collect());
            }
        }
        if let Some(to) = schema.get("$ref") {
            out.insert("$ref".to_owned(), to.clone());
            return if nullable { or_null(out.into()) } else { out.into() };
        }
        for (key, value) in schema {
            let translated = match key.as_str() {
                "properties" => {
                    let members = value.as_object().into_iter().flatten();
                    let sendable = members.filter(|(_, member)| way == Way::Answer || !is_read_only(member));
                    Value::Object(
                        sendable.map(|(name, member)| (name.clone(), self.schema(member))).collect(),
                    )
                }
                "required" if value.is_array() => {
                    let is_sendable = |name: &&Value| {
                        let member = name.as_str().and_then(|name| schema.get("properties")?.get(name));
                        way == Way::Answer || !member.is_some_and(is_read_only)
                    };
                    let names: Vec<&Value> =
                        value.as_array().into_iter().flatten().filter(is_sendable).collect();
                    // Draft 4 wants at least one.
                    if names.is_empty() {
                        continue;
                    }
                    json!(names)
                }
                "items" => self.schema(value),
                "additionalProperties" if value.is_object() => self.schema(value),
                "anyOf" | "oneOf" | "allOf" => {
                    let branches = value.as_array().into_iter().flatten();
                    Value::Array(branches.map(|branch| self.schema(branch)).collect())
                }
                // Stripe may add values to these at any time.
                "enum" if flag("x-open-enum") => continue,
                "enum"
                | "type"
                | "minimum"
                | "maximum"
                | "minLength"
                | "maxLength"
                | "pattern"
                | "uniqueItems"
                | "additionalProperties" => value.clone(),
                "format" => {
                    let range = match value.as_str() {
                        Some("int32") => [i64::from(i32::MIN), i64::from(i32::MAX)],
                        Some("int64") => [i64::MIN, i64::MAX],
                        // Said in words only, or about bytes.
                        _ => continue,
                    };
                    for (name, limit) in [("minimum", range[0]), ("maximum", range[1])] {
                        out.entry(name).or_insert(limit.into());
                    }
                    continue;
                }
                "description" | "example" | "default" | "title" | "nullable" | "readOnly" | "required" => {
                    continue;
                }
                other if other.starts_with("x-") => continue,
                other => panic!("a schema uses {other}, which is not translated"),
            };
            out.insert(key.clone(), translated);
        }
        if schema.get("allOf").and_then(Value::as_array).is_some_and(|branches| branches.len() > 1) {
            panic!("a schema is put together of several, whose undeclared members cannot be refused");
        }
        if out.contains_key("properties") {
            out.entry("additionalProperties").or_insert(false.into());
        }
        // The document's own limits hold besides those of the format, which stand first or not at all.
        for limit in ["minimum", "maximum"] {
            if let Some(own) = schema.get(limit) {
                out.insert(limit.to_owned(), own.clone());
            }
        }
        if schema.get("type").is_some_and(|kind| kind == "number")
            && schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("int"))
        {
            out.insert("type".to_owned(), "integer".into());
        }
        if nullable { or_null(out.into()) } else { out.into() }
    }
}

fn is_read_only(member: &Value) -> bool {
    member.get("readOnly").and_then(Value::as_bool).unwrap_or(false)
}

fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn document() -> Value {
        let text = r##"
openapi: 3.0.2
paths:
  "/things/{id}":
    parameters:
      - { name: id, in: path, required: true, schema: { type: string } }
    get:
      responses:
        200: { description: OK }
        default: { $ref: "#/components/responses/Problem" }
  "/things/:all":
    get: { responses: { 2XX: { description: OK } } }
components:
  responses:
    Problem: { description: Problem }
  schemas:
    Thing:
      type: object
      required: [id, size]
      properties:
        id: { type: string, readOnly: true }
        size: { type: number, format: int32, minimum: 0 }
        colour: { type: string, nullable: true, enum: [red] }
        parent: { $ref: "#/components/schemas/Thing" }
        free: { type: object, additionalProperties: { type: string } }
"##;
        read("things.yaml", text).unwrap()
    }

    fn passes(way: Way, thing: &Value) -> bool {
        let schema = json!({ "$ref": "#/components/schemas/Thing" });
        let schema = standing_alone(&document(), &schema, way);
        jsonschema::draft4::new(&schema).unwrap().is_valid(thing)
    }

    #[test]
    fn a_misspelt_member_fails_at_any_depth() {
        assert!(passes(Way::Answer, &json!({ "id": "a", "size": 1, "parent": { "id": "b", "size": 2 } })));
        assert!(!passes(Way::Answer, &json!({ "id": "a", "size": 1, "color": "red" })));
        assert!(!passes(
            Way::Answer,
            &json!({ "id": "a", "size": 1, "parent": { "id": "b", "size": 2, "x": 1 } })
        ));
        assert!(passes(Way::Answer, &json!({ "id": "a", "size": 1, "free": { "any": "thing" } })));
    }

    #[test]
    fn null_numbers_and_read_only_members_are_as_the_document_says() {
        assert!(passes(Way::Answer, &json!({ "id": "a", "size": 1, "colour": null })));
        assert!(!passes(Way::Answer, &json!({ "id": null, "size": 1 })));
        assert!(!passes(Way::Answer, &json!({ "size": 1 })), "id is required");
        assert!(passes(Way::Request, &json!({ "size": 1 })), "and cannot be sent");
        assert!(!passes(Way::Request, &json!({ "id": "a", "size": 1 })));
        for wrong in ["-1", "1.5", "2147483648", "\"1\""] {
            let size: Value = serde_json::from_str(wrong).unwrap();
            assert!(!passes(Way::Request, &json!({ "size": size })), "{wrong}");
        }
    }

    #[test]
    fn an_object_that_was_left_out_is_of_no_declared_kind_or_as_that_is_declared() {
        let thing = json!({ "type": "object", "properties": { "object": { "enum": ["thing"] } } });
        let document = json!({ "components": { "schemas": { "Thing": thing } } });
        let one = json!({ "anyOf": [{ "type": "string" }, { "x-object": "ThingOrOther" }] });
        let schema = standing_alone(&document, &one, Way::Answer);
        let validator = jsonschema::draft4::new(&schema).unwrap();
        assert!(validator.is_valid(&json!({ "object": "thing" })));
        assert!(validator.is_valid(&json!({ "object": "other", "any": 1 })));
        assert!(!validator.is_valid(&json!({ "object": "thing", "any": 1 })));
    }

    #[test]
    fn operations_are_found_by_the_closest_template() {
        let document = document();
        let find = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            Operation::find(&document, "GET", &path).map(|operation| operation.template)
        };
        assert_eq!(find(&["things", "7"]), Some("/things/{id}"));
        assert_eq!(find(&["things", ":all"]), Some("/things/:all"));
        assert_eq!(find(&["things"]), None);
        let path = ["things".to_owned(), "7".to_owned()];
        let operation = Operation::find(&document, "GET", &path).unwrap();
        assert_eq!(operation.parameters(&document, "path").len(), 1);
        assert_eq!(operation.answer(&document, 404).unwrap()["description"], "Problem");
        assert!(Operation::find(&document, "POST", &path).is_none());
    }

    #[test]
    #[should_panic(expected = "not translated")]
    fn what_is_not_understood_is_not_passed_over() {
        standing_alone(&document(), &json!({ "not": {} }), Way::Answer);
    }
}
