//! Judges exchanges by a provider's documents, with a validator that is not ours.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bilag_tests::simulated::Exchange;
use http::HeaderMap;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::openapi::{Operation, Way, resolved, standing_alone};
use crate::wire;

/// What was found about one operation.
#[derive(Debug, Default)]
pub struct Covered {
    /// Requests that were judged.
    pub requests: usize,
    /// Answers that were judged, by status.
    pub answers: BTreeMap<u16, usize>,
    /// Members of good answers.
    pub members: Members,
    /// A good exchange with JSON in a declared form, to try misspelt.
    pub good: Option<Exchange>,
}

/// Members of answers, by their place.
#[derive(Debug, Default)]
pub struct Members {
    /// Those that the document declares for the objects that came.
    pub declared: BTreeSet<String>,
    /// Those of them that some answer had.
    pub seen: BTreeSet<String>,
}

/// What came of calling members otherwise.
#[derive(Debug, Default)]
pub struct Misspelt {
    /// How often it was tried.
    pub tried: usize,
    /// Objects that may have any members, by operation and place: nobody noticed there.
    pub free: Vec<String>,
    /// Bodies all of whose objects are such.
    pub blind: Vec<String>,
}

/// The documents of one system, with the differences that are tolerated worked into them.
pub struct Judge<'d> {
    documents: &'d [Value],
    validators: RefCell<BTreeMap<(usize, String, Way), Rc<Validator>>>,
    /// By operation.
    pub covered: BTreeMap<String, Covered>,
    /// What is wrong, with how often.
    pub violations: BTreeMap<String, usize>,
}

impl<'d> Judge<'d> {
    /// A judge that has seen nothing yet.
    pub fn new(documents: &'d [Value]) -> Judge<'d> {
        Judge {
            documents,
            validators: RefCell::default(),
            covered: BTreeMap::new(),
            violations: BTreeMap::new(),
        }
    }

    /// Judges an exchange whose path begins with `prefix`.
    pub fn judge(&mut self, prefix: &str, exchange: &Exchange) {
        let found = self.find(prefix, exchange);
        let method = exchange.request.method().as_str();
        let Some((place, operation)) = found else {
            let path = exchange.request.uri().path();
            self.violate(format!("{method} {path}: no such operation in the documents"));
            return;
        };
        let name = format!("{method} {}", operation.template);
        let mut wrong = self.request(place, operation, exchange);
        let mut members = Members::default();
        wrong.extend(self.answer(place, operation, exchange, &mut members));
        let good = wrong.is_empty() && exchange.answer.status().is_success();
        let covered = self.covered.entry(name.clone()).or_default();
        covered.requests += 1;
        *covered.answers.entry(exchange.answer.status().as_u16()).or_default() += 1;
        covered.members.declared.extend(members.declared);
        covered.members.seen.extend(members.seen);
        if good && covered.good.as_ref().is_none_or(|kept| weight(kept) < weight(exchange)) {
            covered.good = Some(exchange.clone());
        }
        for what in wrong {
            self.violate(format!("{name}: {what}"));
        }
    }

    /// Judges nothing but the answer: of an exchange that others had.
    pub fn judge_answer(&mut self, prefix: &str, exchange: &Exchange) {
        if let Some((place, operation)) = self.find(prefix, exchange) {
            for what in self.answer(place, operation, exchange, &mut Members::default()) {
                self.violate(format!("a real answer to {}: {what}", operation.template));
            }
        }
    }

    /// Calls members of bodies that were fine otherwise, one at a time.
    pub fn misspell(&self, prefix: &str) -> Misspelt {
        let mut all = Misspelt::default();
        for (name, covered) in &self.covered {
            let Some(good) = &covered.good else { continue };
            let Some((place, operation)) = self.find(prefix, good) else { continue };
            for way in [Way::Request, Way::Answer] {
                let bodies =
                    misspelt(if way == Way::Request { good.request.body() } else { good.answer.body() });
                let count = bodies.len();
                let free: Vec<String> = bodies
                    .into_iter()
                    .filter(|(_, body)| {
                        let mut bad = good.clone();
                        let wrong = if way == Way::Request {
                            bad.request.body_mut().clone_from(body);
                            self.request(place, operation, &bad)
                        } else {
                            bad.answer.body_mut().clone_from(body);
                            self.answer(place, operation, &bad, &mut Members::default())
                        };
                        wrong.is_empty()
                    })
                    .map(|(pattern, _)| pattern)
                    .collect();
                if count > 0 && free.len() == count {
                    all.blind.push(format!("{name}: no misspelt member of the {way:?} is noticed"));
                }
                all.tried += count;
                all.free.extend(free.into_iter().map(|pattern| format!("{name} {pattern}")));
            }
        }
        all
    }

    fn violate(&mut self, what: String) {
        *self.violations.entry(what).or_default() += 1;
    }

    fn find(&self, prefix: &str, exchange: &Exchange) -> Option<(usize, Operation<'d>)> {
        let path = exchange.request.uri().path().strip_prefix(prefix)?;
        let segments = path.split('/').filter(|part| !part.is_empty());
        let segments: Vec<String> = segments.map(|part| wire::decoded(part, false)).collect();
        let method = exchange.request.method().as_str();
        (self.documents.iter().enumerate())
            .find_map(|(place, document)| Some((place, Operation::find(document, method, &segments)?)))
    }

    fn request(&self, place: usize, operation: Operation<'d>, exchange: &Exchange) -> Vec<String> {
        let document = &self.documents[place];
        let mut wrong = Vec::new();
        let request = &exchange.request;
        let given = wire::query(request.uri().query().unwrap_or_default());
        let declared = operation.parameters(document, "query");
        for name in given.keys() {
            if !declared.iter().any(|parameter| parameter["name"] == **name) {
                wrong.push(format!("query parameter {name} is not declared"));
            }
        }
        let text_of = |name: &str| {
            let value = request.headers().get(name)?;
            Some(Value::from(String::from_utf8_lossy(value.as_bytes())))
        };
        for (kind, parameters) in [("query", declared), ("header", operation.parameters(document, "header"))]
        {
            for parameter in parameters {
                let name = parameter["name"].as_str().unwrap_or_default();
                let value = if kind == "query" { given.get(name).cloned() } else { text_of(name) };
                match value {
                    Some(value) => {
                        let fits = wire::readings(&value).iter().any(|reading| {
                            self.validator(place, &parameter["schema"], Way::Request).is_valid(reading)
                        });
                        if !fits {
                            wrong.push(format!("{kind} parameter {name} is not of its declared form"));
                        }
                    }
                    None if parameter["required"] == true => {
                        wrong.push(format!("{kind} parameter {name} is missing"));
                    }
                    None => {}
                }
            }
        }
        let body = operation.value.get("requestBody").map(|body| resolved(document, body));
        let required = body.is_some_and(|body| body["required"] == true);
        match body.and_then(|body| body.get("content")) {
            None if request.body().is_empty() => {}
            None => wrong.push("a body is sent, and none is declared".to_owned()),
            Some(_) if request.body().is_empty() && !required => {}
            Some(content) => {
                let schema = media(content, request.headers());
                let value = wire::body(request.headers(), request.body());
                wrong.extend(self.body("request", place, schema, value, Way::Request));
            }
        }
        wrong
    }

    fn answer(
        &self,
        place: usize,
        operation: Operation<'d>,
        exchange: &Exchange,
        members: &mut Members,
    ) -> Vec<String> {
        let (document, answer) = (&self.documents[place], &exchange.answer);
        let status = answer.status().as_u16();
        let Some(said) = operation.answer(document, status) else {
            return vec![format!("status {status} is not declared")];
        };
        let Some(content) = said.get("content") else {
            let empty = answer.body().is_empty();
            return if empty { Vec::new() } else { vec![format!("{status}: a body, and none is declared")] };
        };
        let schema = media(content, answer.headers());
        let value = wire::body(answer.headers(), answer.body());
        if let (Ok(schema), Ok(value)) = (&schema, &value)
            && answer.status().is_success()
        {
            count(document, schema, value, "", members);
        }
        self.body(&status.to_string(), place, schema, value, Way::Answer)
    }

    fn body(
        &self,
        what: &str,
        place: usize,
        schema: Result<&Value, String>,
        value: Result<Value, String>,
        way: Way,
    ) -> Vec<String> {
        match (schema, value) {
            (Ok(schema), Ok(value)) => {
                let validator = self.validator(place, schema, way);
                let mut wrong: Vec<String> = Vec::new();
                for error in validator.iter_errors(&value) {
                    explain(&error, &mut wrong);
                }
                wrong.into_iter().map(|error| format!("{what}: {error}")).collect()
            }
            (Err(error), _) | (_, Err(error)) => vec![format!("{what}: {error}")],
        }
    }

    fn validator(&self, place: usize, schema: &Value, way: Way) -> Rc<Validator> {
        let key = (place, schema.to_string(), way);
        if let Some(known) = self.validators.borrow().get(&key) {
            return Rc::clone(known);
        }
        let schema = standing_alone(&self.documents[place], schema, way);
        let made = jsonschema::draft4::new(&schema);
        let made = Rc::new(made.unwrap_or_else(|error| panic!("the document's schema: {error}")));
        self.validators.borrow_mut().insert(key, Rc::clone(&made));
        made
    }
}

/// How much there is to misspell.
fn weight(exchange: &Exchange) -> usize {
    exchange.request.body().len() + exchange.answer.body().len()
}

/// The schema for a body of the type that its headers tell.
fn media<'d>(content: &'d Value, headers: &HeaderMap) -> Result<&'d Value, String> {
    let given = wire::essence(headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or(""));
    let found = content.as_object().into_iter().flatten();
    let mut found = found.filter(|(kind, _)| wire::essence(kind) == given);
    match found.next() {
        Some((_, media)) => Ok(&media["schema"]),
        None => Err(format!("content type {given:?} is not declared")),
    }
}

/// The errors in words: place by its pattern, and what is wrong without the value.
fn explain(error: &ValidationError<'_>, wrong: &mut Vec<String>) {
    if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } =
        error.kind()
    {
        // The branch that comes closest: one that is not of another kind altogether, with the fewest faults.
        let own = error.instance_path().to_string();
        let is_other = |error: &ValidationError<'_>| match error.kind() {
            ValidationErrorKind::Type { .. } => error.instance_path().to_string() == own,
            ValidationErrorKind::Enum { .. } => error.instance_path().to_string() == format!("{own}/object"),
            ValidationErrorKind::Not { .. } => true,
            _ => false,
        };
        if let Some(branch) = context.iter().min_by_key(|branch| (branch.iter().any(is_other), branch.len()))
        {
            branch.iter().for_each(|error| explain(error, wrong));
            return;
        }
    }
    let path = error.instance_path().to_string();
    let pattern: Vec<&str> = path
        .split('/')
        .map(
            |part| {
                if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { part }
            },
        )
        .collect();
    let what: String = error.masked().to_string().chars().take(200).collect();
    let what = format!("{}: {what}", pattern.join("/"));
    if !wrong.contains(&what) {
        wrong.push(what);
    }
}

/// Notes which declared members there are for the objects of a value, and which of them it has.
fn count(document: &Value, schema: &Value, value: &Value, path: &str, members: &mut Members) {
    let schema = resolved(document, schema);
    for key in ["allOf", "anyOf", "oneOf"] {
        for branch in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            let kinds = resolved(document, branch).pointer("/properties/object/enum");
            let is_other = kinds
                .and_then(Value::as_array)
                .is_some_and(|kinds| value.get("object").is_some_and(|object| !kinds.contains(object)));
            if !is_other {
                count(document, branch, value, path, members);
            }
        }
    }
    match value {
        Value::Object(object) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, member) in properties.into_iter().flatten() {
                let path = format!("{path}.{name}");
                if let Some(value) = object.get(name) {
                    count(document, member, value, &path, members);
                    members.seen.insert(path.clone());
                }
                members.declared.insert(path);
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter().for_each(|item| count(document, schema, item, &format!("{path}[]"), members));
            }
        }
        _ => {}
    }
}

/// The bodies that come of calling one member otherwise: for each place of objects, by its pattern, the first member.
fn misspelt(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let mut places = BTreeMap::new();
    objects(&value, "", "", &mut places);
    let bodies = places.iter().filter_map(|(pattern, pointer)| {
        let mut value = value.clone();
        let object = value.pointer_mut(pointer)?.as_object_mut()?;
        let name = object.keys().next()?.clone();
        let member = object.remove(&name)?;
        object.insert(format!("{name}X"), member);
        Some((pattern.clone(), value.to_string().into_bytes()))
    });
    bodies.collect()
}

/// The objects with members in a value: one pointer for each pattern.
fn objects(value: &Value, pointer: &str, pattern: &str, places: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(object) => {
            if !object.is_empty() {
                places.entry(pattern.to_owned()).or_insert_with(|| pointer.to_owned());
            }
            for (name, member) in object {
                objects(member, &format!("{pointer}/{name}"), &format!("{pattern}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                objects(item, &format!("{pointer}/{place}"), &format!("{pattern}/*"), places);
            }
        }
        _ => {}
    }
}
