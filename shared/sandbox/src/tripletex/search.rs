//! Lists and single objects: filters, paging, chosen members.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::Books;
use super::chart::{self, Account, Ledger, Vat};
use super::error::{Refusal, refuse, refuse_fields, refuse_whole};
use super::model::{Fields, Kind, Model};
use super::voucher::{Voucher, into_map, number};
use crate::encoding::{hex, sha256};
use crate::wire::Request;

/// The most hits of a search.
const HITS_MAX: usize = 10_000;

/// A period is a month; its id counts the months.
fn period_id(first: NaiveDate) -> i64 {
    i64::from(first.year()) * 12 + i64::from(first.month0())
}

fn period_first(id: i64) -> Option<NaiveDate> {
    let (year, month) = (i32::try_from(id / 12).ok()?, u32::try_from(id % 12).ok()?);
    NaiveDate::from_ymd_opt(year, month + 1, 1)
}

impl Books {
    /// The members of an object, references by id.
    fn record(&self, model: Model, id: i64) -> Option<Map<String, Value>> {
        let named =
            |id: i64, name: &str| json!({ "id": id, "version": 1, "name": name, "displayName": name });
        let value = match model {
            Model::Account => self.account_record(self.accounts.iter().find(|account| account.id == id)?),
            Model::VatType => {
                let vat = Vat::find(id)?;
                json!({
                    "id": vat.id, "version": 0, "name": vat.name, "number": vat.number, "displayName": vat.display(),
                    "percentage": vat.percent, "deductionPercentage": 100, "parentType": { "id": 0 },
                })
            }
            Model::VoucherType => {
                let (id, name) = chart::VOUCHER_TYPES.iter().find(|known| known.0 == id)?;
                named(*id, name)
            }
            Model::Currency => {
                let (id, code, factor, country) = chart::CURRENCIES.iter().find(|known| known.0 == id)?;
                json!({
                    "id": id, "version": 0, "code": code, "factor": factor, "description": country,
                    "displayName": code, "isDisabled": false,
                })
            }
            Model::Department => {
                let (id, number, name) = chart::DEPARTMENTS.iter().find(|known| known.0 == id)?;
                json!({
                    "id": id, "version": 1, "name": name, "departmentNumber": number, "departmentManager": null,
                    "displayName": format!("{number} {name}"), "isInactive": false, "businessActivityTypeId": null,
                })
            }
            Model::Project => {
                let (id, number, name) = chart::PROJECTS.iter().find(|known| known.0 == id)?;
                json!({
                    "id": id, "version": 1, "name": name, "number": number, "displayName": format!("{number} {name}"),
                    "description": "", "isClosed": false, "isInternal": false, "isOffer": false,
                    "startDate": "2020-01-01", "endDate": null, "department": null, "customer": null,
                    "vatType": null, "currency": { "id": 1 },
                })
            }
            Model::AccountingPeriod => {
                let first = period_first(id)?;
                json!({
                    "id": id, "version": 0, "name": first.format("%Y-%m").to_string(), "number": first.month(),
                    "start": first.to_string(), "end": (first + Months::new(1)).to_string(),
                    "isClosed": self.is_closed(first), "checkLedgerLogEmployeeName": "",
                    "checkLedgerLogEmployeePictureId": 0, "checkLedgerLogTime": null,
                    "checkWageLogEmployeeName": "", "checkWageLogEmployeePictureId": 0, "checkWageLogTime": null,
                })
            }
            Model::Voucher => return self.voucher(id).map(Voucher::record),
            Model::Posting => {
                // The newest is read most.
                return self.vouchers.iter().rev().find_map(|voucher| {
                    let posting = voucher.postings.iter().find(|posting| posting.id == id)?;
                    Some(voucher.posting_record(posting))
                });
            }
            Model::Document => {
                let found = self.vouchers.iter().filter_map(|voucher| voucher.attachment.as_ref());
                let attachment = found.into_iter().find(|attachment| attachment.id == id)?;
                json!({
                    "id": attachment.id, "version": attachment.uploads, "fileName": attachment.name,
                    "size": attachment.size, "mimeType": "application/pdf",
                })
            }
            Model::Company => named(chart::COMPANY_ID, "Sandkasse AS"),
            Model::Customer => named(id, "Kunde AS"),
            Model::Supplier => named(id, "Leverandør AS"),
            Model::Employee => named(id, "Integrasjon"),
            Model::LoggedInUser => json!({
                "employeeId": chart::EMPLOYEE_ID, "actualEmployeeId": chart::EMPLOYEE_ID,
                "employee": { "id": chart::EMPLOYEE_ID }, "companyId": chart::COMPANY_ID,
                "company": { "id": chart::COMPANY_ID }, "language": "no", "loggedInWithConnect": false,
                "employeeIsProxy": false,
            }),
        };
        Some(into_map(value))
    }

    fn account_record(&self, account: &Account) -> Value {
        let legal: Vec<Value> = account.legal_vat().into_iter().map(|id| json!({ "id": id })).collect();
        let used = self
            .vouchers
            .iter()
            .any(|voucher| voucher.postings.iter().any(|posting| posting.account == account.id));
        json!({
            "id": account.id, "version": 1, "number": account.number, "numberPretty": account.number.to_string(),
            "name": account.name, "description": "", "type": account.kind(), "legalVatTypes": legal,
            "ledgerType": match account.ledger {
                Ledger::General => "GENERAL",
                Ledger::Customer => "CUSTOMER",
                Ledger::Vendor => "VENDOR",
                Ledger::Employee => "EMPLOYEE",
            },
            "balanceGroup": "", "vatType": { "id": account.vat }, "vatLocked": account.vat_locked,
            "currency": { "id": 1 }, "isCloseable": account.ledger != Ledger::General,
            "isApplicableForSupplierInvoice": account.number >= 4000, "requireReconciliation": account.number == 1920,
            "isInactive": account.is_inactive, "isBankAccount": matches!(account.number, 1920 | 1925),
            "isInvoiceAccount": account.number == 1920, "bankAccountNumber": "", "bankName": "",
            "bankAccountIBAN": "", "bankAccountSWIFT": "", "saftCode": "", "groupingCode": "",
            "displayName": format!("{} {}", account.number, account.name),
            "requiresDepartment": account.needs_department, "requiresProject": account.needs_project,
            "invoicingDepartment": null, "isPostingsExist": used, "department": null,
        })
    }

    /// An object with the members that `fields` choose.
    pub(super) fn render(&self, model: Model, id: i64, fields: &Fields) -> Option<Value> {
        let record = self.record(model, id)?;
        let mut shown = Map::new();
        for name in ["id", "version"] {
            if let Some(value) = record.get(name).filter(|_| fields.shows(name).is_some()) {
                shown.insert(name.to_owned(), value.clone());
            }
        }
        if fields.shows("url").is_some() && model != Model::LoggedInUser {
            shown.insert("url".to_owned(), url(model, id));
        }
        for (name, kind) in model.members() {
            let (Some(within), Some(value)) = (fields.shows(name), record.get(*name)) else {
                continue;
            };
            let value = match kind {
                Kind::One(of) => self.reference(*of, value, within),
                Kind::Many(of) => {
                    let values = value.as_array().into_iter().flatten();
                    values.map(|value| self.reference(*of, value, within)).collect()
                }
                _ => value.clone(),
            };
            shown.insert((*name).to_owned(), value);
        }
        Some(Value::Object(shown))
    }

    fn reference(&self, model: Model, value: &Value, within: Option<&Fields>) -> Value {
        let Some(id) = value.get("id").and_then(Value::as_i64) else {
            return Value::Null;
        };
        let whole = within.and_then(|fields| self.render(model, id, fields));
        whole.unwrap_or_else(|| json!({ "id": id, "url": url(model, id) }))
    }

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

    /// What every voucher holds, by account number and VAT number, for the control.
    pub(super) fn vouchers_json(&self) -> Vec<Value> {
        let shown = |voucher: &Voucher| {
            let postings: Vec<Value> = voucher
                .postings
                .iter()
                .map(|posting| {
                    let account = self.accounts.iter().find(|account| account.id == posting.account);
                    json!({
                        "row": posting.row,
                        "date": posting.date.to_string(),
                        "account": account.map(|account| account.number.to_string()),
                        "vat": Vat::find(posting.vat).map(|vat| vat.number),
                        "amount": number(posting.amount).to_string(),
                        "gross": number(posting.gross).to_string(),
                        "currency": chart::CURRENCIES.iter().find(|known| known.0 == posting.currency).map(|known| known.1),
                        "department": posting.department,
                        "project": posting.project,
                        "text": posting.description,
                    })
                })
                .collect();
            json!({
                "id": voucher.id,
                "number": voucher.number,
                "reference": voucher.external,
                "externalVoucherNumber": voucher.external,
                "date": voucher.date.to_string(),
                "description": voucher.description,
                "posted": voucher.number > 0,
                "reverses": voucher.reverse,
                "attachments": voucher.attachment.as_ref().map_or(0, |attachment| attachment.uploads),
                "postings": postings,
            })
        };
        self.vouchers.iter().map(shown).collect()
    }
}

fn url(model: Model, id: i64) -> Value {
    Value::from(format!("tripletex.sandbox/v2/{}/{id}", model.path()))
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
