//! Triggered by a provider's notice, `POST /hooks/<company>/<connection>`. Verifies who sent it, and makes that
//! connection's discovery due now.
//!
//! What a notice says is never looked at: the provider is asked instead. Forged, altered or stale ones leave nothing
//! but a line in the log; repeated ones cost a read.

use base64::Engine as _;
use edge::{Error, Kind, World};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use providers::Notice;
use serde_json::Value;

/// The largest notice that is read, in bytes.
pub const BODY_MAX: usize = 256 * 1024;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's original bytes.
    pub body: Vec<u8>,
}

/// The request of a function URL's event, its body as the original bytes; `None` if it is none.
pub fn of_function_url(event: &Value) -> Option<Incoming> {
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

/// Answers a request with its status. The tenant comes from the path, never from the body.
pub async fn handle(world: &World, incoming: &Incoming) -> StatusCode {
    let (company, connection) = match wanted(incoming) {
        Ok(wanted) => wanted,
        Err(status) => return status,
    };
    match receive(world, incoming, company, connection).await {
        Ok(status) => status,
        Err(error) => {
            tracing::error!(company.id = company, connection.name = connection, %error, "notice not taken");
            // The provider sends it again, and the schedule does not need it.
            if error.kind == Kind::Retry { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NOT_FOUND }
        }
    }
}

/// The company and connection of a request that is worth a look.
fn wanted(incoming: &Incoming) -> Result<(&str, &str), StatusCode> {
    let mut parts = incoming.path.trim_start_matches('/').split('/');
    let (Some("hooks"), Some(company), Some(connection), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(StatusCode::NOT_FOUND);
    };
    if incoming.method != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    if incoming.body.len() > BODY_MAX {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let kind = incoming.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let plain = |name: &str| {
        (1..=40).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !plain(company) || !plain(connection) {
        return Err(StatusCode::NOT_FOUND);
    }
    Ok((company, connection))
}

async fn receive(world: &World, incoming: &Incoming, company: &str, name: &str) -> Result<StatusCode, Error> {
    let Some((_, config)) = check_config::in_force(world, company).await? else {
        return Ok(StatusCode::NOT_FOUND);
    };
    let Some(connection) = config.connections.get(name) else { return Ok(StatusCode::NOT_FOUND) };
    let api = providers::find(&connection.provider).and_then(|provider| provider.api());
    let (Some(api), Some(entry), Some(public_url)) = (api, &connection.secret, &connection.public_url) else {
        tracing::warn!(
            company.id = company,
            connection.name = name,
            "a notice came, but the connection has no secret or public_url"
        );
        return Ok(StatusCode::NOT_FOUND);
    };
    let secret = world.secrets.entry(company, entry).await?;
    let public_url = full_url(public_url, company, name);
    let notice = Notice { public_url: &public_url, headers: &incoming.headers, body: &incoming.body };
    if let Err(refusal) = api.verify_notice(&notice, &secret, world.clock.now()) {
        tracing::warn!(company.id = company, connection.name = name, %refusal, "notice refused");
        return Ok(StatusCode::UNAUTHORIZED);
    }
    if !discover_payouts::make_due(world, company, name, None).await? {
        tracing::info!(
            company.id = company,
            connection.name = name,
            "a look is under way; the schedule finds the rest"
        );
    }
    Ok(StatusCode::OK)
}

/// The address that the provider was given: `public_url` as it is, or with the usual path if it names only a host.
fn full_url(public_url: &str, company: &str, connection: &str) -> String {
    let path = public_url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    match path {
        Some((_, path)) if !path.is_empty() => public_url.to_owned(),
        _ => format!("{}/hooks/{company}/{connection}", public_url.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn incoming(method: Method, path: &str, kind: &'static str, size: usize) -> Incoming {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        Incoming { method, path: path.to_owned(), headers, body: vec![b' '; size] }
    }

    #[test]
    fn fault_065_wrong_method_path_and_content_type_are_refused_without_work() {
        let json = "application/json; charset=utf-8";
        assert_eq!(wanted(&incoming(Method::POST, "/hooks/nordlys/shop", json, 10)), Ok(("nordlys", "shop")));
        for (method, path, kind, status) in [
            (Method::GET, "/hooks/nordlys/shop", json, 405),
            (Method::POST, "/hooks/nordlys", json, 404),
            (Method::POST, "/hooks/nordlys/shop/x", json, 404),
            (Method::POST, "/hooks/../shop", json, 404),
            (Method::POST, "/hooks/nord%6cys/shop", json, 404),
            (Method::POST, "/", json, 404),
            (Method::POST, "/hooks/nordlys/shop", "text/html", 415),
        ] {
            let request = incoming(method, path, kind, 10);
            assert_eq!(wanted(&request).map_err(|status| status.as_u16()), Err(status), "{path}");
        }
    }

    #[test]
    fn fault_063_a_large_body_is_refused() {
        let large = incoming(Method::POST, "/hooks/a/b", "application/json", BODY_MAX + 1);
        assert_eq!(wanted(&large), Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[test]
    fn fault_062_a_body_that_the_gateway_encoded_is_taken_back_byte_for_byte() {
        let mut event = json!({
            "headers": {"content-type": "application/json"}, "rawPath": "/hooks/a/b",
            "requestContext": {"http": {"method": "POST"}}, "body": "eyJ4IjoiYmzDpSJ9", "isBase64Encoded": true,
        });
        assert_eq!(of_function_url(&event).unwrap().body, "{\"x\":\"blå\"}".as_bytes());
        event["isBase64Encoded"] = json!(false);
        assert_eq!(of_function_url(&event).unwrap().body, b"eyJ4IjoiYmzDpSJ9");
        event["body"] = json!("x");
        event["isBase64Encoded"] = json!(true);
        assert!(of_function_url(&event).is_none());
    }

    #[test]
    fn public_url_may_leave_the_usual_path_out() {
        for url in ["https://h.example", "https://h.example/"] {
            assert_eq!(full_url(url, "a", "b"), "https://h.example/hooks/a/b");
        }
        assert_eq!(full_url("https://h.example/x/y", "a", "b"), "https://h.example/x/y");
    }
}
