//! Signed notices, as providers send them to a merchant's address.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::encoding::{base64, hex, hmac, sha256};

/// A notice ready to be sent.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Header names in lower case, with their values.
    pub headers: Vec<(&'static str, String)>,
    /// The body, which the signature covers byte by byte.
    pub body: Vec<u8>,
}

/// Stripe's notice of an event like `payout.paid` about a payout, signed at `now` with every secret.
pub fn stripe_notice(event: &str, payout: &str, now: DateTime<Utc>, secrets: &[&str]) -> Notice {
    let at = now.timestamp();
    let body = json!({
        "id": format!("evt_1S{}", &hex(&sha256(format!("{event}{payout}{at}").as_bytes()))[..16]),
        "object": "event",
        "api_version": "2026-07-29.dahlia",
        "created": at,
        "data": { "object": { "id": payout, "object": "payout", "currency": "nok", "livemode": false } },
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": event,
    })
    .to_string()
    .into_bytes();
    let signed = [format!("{at}.").as_bytes(), &body].concat();
    let mut signature = format!("t={at}");
    for secret in secrets {
        signature.push_str(&format!(",v1={}", hex(&hmac(secret.as_bytes(), &signed))));
    }
    signature.push_str(&format!(",v0={}", "0".repeat(64)));
    let headers =
        vec![("content-type", "application/json; charset=utf-8".to_owned()), ("stripe-signature", signature)];
    Notice { headers, body }
}

/// Vipps MobilePay's notice of a capture, signed at `now` for the registered address `url`. The secret's text
/// itself is the key. An address without a host gives a signature that nobody accepts.
pub fn vipps_mobilepay_notice(url: &str, reference: &str, now: DateTime<Utc>, secret: &str) -> Notice {
    let (host, path) = match url
        .split_once("://")
        .map(|(_, rest)| rest)
        .and_then(|rest| rest.find('/').map(|at| rest.split_at(at)))
    {
        Some((host, path)) => (host, path),
        None => (url.split_once("://").map_or(url, |(_, host)| host), "/"),
    };
    let body = json!({
        "msn": crate::vipps_mobilepay::MERCHANT_SERIAL_NUMBER,
        "reference": reference,
        "pspReference": format!("{}", &hex(&sha256(reference.as_bytes()))[..32]),
        "name": "CAPTURED",
        "amount": { "value": 100, "currency": "NOK" },
        "timestamp": now.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "idempotencyKey": &hex(&sha256(format!("key of {reference}").as_bytes()))[..32],
        "success": true,
    })
    .to_string()
    .into_bytes();
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let hash = base64(&sha256(&body));
    let signature =
        base64(&hmac(secret.as_bytes(), format!("POST\n{path}\n{date};{host};{hash}").as_bytes()));
    let authorization =
        format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}");
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("host", host.to_owned()),
        ("x-ms-date", date),
        ("x-ms-content-sha256", hash),
        ("authorization", authorization),
    ];
    Notice { headers, body }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{stripe_notice, vipps_mobilepay_notice};
    use crate::encoding::{base64, hex, hmac, sha256};

    #[test]
    fn hmacs_are_those_of_published_notices() {
        // The provider's own example of 2023, and a vector of the other's documented scheme.
        let secret =
            "A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==";
        let body = "{\"some-unique-content\":\"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world\"}";
        let hash = base64(&sha256(body.as_bytes()));
        assert_eq!(hash, "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=");
        let text = format!(
            "POST\n/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63\nThu, 30 Mar 2023 08:38:32 GMT;webhook.site;{hash}"
        );
        let signature = base64(&hmac(secret.as_bytes(), text.as_bytes()));
        assert_eq!(signature, "agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=");
        let text = b"1763600000.{\"id\":\"evt_1\",\"object\":\"event\"}";
        let expected = "db201f7dfead23ef505204e3304164ee842241562354fdae375bcc0a0383169d";
        assert_eq!(hex(&hmac(b"whsec_test_one", text)), expected);
    }

    #[test]
    fn notices_carry_what_their_signatures_cover() {
        let now = chrono::DateTime::from_timestamp(1_763_600_000, 0).unwrap();
        let notice = stripe_notice("payout.paid", "po_1", now, &["whsec_new", "whsec_old"]);
        let header = &notice.headers.iter().find(|(name, _)| *name == "stripe-signature").unwrap().1;
        assert_eq!(header.matches("v1=").count(), 2);
        let notice = vipps_mobilepay_notice("https://hooks.example.com/hooks/a/b?c=d", "r1", now, "secret");
        let value = |name: &str| notice.headers.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        assert_eq!(value("host"), "hooks.example.com");
        assert_eq!(value("x-ms-date"), "Thu, 20 Nov 2025 00:53:20 GMT");
        assert_eq!(value("x-ms-content-sha256"), base64(&sha256(&notice.body)));
        let text = format!(
            "POST\n/hooks/a/b?c=d\n{};hooks.example.com;{}",
            value("x-ms-date"),
            value("x-ms-content-sha256")
        );
        assert!(value("authorization").ends_with(&base64(&hmac(b"secret", text.as_bytes()))));
    }
}
