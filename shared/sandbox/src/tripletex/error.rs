//! Refusals in the API's envelope.

use http::Response;
use serde_json::{Value, json};

use crate::wire;

/// A refused request.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: u16,
    code: u32,
    message: String,
    developer: Option<&'static str>,
    /// Field, message, path.
    fields: Vec<(Option<String>, String, Option<String>)>,
}

impl Refusal {
    /// The answer, under the request's id.
    pub fn response(&self, request_id: &str) -> Response<Vec<u8>> {
        let fields: Vec<Value> = self
            .fields
            .iter()
            .map(|(field, message, path)| {
                json!({ "field": field, "message": message, "path": path, "rootId": null })
            })
            .collect();
        let body = json!({
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "link": "https://tripletex.no/v2-docs/",
            "developerMessage": self.developer,
            "validationMessages": if fields.is_empty() { Value::Null } else { Value::from(fields) },
            "requestId": request_id,
        });
        wire::json(self.status, &body)
    }
}

/// A refusal without fields.
pub(super) fn refuse(status: u16, code: u32, message: &str) -> Refusal {
    Refusal { status, code, message: message.to_owned(), developer: None, fields: Vec::new() }
}

/// A refusal of fields with status 422: code 15000 for missing parameters, 16000 for members that do not map,
/// 18000 for values that the books do not take.
pub(super) fn refuse_fields(code: u32, fields: &[(&str, &str)]) -> Refusal {
    let fields =
        fields.iter().map(|(field, message)| (Some((*field).to_owned()), (*message).to_owned(), None));
    Refusal {
        status: 422,
        code,
        message: match code {
            16_000 => "Request mapping failed",
            18_000 => "Validering feilet.",
            _ => "Validation failed",
        }
        .to_owned(),
        developer: (code == 18_000).then_some("VALIDATION_ERROR"),
        fields: fields.collect(),
    }
}

/// A refusal of a member whose value has the wrong type.
pub(super) fn refuse_type(field: &str, path: &str) -> Refusal {
    let mut refusal = refuse_fields(16_000, &[(field, "Verdien er ikke av korrekt type for dette feltet.")]);
    if let Some(first) = refusal.fields.first_mut() {
        first.2 = Some(path.to_owned());
    }
    refusal
}

/// A refusal that names no field.
pub(super) fn refuse_whole(message: &str) -> Refusal {
    let mut refusal = refuse_fields(18_000, &[("", message)]);
    if let Some(first) = refusal.fields.first_mut() {
        first.0 = None;
    }
    refusal
}
