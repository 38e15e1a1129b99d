//! Notices of Stripe: the signature check. Pure.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{Notice, Refusal};

/// The header that holds time and signatures.
const HEADER: &str = "stripe-signature";

/// How far a notice's time may be from ours, either way.
const TOLERANCE_S: u64 = 300;

/// More signatures than Stripe ever sends; each costs a comparison.
const SIGNATURES_MAX: usize = 16;

/// Verifies a notice: `t=<unix>,v1=<hex>[,v1=<hex>…]`, where one `v1` must be the HMAC-SHA256 of `<t>.<body>` under
/// one of the secrets. Every other scheme is ignored.
///
/// # Errors
///
/// [`Refusal`] with what is wrong.
pub fn verify(notice: &Notice<'_>, secrets: &[&str], now: DateTime<Utc>) -> Result<(), Refusal> {
    if secrets.is_empty() {
        return Err(Refusal(
            "the connection's secret has no webhook_secrets; add the endpoint's signing secret (whsec_…)"
                .to_owned(),
        ));
    }
    let header = notice.header(HEADER)?;
    let malformed = |what: &str| Refusal(format!("{HEADER} {what}"));
    let mut time = None;
    let mut signatures = Vec::new();
    for element in header.split(',') {
        let (scheme, value) = element.split_once('=').ok_or_else(|| malformed("is malformed"))?;
        match scheme.trim() {
            "t" if time.is_some() => return Err(malformed("has two times")),
            "t" => time = Some(value.trim()),
            "v1" if signatures.len() == SIGNATURES_MAX => return Err(malformed("has too many signatures")),
            "v1" => signatures
                .push(mac_of(value.trim()).ok_or_else(|| malformed("has a signature that is none"))?),
            _ => {}
        }
    }
    let time = time.ok_or_else(|| malformed("has no time"))?;
    // The text itself is signed; a sign or blanks in it would not be Stripe's.
    if time.is_empty() || time.len() > 15 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed("has a time that is none"));
    }
    let seconds: i64 = time.parse().map_err(|_| malformed("has a time that is none"))?;
    if signatures.is_empty() {
        return Err(malformed("has no signature of the scheme v1"));
    }
    if seconds.abs_diff(now.timestamp()) > TOLERANCE_S {
        return Err(malformed("is older or newer than 300 seconds"));
    }
    let mut proved = Choice::from(0);
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map_err(|_| Refusal("a webhook secret cannot be used".to_owned()))?;
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(notice.body);
        let wanted = mac.finalize().into_bytes();
        for signature in &signatures {
            proved |= wanted.as_slice().ct_eq(signature);
        }
    }
    if bool::from(proved) { Ok(()) } else { Err(malformed("is not of this body and any of our secrets")) }
}

/// 32 bytes of 64 lower-case hexadecimal digits; nothing else is a signature.
fn mac_of(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut mac = [0; 32];
    if pairs.len() != mac.len() {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (byte, [high, low]) in mac.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderMap;

    use super::*;

    const BODY: &[u8] = "{\"id\":\"evt_bilag1\",\"note\":\"kr\u{f8}ll €\"}".as_bytes();
    const SECRET: &str = "whsec_bilag_one";
    const AT: i64 = 1_780_000_000;

    fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        ledger::voucher::hex(&mac.finalize().into_bytes())
    }

    fn verify_all(headers: &[&str], body: &[u8], secrets: &[&str], now: i64) -> Result<(), String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(HEADER, header.parse().unwrap());
        }
        let notice = Notice { public_url: "https://hooks.example/hooks/acme/shop", headers: &map, body };
        verify(&notice, secrets, DateTime::from_timestamp(now, 0).unwrap()).map_err(|refusal| refusal.0)
    }

    fn good() -> String {
        format!("t={AT},v1={},v0={}", sign(SECRET, AT, BODY), "0".repeat(64))
    }

    fn refused(header: &str) -> String {
        verify_all(&[header], BODY, &[SECRET], AT).unwrap_err()
    }

    #[test]
    fn a_signed_notice_is_let_in() {
        assert_eq!(verify_all(&[&good()], BODY, &[SECRET], AT + 2), Ok(()));
        // The known answer of `printf '1780000000.{}' | openssl dgst -sha256 -hmac whsec_bilag_one`.
        let known = "1986ee552aa9fb4901994938fbc5b1d696b99fe2003fbe92734b4312b38c769c";
        assert_eq!(sign(SECRET, AT, b"{}"), known);
        assert_eq!(verify_all(&[&format!("t={AT},v1={known}")], b"{}", &[SECRET], AT), Ok(()));
    }

    #[test]
    fn fault_056_a_forged_signature_is_refused() {
        let forged = format!("t={AT},v1={}", sign("whsec_guess", AT, BODY));
        assert!(refused(&forged).contains("is not of this body"));
        assert!(refused(&format!("t={AT},v1={}", "0".repeat(64))).contains("is not of this body"));
        assert!(verify_all(&[&good()], BODY, &[], AT).unwrap_err().contains("webhook_secrets"));
        assert!(verify_all(&[&format!("t={AT},v1={}", sign("", AT, BODY))], BODY, &[SECRET], AT).is_err());
    }

    #[test]
    fn fault_057_an_altered_body_is_refused() {
        for body in [&b"{}"[..], b"", &BODY[1..], &[BODY, b" "].concat()] {
            assert!(verify_all(&[&good()], body, &[SECRET], AT).is_err());
        }
    }

    #[test]
    fn fault_058_stale_and_future_times_are_refused() {
        for (now, good_still) in
            [(AT + 300, true), (AT + 301, false), (AT - 300, true), (AT - 301, false), (0, false)]
        {
            assert_eq!(verify_all(&[&good()], BODY, &[SECRET], now).is_ok(), good_still, "{now}");
        }
        // The time is signed too.
        let moved = good().replace(&format!("t={AT}"), &format!("t={}", AT + 1000));
        assert!(verify_all(&[&moved], BODY, &[SECRET], AT + 1000).is_err());
    }

    #[test]
    fn fault_059_missing_doubled_malformed_and_downgraded_headers_are_refused() {
        let signature = sign(SECRET, AT, BODY);
        assert!(verify_all(&[], BODY, &[SECRET], AT).unwrap_err().contains("missing"));
        assert!(verify_all(&[&good(), &good()], BODY, &[SECRET], AT).unwrap_err().contains("twice"));
        for (header, what) in [
            (format!("t={AT},v0={signature}"), "no signature of the scheme v1"),
            (format!("t={AT},v2={signature}"), "no signature of the scheme v1"),
            (format!("v1={signature}"), "no time"),
            (format!("t={AT},t={AT},v1={signature}"), "two times"),
            (format!("t=,v1={signature}"), "a time that is none"),
            (format!("t=-{AT},v1={signature}"), "a time that is none"),
            (format!("t=+{AT},v1={signature}"), "a time that is none"),
            (format!("t={AT}.0,v1={signature}"), "a time that is none"),
            (format!("t=99999999999999999999,v1={signature}"), "a time that is none"),
            (format!("t={AT},v1="), "a signature that is none"),
            (format!("t={AT},v1={}", &signature[..62]), "a signature that is none"),
            (format!("t={AT},v1={signature}00"), "a signature that is none"),
            (format!("t={AT},v1={}", signature.to_uppercase().replace('0', "A")), "a signature that is none"),
            (format!("t={AT},v1=+{}", &signature[1..]), "a signature that is none"),
            (format!("t={AT};v1={signature}"), "a time that is none"),
            (format!("{AT},{signature}"), "malformed"),
            (String::new(), "malformed"),
            (format!("t={AT}{}", format!(",v1={signature}").repeat(17)), "too many"),
        ] {
            let refusal = refused(&header);
            assert!(refusal.contains(what), "{header}: {refusal}");
            assert!(!refusal.contains(&signature[..8]), "{refusal}");
        }
    }

    #[test]
    fn fault_060_both_secrets_count_while_one_is_replaced() {
        let both = format!("t={AT},v1={},v1={}", sign("whsec_new", AT, BODY), sign("whsec_old", AT, BODY));
        for secrets in
            [&["whsec_old"][..], &["whsec_new"], &["whsec_new", "whsec_old"], &["other", "whsec_old"]]
        {
            assert_eq!(verify_all(&[&both], BODY, secrets, AT), Ok(()), "{secrets:?}");
        }
        assert_eq!(verify_all(&[&good()], BODY, &["whsec_next", SECRET], AT), Ok(()));
        assert!(verify_all(&[&both], BODY, &["whsec_third"], AT).is_err());
    }

    #[test]
    fn fault_061_a_notice_signed_for_another_endpoint_is_refused() {
        let test_mode = format!("t={AT},v1={}", sign("whsec_of_the_test_mode_endpoint", AT, BODY));
        assert!(refused(&test_mode).contains("is not of this body and any of our secrets"));
    }

    #[test]
    fn fault_062_the_original_bytes_are_signed_not_what_they_mean() {
        let value: serde_json::Value = serde_json::from_slice(BODY).unwrap();
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        assert!(verify_all(&[&good()], &pretty, &[SECRET], AT).is_err());
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(BODY);
        assert!(verify_all(&[&good()], encoded.as_bytes(), &[SECRET], AT).is_err());
    }
}
