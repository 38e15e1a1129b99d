//! Lists: filters, cursors and pages.

use serde_json::{Value, json};

use super::{Error, Stripe, error, missing};
use crate::wire::Request;

/// Bounds of a time, Unix seconds.
#[derive(Default)]
struct Range {
    from: Option<i64>,
    to: Option<i64>,
}

impl Range {
    fn has(&self, time: i64) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time <= to)
    }
}

/// What a list request asks for.
struct Params {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
    created: Range,
    arrival: Range,
    /// Exact filters: `status`, `payout`, `type`, …
    exact: Vec<(String, String)>,
}

impl Params {
    fn exact(&self, name: &str) -> Option<&str> {
        self.exact.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Whether `expand[]` asks for a member, directly or of a list's data.
pub(super) fn expands(request: &Request, member: &str) -> bool {
    let nested = format!("data.{member}");
    request
        .query
        .iter()
        .any(|(key, value)| key.starts_with("expand[") && (value == member || *value == nested))
}

/// Refuses every parameter but `expand[]`.
pub(super) fn only_expand(request: &Request) -> Result<(), Error> {
    request
        .query
        .iter()
        .map(|(key, _)| key.as_str())
        .try_for_each(|key| if key.starts_with("expand[") { Ok(()) } else { Err(unknown(key)) })
}

fn unknown(name: &str) -> Error {
    error(400, Some("parameter_unknown"), &format!("Received unknown parameter: {name}"), Some(name))
}

fn integer(name: &str, value: &str) -> Result<i64, Error> {
    value.parse().map_err(|_| {
        error(400, Some("parameter_invalid_integer"), &format!("Invalid integer: {value}"), Some(name))
    })
}

/// Reads the parameters of a list; `times` and `exact` are the filters that this list knows.
fn params(request: &Request, times: &[&str], exact: &[&str]) -> Result<Params, Error> {
    let mut params = Params {
        limit: 10,
        starting_after: None,
        ending_before: None,
        created: Range::default(),
        arrival: Range::default(),
        exact: Vec::new(),
    };
    for (key, value) in &request.query {
        let (name, operator) = match key.split_once('[') {
            Some((name, rest)) => (name, rest.strip_suffix(']').ok_or_else(|| unknown(key))?),
            None => (key.as_str(), ""),
        };
        match name {
            "limit" if operator.is_empty() => {
                let limit = integer(key, value)?;
                let fits = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
                params.limit = fits.ok_or_else(|| {
                    let text = match limit {
                        ..1 => "This value must be greater than or equal to 1.",
                        _ => "This value must be less than or equal to 100.",
                    };
                    error(400, Some("parameter_invalid_integer"), text, Some("limit"))
                })?;
            }
            "starting_after" if operator.is_empty() => params.starting_after = Some(value.clone()),
            "ending_before" if operator.is_empty() => params.ending_before = Some(value.clone()),
            "expand" if !operator.is_empty() || key.ends_with("[]") => {}
            time if times.contains(&time) => {
                let at = integer(key, value)?;
                let range = if time == "created" { &mut params.created } else { &mut params.arrival };
                match operator {
                    "gt" => range.from = Some(at.saturating_add(1)),
                    "gte" => range.from = Some(at),
                    "lt" => range.to = Some(at.saturating_sub(1)),
                    "lte" => range.to = Some(at),
                    "" => (range.from, range.to) = (Some(at), Some(at)),
                    _ => return Err(unknown(key)),
                }
            }
            filter if exact.contains(&filter) && operator.is_empty() => {
                params.exact.push((filter.to_owned(), value.clone()));
            }
            _ => return Err(unknown(key)),
        }
    }
    if params.starting_after.is_some() && params.ending_before.is_some() {
        let text = "Please specify either starting_after or ending_before, but not both.";
        return Err(error(400, None, text, Some("ending_before")));
    }
    Ok(params)
}

/// Takes a page from the places that match, in the order in which they come.
fn page<T>(places: impl Iterator<Item = T>, limit: usize, backwards: bool) -> (Vec<T>, bool) {
    let mut found: Vec<T> = places.take(limit.saturating_add(1)).collect();
    let has_more = found.len() > limit;
    found.truncate(limit);
    if backwards {
        found.reverse();
    }
    (found, has_more)
}

fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "url": url, "has_more": has_more, "data": data })
}

impl Stripe {
    /// `GET /v1/payouts`, newest first.
    pub(super) fn payouts(&self, now: i64, request: &Request) -> Result<Value, Error> {
        let params = params(request, &["created", "arrival_date"], &["status", "destination"])?;
        if let Some(status) = params
            .exact("status")
            .filter(|status| !["pending", "paid", "failed", "canceled"].contains(status))
        {
            let text =
                format!("Invalid status: must be one of pending, paid, failed, or canceled, not {status}");
            return Err(error(400, None, &text, Some("status")));
        }
        let cursor = |id: &Option<String>, name: &str| match id {
            Some(id) => self.world.find(id).map(Some).ok_or_else(|| missing("payout", id, name, 400)),
            None => Ok(None),
        };
        let after = cursor(&params.starting_after, "starting_after")?;
        let before = cursor(&params.ending_before, "ending_before")?;
        let matches = |index: &usize| {
            let payout = &self.world.payouts[*index];
            let shown = self.world.payout_json(*index, now).unwrap_or_default();
            payout.created <= now
                && params.created.has(payout.created)
                && params.arrival.has(payout.arrival())
                && params.exact.iter().all(|(name, value)| shown[name.as_str()] == *value.as_str())
        };
        let count = self.world.payouts.len();
        let (found, has_more) = match before {
            Some(before) => page((before + 1..count).filter(matches), params.limit, true),
            None => page((0..after.unwrap_or(count)).rev().filter(matches), params.limit, false),
        };
        let data = found.into_iter().filter_map(|index| self.world.payout_json(index, now)).collect();
        Ok(list("/v1/payouts", data, has_more))
    }

    /// `GET /v1/balance_transactions`, newest first; of one payout or of the whole account.
    pub(super) fn balance_transactions(&self, now: i64, request: &Request) -> Result<Value, Error> {
        let params = params(request, &["created"], &["payout", "currency", "type", "source"])?;
        let of_payout = match params.exact("payout") {
            Some(id) => Some(self.payout_of(id, now)?),
            None => None,
        };
        let cursor = |id: &Option<String>, name: &str| match id {
            Some(id) => {
                self.world.find_row(id).map(Some).ok_or_else(|| missing("balance transaction", id, name, 400))
            }
            None => Ok(None),
        };
        let after = cursor(&params.starting_after, "starting_after")?;
        let before = cursor(&params.ending_before, "ending_before")?;
        let matches = |(index, place): &(usize, u64)| {
            let payout = &self.world.payouts[*index];
            if of_payout.is_some() && !payout.lists(*place) {
                return false;
            }
            if !params.created.has(payout.row_created(*place))
                || params.exact("currency").is_some_and(|c| c != "nok")
            {
                return false;
            }
            let (kind, source) = (params.exact("type"), params.exact("source"));
            if kind.is_none() && source.is_none() {
                return true;
            }
            payout.row(*place).is_some_and(|row| {
                kind.is_none_or(|kind| row.movement.words().0 == kind)
                    && source
                        .is_none_or(|id| self.world.source_id(*index, *place, &row).as_deref() == Some(id))
            })
        };
        let visible = |index: &usize| self.world.payouts[*index].created <= now;
        let all = match of_payout {
            Some(index) => index..index + 1,
            None => 0..self.world.payouts.len(),
        };
        let (found, has_more) = match before {
            Some((from, place)) => {
                let places = (from.max(all.start)..all.end).filter(visible).flat_map(|index| {
                    let end = if index == from { place } else { self.world.payouts[index].len() };
                    (0..end).rev().map(move |place| (index, place))
                });
                page(places.filter(matches), params.limit, true)
            }
            None => {
                let (from, start) =
                    after.map_or((all.end.saturating_sub(1), 0), |(from, place)| (from, place + 1));
                let places = (all.start..all.end.min(from + 1)).rev().filter(visible).flat_map(|index| {
                    let first = if index == from { start } else { 0 };
                    (first..self.world.payouts[index].len()).map(move |place| (index, place))
                });
                page(places.filter(matches), params.limit, false)
            }
        };
        let expand = expands(request, "source");
        let data =
            found.into_iter().filter_map(|(index, place)| self.row_json(index, place, now, expand)).collect();
        Ok(list("/v1/balance_transactions", data, has_more))
    }

    /// The payout whose rows are asked for; Stripe knows them only of automatic payouts.
    fn payout_of(&self, id: &str, now: i64) -> Result<usize, Error> {
        let found = self.world.find(id).filter(|index| self.world.payouts[*index].created <= now);
        let index = found.ok_or_else(|| missing("payout", id, "payout", 400))?;
        if self.world.payouts[index].automatic {
            return Ok(index);
        }
        let text = "Balance transaction history can only be filtered on automatic transfers, not manual.";
        Err(error(400, None, text, Some("payout")))
    }
}
