//! Lambda behind a function URL: a provider's notice. Answers fast; the work is discover-payouts'.

use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use receive_webhook::Incoming;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logs(true);
    let world = edge::cloud::world_from_env()?;
    let world = &world;
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let status = match incoming(&event.payload) {
            Some(incoming) => receive_webhook::handle(world, &incoming).await.as_u16(),
            None => 400,
        };
        Ok::<Value, Error>(json!({ "statusCode": status }))
    }))
    .await
}

/// The request of a function URL's event, its body as the original bytes.
fn incoming(event: &Value) -> Option<Incoming> {
    let mut headers = HeaderMap::new();
    for (name, value) in event["headers"].as_object()? {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(value.as_str()?).ok()?);
    }
    let body = event["body"].as_str().unwrap_or_default();
    let body = match event["isBase64Encoded"].as_bool() {
        Some(true) => base64::engine::general_purpose::STANDARD.decode(body).ok()?,
        _ => body.as_bytes().to_vec(),
    };
    Some(Incoming {
        method: event["requestContext"]["http"]["method"].as_str()?.parse().ok()?,
        path: event["rawPath"].as_str()?.to_owned(),
        headers,
        body,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fault_062_a_body_that_the_gateway_encoded_is_taken_back_byte_for_byte() {
        let mut event = json!({
            "headers": {"content-type": "application/json"}, "rawPath": "/hooks/a/b",
            "requestContext": {"http": {"method": "POST"}}, "body": "eyJ4IjoiYmzDpSJ9", "isBase64Encoded": true,
        });
        assert_eq!(incoming(&event).unwrap().body, "{\"x\":\"blå\"}".as_bytes());
        event["isBase64Encoded"] = json!(false);
        assert_eq!(incoming(&event).unwrap().body, b"eyJ4IjoiYmzDpSJ9");
        event["body"] = json!("x");
        event["isBase64Encoded"] = json!(true);
        assert!(incoming(&event).is_none());
    }
}
