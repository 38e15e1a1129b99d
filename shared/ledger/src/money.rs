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
    parse_minor(text, digits).map(|minor| from_minor(minor, digits))
}

/// As [`parse_amount`], in minor units.
///
/// # Errors
///
/// As for [`parse_amount`].
#[inline]
pub fn parse_minor(text: &str, digits: u32) -> Result<i64, AmountError> {
    match usual(text.as_bytes()) {
        Some(minor) if digits == 2 => Ok(minor),
        _ => parse_any(text, digits),
    }
}

/// The minor units of an amount with exactly two decimals, as nearly all have; any other text is left to
/// [`parse_any`], which also knows what is wrong with it.
#[inline]
fn usual(text: &[u8]) -> Option<i64> {
    let number = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, [b'.', tens, ones]) = number.split_last_chunk::<3>()? else {
        return None;
    };
    if whole.is_empty() || whole.len() + 2 > LIMIT_DIGITS {
        return None;
    }
    let digit = |byte: &u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9).map(i64::from);
    let mut major = 0;
    for byte in whole {
        major = major * 10 + digit(byte)?;
    }
    let minor = major * 100 + digit(tens)? * 10 + digit(ones)?;
    Some(if number.len() < text.len() { -minor } else { minor })
}

fn parse_any(text: &str, digits: u32) -> Result<i64, AmountError> {
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
    let too_large = || AmountError::TooLarge(text.chars().take(40).collect());
    if whole.len() + fraction.len() > LIMIT_DIGITS {
        return Err(too_large());
    }
    let mut decimals = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    if digits == 0 && decimals <= 2 && minor % 10i64.pow(decimals) == 0 {
        minor /= 10i64.pow(decimals);
        decimals = 0;
    }
    if decimals > digits {
        return Err(AmountError::TooPrecise { text: text.to_owned(), digits });
    }
    // Fifteen digits and four more decimals may be beyond the limit of i64.
    let minor = 10i64
        .checked_pow(digits - decimals)
        .and_then(|filled| minor.checked_mul(filled))
        .ok_or_else(too_large)?;
    Ok(if negative { -minor } else { minor })
}

/// The digits of an amount as a whole number; `None` beyond 63 bits.
#[inline]
fn minor_units(amount: Decimal) -> Option<i64> {
    let parts = amount.unpack();
    let digits = i64::try_from(u64::from(parts.mid) << 32 | u64::from(parts.lo)).ok()?;
    (parts.hi == 0).then_some(if parts.negative { -digits } else { digits })
}

/// A sum that grows amount by amount: a whole number of minor units as long as all amounts have one scale, as those
/// of one currency have.
#[derive(Clone, Copy, Debug)]
pub enum Sum {
    /// Minor units, and the digits that they are of a major unit.
    Minor(i64, u32),
    /// A sum of more digits.
    Wide(Decimal),
}

impl Default for Sum {
    fn default() -> Sum {
        Sum::Minor(0, 0)
    }
}

impl Sum {
    /// Adds an amount. `None`, and the sum stays as it was, beyond what a decimal holds.
    #[inline]
    #[must_use]
    pub fn add(&mut self, amount: Decimal) -> Option<()> {
        if let Sum::Minor(sum, digits) = self
            && amount.scale() == *digits
            && let Some(minor) = minor_units(amount)
            && let Some(grown) = sum.checked_add(minor)
        {
            *sum = grown;
            return Some(());
        }
        self.add_slowly(amount)
    }

    /// The first amount gives the sum its scale; whatever else comes here differs in scale or is very large.
    #[cold]
    fn add_slowly(&mut self, amount: Decimal) -> Option<()> {
        if !amount.is_zero() {
            let sum = self.total().checked_add(amount)?;
            *self = minor_units(sum).map_or(Sum::Wide(sum), |minor| Sum::Minor(minor, sum.scale()));
        }
        Some(())
    }

    /// The sum, at the largest scale of its amounts.
    #[inline]
    pub fn total(self) -> Decimal {
        match self {
            Sum::Minor(minor, digits) => from_minor(minor, digits),
            Sum::Wide(sum) => sum,
        }
    }
}

/// An amount from minor units, as APIs count them.
#[inline]
pub fn from_minor(minor: i64, digits: u32) -> Decimal {
    const LOW: u64 = 0xffff_ffff;
    let units = minor.unsigned_abs();
    Decimal::from_parts((units & LOW) as u32, (units >> 32) as u32, 0, minor < 0, digits)
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
    fn the_short_way_of_reading_reads_as_the_long_one() {
        let texts = [
            "0.00",
            "-0.00",
            "7.05",
            "-7.05",
            "2084.52",
            "9999999999999.99",
            "-9999999999999.99",
            "99999999999999.99",
            "",
            "-",
            ".00",
            "-.00",
            "1.0",
            "1.000",
            "1,00",
            "1.0x",
            "x.00",
            "ab.cd",
            "--1.00",
            "+1.00",
            "1 000.00",
            "12.50-",
        ];
        for text in texts {
            for digits in [0, 2, 3] {
                assert_eq!(parse_minor(text, digits), parse_any(text, digits), "{text:?} at {digits}");
            }
        }
    }

    #[test]
    fn amounts_that_only_their_currency_makes_too_large_are_refused() {
        assert_eq!(parse_minor("922337203685477", 4), Ok(9_223_372_036_854_770_000));
        assert!(matches!(parse_amount("922337203685478", 4), Err(AmountError::TooLarge(_))));
    }

    #[test]
    fn only_an_all_zero_fraction_of_two_digits_at_most_is_dropped_and_only_where_there_are_no_decimals() {
        assert_eq!(parse_minor("500.0", 0), Ok(500));
        for (text, digits) in [("500.50", 0), ("500.05", 0), ("500.000", 0), ("5.00", 1)] {
            let refused = parse_minor(text, digits);
            assert!(
                matches!(refused, Err(AmountError::TooPrecise { .. })),
                "{text} at {digits}: {refused:?}"
            );
        }
    }

    #[test]
    fn nothing_is_not_less_than_nothing() {
        assert!(!from_minor(0, 2).is_sign_negative());
        assert_eq!(from_minor(0, 2).to_string(), "0.00");
    }

    #[test]
    fn a_currency_is_shown_by_its_code() {
        let nok = Currency::parse("nok").unwrap();
        assert_eq!((format!("{nok}"), format!("{nok:?}")), ("NOK".to_owned(), "NOK".to_owned()));
    }

    #[test]
    fn a_sum_of_one_scale_stays_a_whole_number() {
        let mut sum = Sum::default();
        for minor in [1250, -99, 5_000_000_000, -1] {
            sum.add(from_minor(minor, 2)).unwrap();
        }
        assert!(matches!(sum, Sum::Minor(5_000_001_150, 2)), "{sum:?}");
    }

    #[test]
    fn a_sum_is_that_of_decimals() {
        let amounts = [
            Decimal::ZERO,
            from_minor(1250, 2),
            from_minor(-99, 2),
            from_minor(0, 2),
            from_minor(7, 0),
            from_minor(-1, 3),
            from_minor(i64::MAX, 3),
            from_minor(i64::MAX, 3),
            from_minor(i64::MIN, 2),
            Decimal::MAX / Decimal::from(4),
            from_minor(3, 2),
            -Decimal::MAX / Decimal::from(4),
            from_minor(25, 2),
        ];
        let (mut sum, mut expected) = (Sum::default(), Decimal::ZERO);
        for amount in amounts {
            sum.add(amount).unwrap();
            expected = expected.checked_add(amount).unwrap();
            assert_eq!(sum.total(), expected, "after {amount}");
        }
        assert_eq!(Sum::default().total().to_string(), "0");
    }

    #[test]
    fn a_sum_beyond_a_decimal_is_refused_and_stays_as_it_was() {
        let mut sum = Sum::default();
        sum.add(Decimal::MAX).unwrap();
        assert_eq!(sum.add(Decimal::ONE), None);
        assert_eq!(sum.total(), Decimal::MAX);
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
