//! Ledgers, and their entries by date and as a feed.

use chrono::{DateTime, NaiveDate, Utc};
use http::Response;
use serde_json::{Value, json};

use super::ledger::{Ledger, Topic};
use super::token::Keys;
use super::{VippsMobilePay, problem};
use crate::encoding::{base64, from_base64};
use crate::wire::{self, Request};

/// Ledgers of one page.
const LEDGERS_MAX: usize = 1;

impl VippsMobilePay {
    /// Answers everything but tokens.
    pub(super) fn report(&mut self, now: DateTime<Utc>, keys: Keys, request: &Request) -> Response<Vec<u8>> {
        let path = request.path.clone();
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let [_, _, _, rest @ ..] = segments.as_slice() else {
            return problem(404, "Not found", "No such resource", &request.raw_path);
        };
        let [id, topic, what @ ..] = rest else {
            return self.ledgers(keys, request);
        };
        let Some(index) = self.reached(keys).iter().position(|ledger| ledger.id == *id) else {
            return problem(404, "Not found", "No such ledgerId", &request.raw_path);
        };
        let topic = match *topic {
            "funds" => Topic::Funds,
            "fees" => Topic::Fees,
            other => return self.invalid(&format!("topic must be funds or fees, not {other}")),
        };
        match what {
            ["dates", date] => self.date(now, index, topic, date, request),
            _ => self.feed(now, index, topic, request),
        }
    }

    /// The ledgers that keys reach: a sales unit's own, or all that granted it.
    fn reached(&self, keys: Keys) -> Vec<&Ledger> {
        let count = if keys == Keys::Accounting { self.makers.len() } else { 1 };
        self.makers.iter().take(count).map(|maker| &maker.ledger).collect()
    }

    fn ledgers(&mut self, keys: Keys, request: &Request) -> Response<Vec<u8>> {
        let mut ledgers = self.reached(keys);
        if let Some(handle) = request.param("settlesForRecipientHandles") {
            ledgers.retain(|ledger| format!("api:{}", ledger.msn) == handle);
        }
        let start = match request.param("cursor").filter(|cursor| !cursor.is_empty()) {
            None => Some(0),
            Some(cursor) => read_cursor(cursor, "ledgers").map(|place| usize::try_from(place.1).unwrap_or(0)),
        };
        let Some(start) = start else {
            return self.invalid("cursor is not one that was given out");
        };
        let items: Vec<Value> =
            ledgers.iter().skip(start).take(LEDGERS_MAX).map(|ledger| ledger_json(ledger)).collect();
        let end = start + items.len();
        let cursor = if end < ledgers.len() { write_cursor("ledgers", 0, end as u64) } else { String::new() };
        wire::json(200, &json!({ "items": items, "cursor": cursor }))
    }

    fn date(
        &mut self,
        now: DateTime<Utc>,
        index: usize,
        topic: Topic,
        date: &str,
        request: &Request,
    ) -> Response<Vec<u8>> {
        let Some(on) = date.parse::<NaiveDate>().ok().filter(|_| date.len() == 10) else {
            return self.invalid("ledgerDate must be in the form YYYY-MM-DD");
        };
        let scope = format!("{}/{}/{on}", self.makers[index].ledger.id, topic.name());
        let start = match request.param("cursor") {
            None => Some(0),
            Some(cursor) => read_cursor(cursor, &scope).map(|place| place.1),
        };
        let Some(start) = start else {
            return self.invalid("cursor is not one that was given out for this date");
        };
        let ledger = &self.makers[index].ledger;
        let mut items = Vec::new();
        let mut count = 0;
        if let Some(day) = ledger.days.iter().find(|day| day.on == on) {
            count = ledger.len(day, topic, now);
            let end = count.min(start.saturating_add(self.page as u64));
            let personal = request.param("includeGDPRSensitiveData") == Some("true");
            items.extend((start..end).filter_map(|place| {
                let entry = ledger.entry(day, topic, place)?;
                Some(ledger.entry_json(on, &entry, personal))
            }));
        }
        let end = start + items.len() as u64;
        let mut body = json!({
            "items": items,
            "hasMore": end < count,
            "tryLater": !ledger.is_closed(on, now),
        });
        if end < count {
            body["cursor"] = Value::from(write_cursor(&scope, 0, end));
        }
        self.paged(body)
    }

    fn feed(
        &mut self,
        now: DateTime<Utc>,
        index: usize,
        topic: Topic,
        request: &Request,
    ) -> Response<Vec<u8>> {
        let scope = format!("{}/{}/feed", self.makers[index].ledger.id, topic.name());
        let start = match request.param("cursor").filter(|cursor| !cursor.is_empty()) {
            None => Some((0, 0)),
            Some(cursor) => read_cursor(cursor, &scope),
        };
        let Some((mut day_index, mut place)) = start else {
            return self.invalid("cursor is not one that was given out for this feed");
        };
        let ledger = &self.makers[index].ledger;
        let personal = request.param("includeGDPRSensitiveData") == Some("true");
        let mut items = Vec::new();
        let mut caught_up = true;
        while let Some(day) = ledger.days.get(day_index) {
            let count = ledger.len(day, topic, now);
            while place < count && items.len() < self.page {
                if let Some(entry) = ledger.entry(day, topic, place) {
                    items.push(ledger.entry_json(day.on, &entry, personal));
                }
                place += 1;
            }
            if place < count {
                caught_up = false;
                break;
            }
            if day_index + 1 == ledger.days.len() || !ledger.is_closed(day.on, now) {
                break;
            }
            (day_index, place) = (day_index + 1, 0);
        }
        let cursor = write_cursor(&scope, day_index as u64, place);
        self.paged(json!({ "items": items, "cursor": cursor, "tryLater": caught_up }))
    }

    fn paged(&self, body: Value) -> Response<Vec<u8>> {
        let mut response = wire::json(200, &body);
        wire::header(&mut response, "vipps-feed-page-size", &self.page.to_string());
        response
    }
}

fn ledger_json(ledger: &Ledger) -> Value {
    let handle = format!("api:{}", ledger.msn);
    json!({
        "ledgerId": ledger.id,
        "currency": "NOK",
        "payoutBankAccount": { "scheme": "BBAN:NO", "id": "15030012345" },
        "owner": { "scheme": "business:NO:ORG", "id": "999888777" },
        "settlesForRecipientHandles": [handle],
        "salesUnits": [{ "name": "Nordlys Keramikk", "recipientHandle": handle }],
    })
}

/// A cursor that names what it belongs to, a date by its place and an entry in it.
fn write_cursor(scope: &str, day: u64, place: u64) -> String {
    base64(format!("{scope}|{day}|{place}").as_bytes())
}

fn read_cursor(cursor: &str, scope: &str) -> Option<(usize, u64)> {
    let text = String::from_utf8(from_base64(cursor)?).ok()?;
    let mut parts = text.split('|');
    let (of, day, place) = (parts.next()?, parts.next()?, parts.next()?);
    (of == scope).then_some(())?;
    Some((day.parse().ok()?, place.parse().ok()?))
}
