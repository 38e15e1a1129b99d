//! Defects that can be switched on, to see whether the checker notices: each makes bilag behave as if a promise were
//! broken in the code, by changing what the code asks, sends or is answered. The code itself stays as it is.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use edge::http::Broken;
use http::{Request, Response};
use serde_json::{Value, json};

use super::lines::saves;

/// A promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A sending is sent from `unknown` as if nothing were in doubt: look-ups find nothing.
    NoLookup,
    /// The first look-up after a session was renewed is left out.
    NoLookupAfterRenewal,
    /// A sending whose answer was lost is sent again by the HTTP layer.
    SendsAgainWhenLost,
    /// Every voucher is sent twice.
    PartPostedTwice,
    /// Leases are taken, and writes do not need the fence.
    LeaseWithoutFencing,
    /// Items that are done with are deleted after an hour.
    RecordExpires,
    /// That a voucher is sent is written after it was sent.
    IntentAfterSend,
    /// The time until when a sending may be under way is taken for one of long ago, as seconds read as milliseconds
    /// are.
    SecondsForMilliseconds,
    /// Items are worked on as they were some time ago, whatever the condition.
    StaleItemTrusted,
    /// Fees are rounded to whole kroner, and the rest goes into the gross.
    FeeRounded,
    /// A row is left out, and the one before it has its money.
    RowDropped,
    /// A row that nobody knows is taken for a sale.
    HoldIgnored,
    /// A payout that came back is taken for an adjustment.
    ReturnMistaken,
}

/// All of them, with the number of seeds within which each is found.
pub const DEFECTS: [(Defect, u64); 13] = [
    (Defect::NoLookup, 20),
    (Defect::NoLookupAfterRenewal, 60),
    (Defect::SendsAgainWhenLost, 150),
    (Defect::PartPostedTwice, 1),
    (Defect::LeaseWithoutFencing, 150),
    (Defect::RecordExpires, 5),
    (Defect::IntentAfterSend, 20),
    (Defect::SecondsForMilliseconds, 100),
    (Defect::StaleItemTrusted, 20),
    (Defect::FeeRounded, 1),
    (Defect::RowDropped, 1),
    (Defect::HoldIgnored, 20),
    (Defect::ReturnMistaken, 20),
];

/// A defect that is switched on, with what it remembers.
#[derive(Debug)]
pub struct Switched {
    /// Which.
    pub defect: Defect,
    renewed: AtomicBool,
    sent: Mutex<HashSet<u64>>,
    items: Mutex<HashMap<String, String>>,
}

impl Switched {
    /// Switched on for one simulation.
    pub fn on(defect: Defect) -> Switched {
        Switched { defect, renewed: AtomicBool::default(), sent: Mutex::default(), items: Mutex::default() }
    }

    /// Changes a request to the store, or answers it.
    pub fn store_request(&self, operation: &str, request: &mut HttpRequest) -> Option<HttpResponse> {
        if !matches!(operation, "PutItem" | "TransactWriteItems") {
            return None;
        }
        let mut body: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
        let put = match operation {
            "PutItem" => &mut body,
            _ => body.pointer_mut("/TransactItems/0/Put")?,
        };
        let key = put.pointer("/Item/sk/S")?.as_str()?.to_owned();
        let condition = put.get("ConditionExpression")?.as_str()?.to_owned();
        let mut content: Value = serde_json::from_str(put.pointer("/Item/body/S")?.as_str()?).ok()?;
        let mut unconditional = false;
        match self.defect {
            Defect::LeaseWithoutFencing => unconditional = condition.contains(":fence"),
            Defect::StaleItemTrusted => unconditional = condition.contains(":version"),
            Defect::IntentAfterSend if key.starts_with("v#") => {
                unconditional = condition.contains(":version");
                if content["state"].get("posting").is_some() {
                    let answer = Response::builder().status(200).body(SdkBody::from("{}")).unwrap();
                    return HttpResponse::try_from(answer).ok();
                }
            }
            Defect::SecondsForMilliseconds if key.starts_with("v#") => {
                for name in ["sent_at", "sent_until"] {
                    if content.get(name).is_some_and(Value::is_string) {
                        content[name] = "1970-01-21T11:00:00Z".into();
                    }
                }
            }
            _ => return None,
        }
        put["Item"]["body"]["S"] = content.to_string().into();
        if unconditional {
            let fields = put.as_object_mut()?;
            fields.remove("ConditionExpression");
            fields.remove("ExpressionAttributeValues");
        }
        *request.body_mut() = SdkBody::from(body.to_string());
        None
    }

    /// Changes an answer of the store.
    pub fn store_answer(&self, called: &str, answer: &mut HttpResponse) {
        if self.defect != Defect::StaleItemTrusted || !called.starts_with("GetItem ") {
            return;
        }
        let Some(now) = answer.body().bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()) else {
            return;
        };
        if called.starts_with("GetItem s#") || called.starts_with("GetItem v#") {
            let before = self.items.lock().unwrap().insert(called.to_owned(), now);
            if let Some(before) = before {
                *answer.body_mut() = SdkBody::from(before);
            }
        }
    }

    /// Whether a request to a system is made once more.
    pub fn sends_again(
        &self,
        request: &Request<Vec<u8>>,
        answer: &Result<Response<Vec<u8>>, Broken>,
    ) -> bool {
        if !saves(request) {
            return false;
        }
        match self.defect {
            Defect::SendsAgainWhenLost => matches!(answer, Err(Broken::Lost(_))),
            Defect::PartPostedTwice => {
                let mut hash = DefaultHasher::new();
                request.body().hash(&mut hash);
                answer.as_ref().is_ok_and(|answer| answer.status().is_success())
                    && self.sent.lock().unwrap().insert(hash.finish())
            }
            _ => false,
        }
    }

    /// Changes an answer of a system.
    pub fn system_answer(&self, request: &Request<Vec<u8>>, answer: &mut Result<Response<Vec<u8>>, Broken>) {
        let path = request.uri().path();
        if self.defect == Defect::NoLookupAfterRenewal && path.ends_with("/token/session/:create") {
            self.renewed.store(true, Ordering::Relaxed);
        }
        let Ok(answer) = answer else { return };
        if !answer.status().is_success() {
            return;
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(answer.body()) else { return };
        let is_search = request.method() == "GET"
            && ["externalVoucherNumber", "nonPosted"].iter().any(|search| path.contains(search));
        match self.defect {
            Defect::NoLookup if is_search => nothing(&mut body),
            Defect::NoLookupAfterRenewal if is_search && self.renewed.swap(false, Ordering::Relaxed) => {
                nothing(&mut body);
            }
            Defect::FeeRounded if is_rows(request) => rows(&mut body, |rows| rows.iter_mut().for_each(round)),
            Defect::RowDropped if is_rows(request) => rows(&mut body, drop_one),
            Defect::HoldIgnored if is_rows(request) => rows(&mut body, |rows| {
                for row in rows.iter_mut().filter(|row| row["type"] == "loyalty_settlement") {
                    row["type"] = "charge".into();
                    row["reporting_category"] = "charge".into();
                }
            }),
            Defect::ReturnMistaken if is_rows(request) => rows(&mut body, |rows| {
                for row in rows.iter_mut().filter(|row| row["type"] == "payout_failure") {
                    row["type"] = "adjustment".into();
                    row["reporting_category"] = "other_adjustment".into();
                }
            }),
            _ => return,
        }
        *answer.body_mut() = body.to_string().into_bytes();
        answer.headers_mut().remove("content-length");
    }
}

/// A search that finds nothing.
fn nothing(body: &mut Value) {
    if body.get("values").is_some() {
        body["values"] = json!([]);
        body["fullResultSize"] = 0.into();
        body["count"] = 0.into();
    }
}

fn is_rows(request: &Request<Vec<u8>>) -> bool {
    request.uri().path().ends_with("/v1/balance_transactions")
}

fn rows(body: &mut Value, change: impl FnOnce(&mut Vec<Value>)) {
    if let Some(rows) = body.get_mut("data").and_then(Value::as_array_mut) {
        change(rows);
    }
}

/// The fee in whole kroner, with the net as it was.
fn round(row: &mut Value) {
    let fee = row["fee"].as_i64().unwrap_or_default();
    let rest = fee % 100;
    let whole_detail = row["fee_details"].as_array().is_some_and(|details| details.len() == 1);
    if row["type"] != "charge" || rest == 0 || !whole_detail {
        return;
    }
    row["fee"] = (fee - rest).into();
    row["amount"] = (row["amount"].as_i64().unwrap_or_default() - rest).into();
    row["fee_details"][0]["amount"] = (fee - rest).into();
}

/// Two charges become one with the money of both.
fn drop_one(rows: &mut Vec<Value>) {
    let plain =
        |row: &Value| row["type"] == "charge" && row["fee_details"].as_array().is_some_and(|d| d.len() == 1);
    let Some(at) = (1..rows.len()).find(|at| plain(&rows[*at]) && plain(&rows[*at - 1])) else { return };
    // The last row of a page is where the next one goes on.
    if at + 1 == rows.len() {
        return;
    }
    let gone = rows.remove(at);
    let kept = &mut rows[at - 1];
    for name in ["amount", "fee", "net"] {
        kept[name] =
            (kept[name].as_i64().unwrap_or_default() + gone[name].as_i64().unwrap_or_default()).into();
    }
    kept["fee_details"][0]["amount"] = kept["fee"].clone();
}
