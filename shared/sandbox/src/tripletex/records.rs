//! Objects as answers show them, and what the control tells of vouchers.

use chrono::{Datelike, Months, NaiveDate};
use serde_json::{Map, Value, json};

use super::Books;
use super::chart::{self, Account, Ledger, Vat};
use super::model::{Fields, Kind, Model};
use super::voucher::{Voucher, into_map, number};

/// A period is a month; its id counts the months.
pub(super) fn period_id(first: NaiveDate) -> i64 {
    i64::from(first.year()) * 12 + i64::from(first.month0())
}

pub(super) fn period_first(id: i64) -> Option<NaiveDate> {
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
                    "id": vat.id,
                    "version": 0,
                    "name": vat.name,
                    "number": vat.number,
                    "displayName": vat.display(),
                    "percentage": vat.percent,
                    "deductionPercentage": 100,
                    "parentType": { "id": 0 },
                })
            }
            Model::VoucherType => {
                let (id, name) = chart::VOUCHER_TYPES.iter().find(|known| known.0 == id)?;
                named(*id, name)
            }
            Model::Currency => {
                let (id, code, factor, country) = chart::CURRENCIES.iter().find(|known| known.0 == id)?;
                json!({
                    "id": id,
                    "version": 0,
                    "code": code,
                    "factor": factor,
                    "description": country,
                    "displayName": code,
                    "isDisabled": false,
                })
            }
            Model::Department => {
                let (id, number, name) = chart::DEPARTMENTS.iter().find(|known| known.0 == id)?;
                json!({
                    "id": id,
                    "version": 1,
                    "name": name,
                    "departmentNumber": number,
                    "departmentManager": null,
                    "displayName": format!("{number} {name}"),
                    "isInactive": false,
                    "businessActivityTypeId": null,
                })
            }
            Model::Project => {
                let (id, number, name) = chart::PROJECTS.iter().find(|known| known.0 == id)?;
                json!({
                    "id": id,
                    "version": 1,
                    "name": name,
                    "number": number,
                    "displayName": format!("{number} {name}"),
                    "description": "",
                    "isClosed": false,
                    "isInternal": false,
                    "isOffer": false,
                    "startDate": "2020-01-01",
                    "endDate": null,
                    "department": null,
                    "customer": null,
                    "vatType": null,
                    "currency": { "id": 1 },
                })
            }
            Model::AccountingPeriod => {
                let first = period_first(id)?;
                json!({
                    "id": id,
                    "version": 0,
                    "name": first.format("%Y-%m").to_string(),
                    "number": first.month(),
                    "start": first.to_string(),
                    "end": (first + Months::new(1)).to_string(),
                    "isClosed": self.is_closed(first),
                    "checkLedgerLogEmployeeName": "",
                    "checkLedgerLogEmployeePictureId": 0,
                    "checkLedgerLogTime": null,
                    "checkWageLogEmployeeName": "",
                    "checkWageLogEmployeePictureId": 0,
                    "checkWageLogTime": null,
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
                    "id": attachment.id,
                    "version": attachment.uploads,
                    "fileName": attachment.name,
                    "size": attachment.size,
                    "mimeType": "application/pdf",
                })
            }
            Model::Company => named(chart::COMPANY_ID, "Sandkasse AS"),
            Model::Customer => named(id, "Kunde AS"),
            Model::Supplier => named(id, "Leverandør AS"),
            Model::Employee => named(id, "Integrasjon"),
            Model::LoggedInUser => json!({
                "employeeId": chart::EMPLOYEE_ID,
                "actualEmployeeId": chart::EMPLOYEE_ID,
                "employee": { "id": chart::EMPLOYEE_ID },
                "companyId": chart::COMPANY_ID,
                "company": { "id": chart::COMPANY_ID },
                "language": "no",
                "loggedInWithConnect": false,
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
            "id": account.id,
            "version": 1,
            "number": account.number,
            "numberPretty": account.number.to_string(),
            "name": account.name,
            "description": "",
            "type": account.kind(),
            "legalVatTypes": legal,
            "ledgerType": match account.ledger {
                Ledger::General => "GENERAL",
                Ledger::Customer => "CUSTOMER",
                Ledger::Vendor => "VENDOR",
                Ledger::Employee => "EMPLOYEE",
            },
            "balanceGroup": "",
            "vatType": { "id": account.vat },
            "vatLocked": account.vat_locked,
            "currency": { "id": 1 },
            "isCloseable": account.ledger != Ledger::General,
            "isApplicableForSupplierInvoice": account.number >= 4000,
            "requireReconciliation": account.number == 1920,
            "isInactive": account.is_inactive,
            "isBankAccount": matches!(account.number, 1920 | 1925),
            "isInvoiceAccount": account.number == 1920,
            "bankAccountNumber": "",
            "bankName": "",
            "bankAccountIBAN": "",
            "bankAccountSWIFT": "",
            "saftCode": "",
            "groupingCode": "",
            "displayName": format!("{} {}", account.number, account.name),
            "requiresDepartment": account.needs_department,
            "requiresProject": account.needs_project,
            "invoicingDepartment": null,
            "isPostingsExist": used,
            "department": null,
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
