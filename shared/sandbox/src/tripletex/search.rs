//! Lists and single objects: filters, paging, chosen members.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde_json::{Value, json};

use super::Books;
use super::chart::{self, Account};
use super::error::{Refusal, refuse, refuse_fields, refuse_whole};
use super::model::{Fields, Model};
use super::records::{period_first, period_id};
use crate::encoding::{hex, sha256};
use crate::wire::Request;

/// The most hits of a search.
const HITS_MAX: usize = 10_000;

impl Books {
    /// A page of the list that ends a path, for example `ledger/account`.
    pub(super) fn list(&self, now: DateTime<Utc>, path: &str, request: &Request) -> Result<Value, Refusal> {
        let (model, ids) = self.matches(now, path, request)?;
        let fields = fields(request, model)?.unwrap_or_else(Fields::all);
        let index = |name: &str, default: usize| match request.param(name) {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| refuse_fields(21_000, &[(name, "Verdien er ikke et gyldig tall.")]))
            }
        };
        let (from, count) = (index("from", 0)?, index("count", 1000)?);
        if ids.len() > HITS_MAX {
            return Err(refuse(422, 23_000, "Result set too large: narrow the search"));
        }
        let values: Vec<Value> =
            ids.iter().skip(from).take(count).filter_map(|id| self.render(model, *id, &fields)).collect();
        let digest = hex(&sha256(Value::from(values.clone()).to_string().as_bytes()));
        Ok(json!({
            "fullResultSize": ids.len(),
            "from": from,
            "count": values.len(),
            "versionDigest": digest.get(..16),
            "values": values,
        }))
    }

    fn matches(
        &self,
        now: DateTime<Utc>,
        path: &str,
        request: &Request,
    ) -> Result<(Model, Vec<i64>), Refusal> {
        // A comma separates several values; a filter that is not given lets everything through.
        let among = |name: &str, value: &str| {
            request
                .param(name)
                .is_none_or(|list| list.is_empty() || list.split(',').any(|one| one.trim() == value))
        };
        let containing = |name: &str, value: &str| {
            request.param(name).is_none_or(|part| value.to_lowercase().contains(&part.to_lowercase()))
        };
        let flag = |name: &str, value: bool| {
            request
                .param(name)
                .is_none_or(|text| text.eq_ignore_ascii_case(if value { "true" } else { "false" }))
        };
        let by_id = |id: i64| among("id", &id.to_string());
        Ok(match path {
            "ledger/account" => {
                let mut accounts: Vec<&Account> = self.accounts.iter().collect();
                accounts.sort_by_key(|account| account.number);
                let found = accounts.into_iter().filter(|account| {
                    by_id(account.id)
                        && among("number", &account.number.to_string())
                        && flag("isInactive", account.is_inactive)
                });
                (Model::Account, found.map(|account| account.id).collect())
            }
            "ledger/vatType" => {
                let kind = request.param("typeOfVat");
                if let Some(kind) = kind.filter(|kind| {
                    !["OUTGOING", "INCOMING", "INCOMING_INVOICE", "PROJECT", "LEDGER"].contains(kind)
                }) {
                    let text = format!("Ugyldig verdi: {kind}");
                    return Err(refuse_fields(21_000, &[("typeOfVat", &text)]));
                }
                let found = chart::VATS.iter().filter(|vat| {
                    let fits = match kind {
                        Some("OUTGOING") => [0, 3, 5, 6, 7, 31, 32, 52].contains(&vat.id),
                        Some("INCOMING" | "INCOMING_INVOICE") => [0, 1, 11, 12, 34, 35].contains(&vat.id),
                        _ => true,
                    };
                    fits && by_id(vat.id) && among("number", vat.number)
                });
                (Model::VatType, found.map(|vat| vat.id).collect())
            }
            "ledger/voucherType" => {
                let found = chart::VOUCHER_TYPES.iter().filter(|(_, name)| containing("name", name));
                (Model::VoucherType, found.map(|(id, _)| *id).collect())
            }
            "currency" => {
                let found =
                    chart::CURRENCIES.iter().filter(|(id, code, ..)| by_id(*id) && among("code", code));
                (Model::Currency, found.map(|(id, ..)| *id).collect())
            }
            "department" => {
                let found = chart::DEPARTMENTS.iter().filter(|(id, number, name)| {
                    by_id(*id)
                        && containing("departmentNumber", number)
                        && containing("name", name)
                        && flag("isInactive", false)
                });
                (Model::Department, found.map(|(id, ..)| *id).collect())
            }
            "project" => {
                let found = chart::PROJECTS.iter().filter(|(id, number, name)| {
                    by_id(*id)
                        && among("number", number)
                        && containing("name", name)
                        && flag("isClosed", false)
                });
                (Model::Project, found.map(|(id, ..)| *id).collect())
            }
            "ledger/accountingPeriod" => (Model::AccountingPeriod, self.periods(now, request)?),
            "ledger/voucher" => {
                let (from, to) = dates(request)?;
                let from = from.ok_or_else(missing_dates)?;
                let to = to.ok_or_else(missing_dates)?;
                let found = self.vouchers.iter().filter(|voucher| {
                    voucher.visible_at <= now
                        && voucher.number > 0
                        && (from..to).contains(&voucher.date)
                        && by_id(voucher.id)
                        && among("number", &voucher.number.to_string())
                        && (request.param("typeId").is_none()
                            || voucher.voucher_type.is_some_and(|id| among("typeId", &id.to_string())))
                });
                (Model::Voucher, found.map(|voucher| voucher.id).collect())
            }
            "ledger/voucher/>nonPosted" => {
                let (from, to) = dates(request)?;
                if request.param("includeNonApproved").is_none() {
                    return Err(refuse_fields(15_000, &[("includeNonApproved", "Kan ikke være null.")]));
                }
                let found = self.vouchers.iter().filter(|voucher| {
                    voucher.visible_at <= now
                        && voucher.number == 0
                        && from.is_none_or(|from| voucher.date >= from)
                        && to.is_none_or(|to| voucher.date < to)
                });
                (Model::Voucher, found.map(|voucher| voucher.id).collect())
            }
            "ledger/voucher/>externalVoucherNumber" => {
                // Whether the search is exact is not known, so it finds every number that contains the text.
                let found = self.vouchers.iter().filter(|voucher| {
                    voucher.visible_at <= now
                        && containing("externalVoucherNumber", voucher.external.as_deref().unwrap_or(""))
                });
                (Model::Voucher, found.map(|voucher| voucher.id).collect())
            }
            _ => return Err(refuse(404, 6000, "Object not found")),
        })
    }

    /// The months of last year, this one and the next.
    fn periods(&self, now: DateTime<Utc>, request: &Request) -> Result<Vec<i64>, Refusal> {
        let day = |name: &str| parse_day(request, name);
        let (start_from, start_to) = (day("startFrom")?, day("startTo")?);
        let (end_from, end_to) = (day("endFrom")?, day("endTo")?);
        let year = i64::from(now.year());
        let ids = ((year - 1) * 12..(year + 2) * 12).filter(|id| {
            let Some(first) = period_first(*id) else {
                return false;
            };
            let end = first + Months::new(1);
            start_from.is_none_or(|from| first >= from)
                && start_to.is_none_or(|to| first < to)
                && end_from.is_none_or(|from| end >= from)
                && end_to.is_none_or(|to| end < to)
        });
        Ok(ids.collect())
    }

    /// Whether the month of a day is closed.
    pub(super) fn is_closed(&self, day: NaiveDate) -> bool {
        self.closed.contains(&period_id(day - Days::new(u64::from(day.day0()))))
    }

    /// Closes the month of a day.
    pub(super) fn close(&mut self, day: NaiveDate) {
        self.closed.insert(period_id(day - Days::new(u64::from(day.day0()))));
    }
}

/// The `fields` parameter.
pub(super) fn fields(request: &Request, model: Model) -> Result<Option<Fields>, Refusal> {
    let Some(text) = request.param("fields").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    Fields::parse(text, model).map(Some).map_err(|message| refuse(400, 11_000, &message))
}

/// A day given as a parameter.
pub(super) fn parse_day(request: &Request, name: &str) -> Result<Option<NaiveDate>, Refusal> {
    let Some(text) = request.param(name) else {
        return Ok(None);
    };
    let day = text.parse().ok().filter(|_| text.len() == 10);
    day.map(Some)
        .ok_or_else(|| refuse_fields(21_000, &[(name, "Verdien er ikke en gyldig dato (yyyy-MM-dd).")]))
}

fn missing_dates() -> Refusal {
    refuse_fields(15_000, &[("dateFrom", "Kan ikke være null."), ("dateTo", "Kan ikke være null.")])
}

/// `dateFrom`, included, and `dateTo`, excluded.
fn dates(request: &Request) -> Result<(Option<NaiveDate>, Option<NaiveDate>), Refusal> {
    let (from, to) = (parse_day(request, "dateFrom")?, parse_day(request, "dateTo")?);
    match (from, to) {
        (Some(first), Some(end)) if first >= end => Err(refuse_whole(&format!(
            "'From and including' value ({first}) is greater than or equal 'To and excluding' value ({end}) in filter."
        ))),
        both => Ok(both),
    }
}
