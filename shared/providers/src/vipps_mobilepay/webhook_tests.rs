//! Notices that are genuine, and every way in which they are not.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::webhook::verify;
use crate::{Notice, Refusal};

const URL: &str = "https://hooks.nordlys.example/hooks/nordlys/counter?v=1";
const SECRET: &str = "Zm9yIHRlc3RzIG9ubHk6IGEgc2VjcmV0IG9mIG5vYm9keQ==";
const DATE: &str = "Mon, 02 Mar 2026 08:38:32 GMT";
const VECTOR_HASH: &str = "l8nkaC9NQcv2ZxTw84nYClzQZGjdc++tdKmsQ5xESqo=";
const VECTOR_SIGNATURE: &str = "Chp6IrXkFtMcKw+nru8yAxzf2rZhnPLW0oQ+yWeAYhs=";
const BODY: &[u8] = br#"{"name": "CAPTURED", "reference": "1"}"#;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-03-02T08:38:40Z")
}

fn signature(key: &[u8], text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Headers as the provider makes them for the registered address's path and host.
fn headers(path: &str, host: &str, key: &[u8], date: &str) -> HeaderMap {
    let hash = STANDARD.encode(Sha256::digest(BODY));
    let signature = signature(key, &format!("POST\n{path}\n{date};{host};{hash}"));
    let scheme = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
    let mut headers = HeaderMap::new();
    headers.insert("x-ms-date", date.parse().unwrap());
    headers.insert("x-ms-content-sha256", hash.parse().unwrap());
    headers.insert("authorization", format!("{scheme}{signature}").parse().unwrap());
    // What a gateway makes of it.
    headers.insert("host", "10.0.0.7:8080".parse().unwrap());
    headers
}

fn genuine() -> HeaderMap {
    headers("/hooks/nordlys/counter?v=1", "hooks.nordlys.example", SECRET.as_bytes(), DATE)
}

fn check(headers: &HeaderMap, body: &[u8], url: &str, secrets: &[&str]) -> Result<(), Refusal> {
    verify(&Notice { public_url: url, headers, body }, secrets, now())
}

fn refused(headers: &HeaderMap) -> String {
    check(headers, BODY, URL, &[SECRET]).unwrap_err().0
}

#[test]
fn a_genuine_notice_is_accepted_whatever_the_gateways_host_header_says() {
    assert_eq!(check(&genuine(), BODY, URL, &[SECRET]), Ok(()));
}

#[test]
fn a_known_vector_verifies() {
    // Made once with another implementation of the scheme.
    let body = b"{\"bilag\":\"test\"}";
    let mut headers = HeaderMap::new();
    headers.insert("x-ms-date", DATE.parse().unwrap());
    headers.insert("x-ms-content-sha256", VECTOR_HASH.parse().unwrap());
    let scheme = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
    headers.insert("authorization", format!("{scheme}{VECTOR_SIGNATURE}").parse().unwrap());
    assert_eq!(check(&headers, body, URL, &[SECRET]), Ok(()));
}

#[test]
fn fault_056_a_forged_signature_is_refused() {
    let forged = headers("/hooks/nordlys/counter?v=1", "hooks.nordlys.example", b"guess", DATE);
    assert!(refused(&forged).contains("not of any configured secret"));
    // The secret looks like base64; its bytes are not the key.
    let decoded = STANDARD.decode(SECRET).unwrap();
    let decoded = headers("/hooks/nordlys/counter?v=1", "hooks.nordlys.example", &decoded, DATE);
    assert!(refused(&decoded).contains("not of any configured secret"));
    assert!(check(&genuine(), BODY, URL, &[]).unwrap_err().0.contains("no webhook_secrets"));
    for cut in ["", "QUJD", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
        let mut headers = genuine();
        let scheme = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
        headers.insert("authorization", format!("{scheme}{cut}").parse().unwrap());
        assert!(refused(&headers).contains("not of any configured secret"), "{cut:?}");
    }
}

#[test]
fn fault_057_an_altered_body_is_refused() {
    let altered = br#"{"name": "CAPTURED", "reference": "2"}"#;
    assert!(check(&genuine(), altered, URL, &[SECRET]).unwrap_err().0.contains("the body is not the one"));
    // With the altered body's own hash the signature does not fit.
    let mut headers = genuine();
    headers.insert("x-ms-content-sha256", STANDARD.encode(Sha256::digest(altered)).parse().unwrap());
    assert!(check(&headers, altered, URL, &[SECRET]).unwrap_err().0.contains("signature"));
}

#[test]
fn fault_058_dates_outside_the_window_are_refused() {
    let verdict = |now: DateTime<Utc>| {
        verify(&Notice { public_url: URL, headers: &genuine(), body: BODY }, &[SECRET], now)
    };
    let signed_at = at("2026-03-02T08:38:32Z");
    for (after, sound) in [
        (Duration::zero(), true),
        (-Duration::minutes(5), true),
        (-Duration::seconds(301), false),
        // Repeated until the seventh day.
        (Duration::days(7), true),
        (Duration::days(7) + Duration::minutes(6), false),
    ] {
        assert_eq!(verdict(signed_at + after).is_ok(), sound, "{after}");
    }
    // Another date under the same signature.
    let mut headers = genuine();
    headers.insert("x-ms-date", "Tue, 03 Mar 2026 08:38:32 GMT".parse().unwrap());
    assert!(refused(&headers).contains("signature"));
    // Signed, but no date.
    for date in ["2026-03-02T08:38:32Z", "Mon, 02 Mar 2026 08:38:32 +0000", "Tue, 02 Mar 2026 08:38:32 GMT"] {
        let headers = headers_of_date("/hooks/nordlys/counter?v=1", "hooks.nordlys.example", date);
        assert!(refused(&headers).contains("x-ms-date is not a date"), "{date}");
    }
}

#[test]
fn fault_038_a_notice_from_a_year_ago_is_refused() {
    let notice = Notice { public_url: URL, headers: &genuine(), body: BODY };
    let error = verify(&notice, &[SECRET], now() + Duration::days(365)).unwrap_err();
    assert!(error.0.contains("longer ago"), "{error}");
}

fn headers_of_date(path: &str, host: &str, date: &str) -> HeaderMap {
    headers(path, host, SECRET.as_bytes(), date)
}

#[test]
fn fault_059_headers_that_are_missing_doubled_or_of_another_scheme_are_refused() {
    for name in ["x-ms-date", "x-ms-content-sha256", "authorization"] {
        let mut missing = genuine();
        missing.remove(name);
        assert_eq!(refused(&missing), format!("{name} is missing"));
        let mut doubled = genuine();
        let value = doubled[name].clone();
        doubled.append(name, value);
        assert_eq!(refused(&doubled), format!("{name} stands twice"));
    }
    let signed = genuine()["authorization"].to_str().unwrap().to_owned();
    for other in [
        signed.replace("HMAC-SHA256", "HMAC-SHA1"),
        signed.replace("HMAC-SHA256", "hmac-sha256"),
        signed.replace("SignedHeaders=x-ms-date;host;", "SignedHeaders=x-ms-date;"),
        signed.replace("&Signature=", "&signature="),
        "Bearer x".to_owned(),
    ] {
        let mut headers = genuine();
        headers.insert("authorization", other.parse().unwrap());
        assert!(refused(&headers).contains("another scheme"), "{other}");
    }
    let mut headers = genuine();
    headers.insert("authorization", format!("{signed}!").parse().unwrap());
    assert!(refused(&headers).contains("no signature in base64"));
}

#[test]
fn fault_060_two_secrets_are_accepted_while_one_is_replaced() {
    assert_eq!(check(&genuine(), BODY, URL, &["the new one", SECRET]), Ok(()));
    assert_eq!(check(&genuine(), BODY, URL, &[SECRET, "the new one"]), Ok(()));
    assert!(check(&genuine(), BODY, URL, &["the new one", "another"]).is_err());
}

#[test]
fn fault_061_a_notice_signed_for_another_address_is_refused() {
    for url in [
        "https://hooks.nordlys.example/hooks/other/counter?v=1",
        "https://hooks.nordlys.example/hooks/nordlys/counter",
        "https://hooks.nordlys.example/hooks/nordlys/counter?v=2",
        "https://hooks.other.example/hooks/nordlys/counter?v=1",
        "https://hooks.nordlys.example:8443/hooks/nordlys/counter?v=1",
    ] {
        assert!(check(&genuine(), BODY, url, &[SECRET]).unwrap_err().0.contains("public_url"), "{url}");
    }
    assert!(check(&genuine(), BODY, "no address", &[SECRET]).is_err());
}
