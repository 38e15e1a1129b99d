//! The same pages through serde_json into typed structs, and nothing else: no checks, no sums, no voucher.
//!
//! The structs have the members that bilag reads, texts borrowed from the page. Metadata, whose keys nobody asked for
//! here, are passed over, as bilag passes over them.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Number;

use crate::Failure;
use crate::pages::Answers;

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<Row<'a>>,
    has_more: bool,
}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Row<'a> {
    id: &'a str,
    amount: i64,
    balance_type: Option<&'a str>,
    created: i64,
    currency: &'a str,
    exchange_rate: Option<Number>,
    fee: i64,
    #[serde(borrow)]
    fee_details: Vec<FeeDetail<'a>>,
    net: i64,
    reporting_category: Option<&'a str>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
    #[serde(rename = "type")]
    type_: &'a str,
}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct FeeDetail<'a> {
    amount: i64,
    #[serde(rename = "type")]
    type_: &'a str,
}

/// An id, or the object itself.
#[allow(dead_code)]
enum Source<'a> {
    Id(&'a str),
    Expanded(Expanded<'a>),
}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Expanded<'a> {
    id: &'a str,
    object: &'a str,
    charge: Option<&'a str>,
    payment_intent: Option<&'a str>,
    #[serde(borrow)]
    payment_method_details: Option<Method<'a>>,
    metadata: Option<IgnoredAny>,
}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Method<'a> {
    #[serde(rename = "type")]
    type_: Option<&'a str>,
    #[serde(borrow)]
    card: Option<Card<'a>>,
}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Card<'a> {
    country: Option<&'a str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Source<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Source<'a>, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Source<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id or an object")
    }

    fn visit_borrowed_str<E: Error>(self, id: &'de str) -> Result<Source<'de>, E> {
        Ok(Source::Id(id))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source<'de>, A::Error> {
        Expanded::deserialize(MapAccessDeserializer::new(map)).map(Source::Expanded)
    }
}

/// Parses all pages; their rows, and a sum that keeps the parser from being optimised away.
pub fn parse(mut answers: Answers) -> Result<(u64, i64), Failure> {
    let (mut rows, mut sum) = (0, 0);
    answers.next()?.ok_or("no payout")?;
    while let Some(body) = answers.next()? {
        let page: Page<'_> = serde_json::from_slice(body)?;
        rows += page.data.len() as u64;
        sum += page.data.iter().map(|row| row.net).sum::<i64>();
        std::hint::black_box(&page);
    }
    Ok((rows, sum))
}
