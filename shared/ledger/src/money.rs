//! Amounts: decimals in major units of a known currency, read digit by digit, never through a float.

pub use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An ISO 4217 currency that this version knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of a three-letter code in either case.
    ///
    /// # Errors
    ///
    /// [`AmountError::UnknownCurrency`] if the code is not in ISO 4217.
    pub fn parse(code: &str) -> Result<Currency, AmountError> {
        iso_currency::Currency::from_code(&code.to_ascii_uppercase())
            .filter(|currency| currency.exponent().is_some())
            .map(Currency)
            .ok_or_else(|| AmountError::UnknownCurrency(code.chars().take(12).collect()))
    }

    /// The upper-case code, for example `NOK`.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    #[inline]
    /// Decimal digits of the minor unit by ISO 4217: NOK 2, JPY and ISK 0, KWD 3.
    pub fn digits(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(2))
    }

    /// The amount as text with exactly the currency's digits, for example `-12.50`.
    ///
    /// # Errors
    ///
    /// [`AmountError::TooPrecise`] if the amount has more digits than the currency.
    pub fn format(self, amount: Decimal) -> Result<String, AmountError> {
        Ok(self.fit(amount)?.to_string())
    }

    /// The amount at exactly the currency's scale.
    ///
    /// # Errors
    ///
    /// [`AmountError::TooPrecise`] if that would need rounding.
    pub fn fit(self, amount: Decimal) -> Result<Decimal, AmountError> {
        let mut fitted = amount.normalize();
        if fitted.scale() > self.digits() {
            return Err(AmountError::TooPrecise { text: amount.to_string(), digits: self.digits() });
        }
        fitted.rescale(self.digits());
        // A negative zero would print as "-0.00".
        if fitted.is_zero() {
            fitted.set_sign_positive(true);
        }
        Ok(fitted)
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Currency::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a plain decimal number with a dot.
    #[error("\"{0}\" is not an amount: expected digits with a decimal dot and an optional leading minus")]
    NotDecimal(String),
    /// More decimals than the currency has; never rounded.
    #[error("\"{text}\" has more decimals than the {digits} of its currency")]
    TooPrecise {
        /// The amount as found.
        text: String,
        /// The digits that the currency has.
        digits: u32,
    },
    /// Beyond any amount that a shop settles; refused rather than wrapped.
    #[error("\"{0}\" is beyond the limit of {LIMIT_DIGITS} digits for one amount")]
    TooLarge(String),
    /// A currency code that is not in ISO 4217.
    #[error("\"{0}\" is not a known currency code")]
    UnknownCurrency(String),
}

/// Digits that one amount may have, decimals included: a thousand billion kroner to the øre.
pub const LIMIT_DIGITS: usize = 15;

/// Reads a decimal text such as `-1249.50` at `digits` decimals, the digits that *this provider* gives the
/// currency.
///
/// Fewer decimals are filled up (`12.5` is 12.50). For a currency without decimals an all-zero fraction is
/// allowed (`500.00`), since some reports write two digits for every currency.
///
/// # Errors
///
/// Anything but an optional minus, digits, and a dot with digits: thousands separators, a decimal comma, an
/// exponent, blanks, `NaN`. More decimals than `digits`. More than [`LIMIT_DIGITS`] digits.
#[inline]
pub fn parse_amount(text: &str, digits: u32) -> Result<Decimal, AmountError> {
    let not_decimal = || AmountError::NotDecimal(text.chars().take(40).collect());
    let bytes = text.as_bytes();
    let (negative, number) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some(_) => (false, bytes),
        None => return Err(not_decimal()),
    };
    let (whole, fraction) = match number.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&number[..dot], Some(&number[dot + 1..])),
        None => (number, None),
    };
    if whole.is_empty() || fraction.is_some_and(<[u8]>::is_empty) {
        return Err(not_decimal());
    }
    let fraction = fraction.unwrap_or_default();
    let mut minor: i64 = 0;
    for part in [whole, fraction] {
        for &byte in part {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(not_decimal());
            }
            // Wraps only where the length is refused below.
            minor = minor.wrapping_mul(10).wrapping_add(i64::from(digit));
        }
    }
    if whole.len() + fraction.len() > LIMIT_DIGITS {
        return Err(AmountError::TooLarge(text.chars().take(40).collect()));
    }
    let mut decimals = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    if digits == 0 && decimals <= 2 && minor % 10i64.pow(decimals) == 0 {
        minor /= 10i64.pow(decimals);
        decimals = 0;
    }
    if decimals > digits {
        return Err(AmountError::TooPrecise { text: text.to_owned(), digits });
    }
    // At most 15 digits and 4 decimals: below the limit of i64.
    if digits != decimals {
        minor *= 10i64.pow(digits - decimals);
    }
    Ok(Decimal::new(if negative { -minor } else { minor }, digits))
}

/// Adds an amount to a sum, exactly. `None` beyond what a decimal holds.
///
/// Amounts of one currency mostly share their scale; their digits are then added as whole numbers, which takes a
/// fifth of the time of a general addition.
#[inline]
pub fn checked_sum(sum: Decimal, amount: Decimal) -> Option<Decimal> {
    if sum.scale() == amount.scale()
        && let Some(digits) = sum.mantissa().checked_add(amount.mantissa())
        && let Ok(digits) = i64::try_from(digits)
    {
        return Some(Decimal::new(digits, sum.scale()));
    }
    sum.checked_add(amount)
}

/// An amount from minor units, as APIs count them.
pub fn from_minor(minor: i64, digits: u32) -> Decimal {
    Decimal::new(minor, digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fault_070_amounts_that_are_not_plain_decimals_are_refused() {
        for text in
            ["", "-", ".", "1.", ".5", "+1", "1e3", "1E400", "NaN", "Infinity", "-inf", " 1", "1 ", "--1"]
        {
            assert!(matches!(parse_amount(text, 2), Err(AmountError::NotDecimal(_))), "{text:?}");
        }
        assert_eq!(parse_amount("-0", 2).unwrap(), Decimal::ZERO);
        assert_eq!(
            Currency::parse("NOK").unwrap().format(parse_amount("-0.00", 2).unwrap()).unwrap(),
            "0.00"
        );
        assert!(matches!(parse_amount("0.30000000000000004", 2), Err(AmountError::TooLarge(_))));
        assert!(matches!(parse_amount("0.3004", 2), Err(AmountError::TooPrecise { .. })));
    }

    #[test]
    fn fault_071_amounts_beyond_the_limit_are_refused_without_wrapping() {
        assert_eq!(parse_amount("9999999999999.99", 2).unwrap().to_string(), "9999999999999.99");
        for text in ["99999999999999.99", "9223372036854775807", "170141183460469231731687303715884105728"] {
            assert!(matches!(parse_amount(text, 2), Err(AmountError::TooLarge(_))), "{text}");
        }
    }

    #[test]
    fn fault_079_commas_thousands_and_trailing_signs_are_refused() {
        for text in ["1,50", "1.234,50", "1,234.50", "1 234.50", "1'234.50", "12.50-", "(12.50)"] {
            assert!(matches!(parse_amount(text, 2), Err(AmountError::NotDecimal(_))), "{text}");
        }
        assert!(matches!(parse_amount("1.234", 2), Err(AmountError::TooPrecise { .. })));
    }

    #[test]
    fn fault_088_currencies_have_their_own_digits_and_unknown_ones_are_refused() {
        for (code, digits) in
            [("NOK", 2), ("jpy", 0), ("ISK", 0), ("KWD", 3), ("HUF", 2), ("TND", 3), ("CLP", 0)]
        {
            assert_eq!(Currency::parse(code).unwrap().digits(), digits, "{code}");
        }
        for code in ["", "N", "NO", "NOKK", "ZZZ", "kr", "XAU"] {
            assert!(matches!(Currency::parse(code), Err(AmountError::UnknownCurrency(_))), "{code}");
        }
    }

    #[test]
    fn amounts_print_with_exactly_the_digits_of_the_currency() {
        let nok = Currency::parse("NOK").unwrap();
        assert_eq!(nok.format(parse_amount("12.5", 2).unwrap()).unwrap(), "12.50");
        assert_eq!(
            Currency::parse("JPY").unwrap().format(parse_amount("500.00", 0).unwrap()).unwrap(),
            "500"
        );
        assert!(nok.format(Decimal::new(12345, 3)).is_err());
        assert_eq!(from_minor(-247_331, 2).to_string(), "-2473.31");
    }
}
