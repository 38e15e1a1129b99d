//! Answers that every system gives in a form of its own: too many requests, and errors of the server.

use http::Response;
use serde_json::json;

use crate::systems::System;
use crate::wire;

/// The limit that Tripletex' headers show while there is none.
pub(crate) const RATE_SHOWN: u32 = 1_000_000;

/// Too many requests; `retry_after` in seconds if the answer tells.
pub(crate) fn too_many(system: System, retry_after: Option<u64>) -> Response<Vec<u8>> {
    let mut response = match system {
        System::Stripe => {
            let text = "Request rate limit exceeded. You can learn more about rate limits here \
                        https://stripe.com/docs/rate-limits.";
            wire::json(
                429,
                &json!({ "error": { "code": "rate_limit", "message": text, "type": "invalid_request_error" } }),
            )
        }
        System::VippsMobilepay => wire::json(
            429,
            &json!({ "statusCode": 429, "message": "Rate limit is exceeded. Try again later." }),
        ),
        System::Tripletex => wire::json(429, &tripletex(429, 1000, "Too many requests")),
    };
    if system == System::Stripe {
        wire::header(&mut response, "stripe-rate-limited-reason", "global-rate");
    }
    if let Some(seconds) = retry_after {
        wire::header(&mut response, "retry-after", &seconds.to_string());
    }
    response
}

/// An error of the server in the system's own form.
pub(crate) fn server_error(system: System) -> Response<Vec<u8>> {
    let body = match system {
        System::Stripe => json!({ "error": { "message": "An unknown error occurred", "type": "api_error" } }),
        System::VippsMobilepay => json!({
            "errorCode": 10_001,
            "errorMessage": "An unknown error occurred",
            "contextId": "123e4567-e89b-42d3-a456-426655440000",
        }),
        System::Tripletex => tripletex(500, 1000, "Internal error"),
    };
    wire::json(500, &body)
}

fn tripletex(status: u16, code: u32, message: &str) -> serde_json::Value {
    json!({
        "status": status,
        "code": code,
        "message": message,
        "link": "https://tripletex.no/v2-docs/",
        "developerMessage": null,
        "validationMessages": null,
        "requestId": "00000000-0000-4000-a000-000000000000",
    })
}
