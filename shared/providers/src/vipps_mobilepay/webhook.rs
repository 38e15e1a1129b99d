//! Notices of the Webhooks API: signed with HMAC-SHA-256 over the registered address, the date and the body's hash.
//!
//! No notice speaks of payouts. One that is verified makes the next look due, and nothing in it is used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::{Notice, Refusal};

/// How old a notice may be. The provider repeats for seven days and does not say whether it signs anew each time; a
/// repeated notice has no effect beyond one more look.
const PAST_MAX: Duration = Duration::minutes(7 * 24 * 60 + 5);

/// How far the provider's clock may be ahead.
const FUTURE_MAX: Duration = Duration::minutes(5);

/// What stands before the signature.
const SCHEME: &str = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";

/// Verifies a notice against all secrets that are configured.
///
/// # Errors
///
/// [`Refusal`] with the first thing that is wrong.
pub fn verify(notice: &Notice<'_>, secrets: &[&str], now: DateTime<Utc>) -> Result<(), Refusal> {
    let refuse = |why: &str| Refusal(why.to_owned());
    if secrets.is_empty() {
        return Err(refuse("no webhook_secrets are configured"));
    }
    let date = notice.header("x-ms-date")?;
    let stated = notice.header("x-ms-content-sha256")?;
    let authorization = notice.header("authorization")?;
    let signature = authorization
        .strip_prefix(SCHEME)
        .ok_or_else(|| refuse("authorization is of another scheme or signs other headers"))?;
    let signature =
        STANDARD.decode(signature).map_err(|_| refuse("authorization holds no signature in base64"))?;

    let hash = STANDARD.encode(Sha256::digest(notice.body));
    if !bool::from(hash.as_bytes().ct_eq(stated.as_bytes())) {
        return Err(refuse("the body is not the one that x-ms-content-sha256 speaks of"));
    }
    let address: http::Uri =
        notice.public_url.parse().map_err(|_| refuse("public_url is not an address; correct it"))?;
    let host = address.authority().ok_or_else(|| refuse("public_url has no host; correct it"))?;
    let path = address.path_and_query().map_or("/", |path| path.as_str());
    let signed = format!("POST\n{path}\n{date};{host};{hash}");
    // The secret looks like base64, but the key is its text.
    let genuine = secrets.iter().fold(Choice::from(0), |genuine, secret| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return genuine };
        mac.update(signed.as_bytes());
        genuine | mac.finalize().into_bytes().as_slice().ct_eq(&signature)
    });
    if !bool::from(genuine) {
        return Err(refuse("the signature is not of any configured secret over public_url, date and body"));
    }

    let signed_at = NaiveDateTime::parse_from_str(date, "%a, %d %b %Y %H:%M:%S GMT")
        .map_err(|_| refuse("x-ms-date is not a date"))?
        .and_utc();
    if signed_at > now + FUTURE_MAX {
        return Err(refuse("x-ms-date is in the future; compare the clocks"));
    }
    if signed_at < now - PAST_MAX {
        return Err(refuse("x-ms-date is longer ago than a notice is repeated"));
    }
    Ok(())
}
