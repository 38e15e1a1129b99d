//! The systems, their documents, and how far each document is not the last word.

use serde_json::{Value, json};

use crate::openapi::NULL_IN_ANSWERS;

/// A system whose requests and answers are judged.
pub struct System {
    /// Its name in configurations, and the folder of its documents.
    pub name: &'static str,
    /// The documents.
    pub files: &'static [&'static str],
    /// What stands before the documents' paths in the sandbox.
    pub prefix: &'static str,
    /// What is tolerated.
    pub differences: &'static [Difference],
}

/// A place where something newer or better than the document wins. It is worked into the document before judging, and
/// must be needed: without it, some exchange is in violation.
pub struct Difference {
    /// What is different.
    pub what: &'static str,
    /// Why that is right.
    pub because: &'static str,
    /// The document's place among the system's.
    pub file: usize,
    /// Works it in.
    pub apply: fn(&mut Value),
}

/// All of them.
pub const SYSTEMS: &[System] = &[STRIPE, VIPPS_MOBILEPAY, TRIPLETEX];

const STRIPE: System = System {
    name: "stripe",
    files: &["openapi-trimmed-2026-07-29.dahlia.json"],
    prefix: "/stripe",
    differences: &[Difference {
        what: "a row may have the type \"loyalty_settlement\"",
        because: "the simulator makes one that nobody knows, on purpose",
        file: 0,
        apply: |document| {
            push(document, "/components/schemas/BalanceTransaction.Type/enum", &["loyalty_settlement"])
        },
    }],
};

const VIPPS_MOBILEPAY: System = System {
    name: "vipps-mobilepay",
    files: &["access-token-api-2023-11.openapi.yaml", "report-api-2023-12.openapi.yaml"],
    prefix: "/vipps",
    differences: &[
        Difference {
            what: "refusals of tokens have a body",
            because: "the document names the statuses and no bodies; OAuth has them (\"invalid_client\")",
            file: 0,
            apply: |document| {
                for path in ["/accesstoken/get", "/miami/v1/token"] {
                    for status in ["400", "401", "500"] {
                        document["paths"][path]["post"]["responses"][status]["content"] =
                            content("application/json", json!({ "type": "object" }));
                    }
                }
            },
        },
        Difference {
            what: "the specialised token is asked for with Basic and a form",
            because: "the provider's guide of 2026; the document of 2023 has the headers of the other flow",
            file: 0,
            apply: |document| {
                let post = &mut document["paths"]["/miami/v1/token"]["post"];
                if let Some(parameters) = post["parameters"].as_array_mut() {
                    parameters.retain(|parameter| {
                        !matches!(parameter["name"].as_str(), Some("client_id" | "client_secret"))
                    });
                    parameters.push(json!({
                        "name": "Authorization", "in": "header", "required": true,
                        "schema": { "type": "string", "pattern": "^Basic [A-Za-z0-9+/]+=*$" },
                    }));
                }
                let form = json!({
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": { "type": "string", "enum": ["client_credentials"] },
                        "scope": { "type": "string" },
                    },
                });
                post["requestBody"] = json!({
                    "required": true, "content": content("application/x-www-form-urlencoded", form),
                });
            },
        },
        Difference {
            what: "the specialised token's expires_in is a number",
            because: "the provider's example of 2026; the document's own example is a number too",
            file: 0,
            apply: |document| {
                document["components"]["schemas"]["TokenResponse"]["properties"]["expires_in"]["type"] =
                    "integer".into();
            },
        },
        Difference {
            what: "tokens: too many calls are answered with 429 by the gateway, in a shape of its own",
            because: "the provider names the status and no body; nothing in the body is used",
            file: 0,
            apply: |document| too_many(document),
        },
        Difference {
            what: "reports: too many calls are answered with 429 by the gateway, in a shape of its own",
            because: "the provider names the status and no body; nothing in the body is used",
            file: 1,
            apply: |document| too_many(document),
        },
        Difference {
            what: "entry types payout-scheduled, credit-note and service-fee",
            because: "the provider's guide of 2026; the first is the document's scheduled-for-payout",
            file: 1,
            apply: |document| {
                let new = ["payout-scheduled", "credit-note", "service-fee"];
                push(document, "/components/schemas/Transaction/properties/entryType/enum", &new);
            },
        },
        Difference {
            what: "an entry may have the type \"loyalty-bonus\"",
            because: "the simulator makes one that nobody knows, on purpose",
            file: 1,
            apply: |document| {
                let place = "/components/schemas/Transaction/properties/entryType/enum";
                push(document, place, &["loyalty-bonus"]);
            },
        },
        Difference {
            what: "recipientHandle may be null",
            because: "the provider's questions and answers: rows of payouts and of fees have none",
            file: 1,
            apply: |document| {
                document["components"]["schemas"]["Transaction"]["properties"]["recipientHandle"]["nullable"] =
                    true.into();
            },
        },
        Difference {
            what: "ledgers have a currency and salesUnits",
            because: "the document's own example has the first, the provider's guide of 2026 both",
            file: 1,
            apply: |document| {
                let unit = json!({
                    "type": "object",
                    "properties": { "name": { "type": "string" }, "recipientHandle": { "type": "string" } },
                });
                let properties = &mut document["components"]["schemas"]["Ledger"]["properties"];
                properties["currency"] = json!({ "type": "string" });
                properties["salesUnits"] = json!({ "type": "array", "items": unit });
            },
        },
        Difference {
            what: "404 of a date is a problem, and means an unknown ledger",
            because: "the provider's guide of 2026; in 2023 it was a date that is not there yet",
            file: 1,
            apply: |document| {
                let path = "/report/v2/ledgers/{ledgerId}/{topic}/dates/{ledgerDate}";
                if let Some(answers) = document["paths"][path]["get"]["responses"].as_object_mut() {
                    answers.remove("404");
                }
            },
        },
        Difference {
            what: "401 of the ledgers is that of the dates",
            because: "the document declares it for the other operations of the same API",
            file: 1,
            apply: |document| {
                document["paths"]["/settlement/v1/ledgers"]["get"]["responses"]["401"] =
                    json!({ "$ref": "#/components/responses/401" });
            },
        },
    ],
};

const TRIPLETEX: System = System {
    name: "tripletex",
    files: &["openapi-2.74-trimmed.json"],
    prefix: "/tripletex/v2",
    differences: &[
        Difference {
            what: "members of answers may be null",
            because: "real answers have nulls everywhere; the document declares none",
            file: 0,
            apply: |document| {
                let schemas = document["components"]["schemas"].as_object_mut();
                for (_, schema) in schemas.into_iter().flatten() {
                    let members = schema.get_mut("properties").and_then(Value::as_object_mut);
                    for (_, member) in members.into_iter().flatten() {
                        member[NULL_IN_ANSWERS] = true.into();
                    }
                }
            },
        },
        Difference {
            what: "voucherType may be sent as null",
            because: "the document's text on VoucherType says so, its schema does not",
            file: 0,
            apply: |document| {
                document["components"]["schemas"]["Voucher"]["properties"]["voucherType"]["nullable"] =
                    true.into();
            },
        },
        Difference {
            what: "errors are answered with the statuses, codes and members that the document's text lists, and with \
                   path and rootId of validation messages",
            because: "no operation declares them; real refusals have path and rootId",
            file: 0,
            apply: tripletex_errors,
        },
    ],
};

fn content(kind: &str, schema: Value) -> Value {
    let mut content = json!({});
    content[kind]["schema"] = schema;
    content
}

fn push(document: &mut Value, place: &str, more: &[&str]) {
    let list = document.pointer_mut(place).and_then(Value::as_array_mut);
    list.unwrap_or_else(|| panic!("the document has no {place}")).extend(more.iter().map(|text| json!(text)));
}

/// Every operation of a document, to be changed.
fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(_, item)| {
        let members = item.as_object_mut().into_iter().flatten();
        members.map(|(_, member)| member).filter(|member| member.get("responses").is_some())
    })
}

fn too_many(document: &mut Value) {
    let body = json!({
        "type": "object",
        "properties": { "statusCode": { "type": "integer" }, "message": { "type": "string" } },
    });
    for operation in operations(document) {
        operation["responses"]["429"] = json!({ "content": content("application/json", body.clone()) });
    }
}

/// Reads the list of statuses and codes in the document's text: `-   **400 Bad request** -`, and below it
/// `    -   **4000** Bad Request Exception`.
fn tripletex_errors(document: &mut Value) {
    let text = document["info"]["description"].as_str().unwrap_or_default();
    let (_, list) = text.split_once("## Status codes / Error codes").expect("the text lists statuses");
    let mut statuses: Vec<(u16, Vec<u32>)> = Vec::new();
    for line in list.lines() {
        let bold = line.trim_start().strip_prefix("-   **").and_then(|rest| rest.split("**").next());
        let Some(number) = bold.and_then(|bold| bold.split(' ').next()) else { continue };
        match number.parse::<u32>() {
            Ok(status @ 100..=599) => statuses.push((u16::try_from(status).unwrap_or_default(), Vec::new())),
            Ok(code) => statuses.last_mut().into_iter().for_each(|(_, codes)| codes.push(code)),
            Err(_) => {}
        }
    }
    statuses.retain(|(status, _)| *status >= 400);
    assert!(statuses.len() > 5, "{statuses:?}");
    let answers: Vec<(String, Value)> = statuses
        .iter()
        .map(|(status, codes)| {
            let code = match codes.is_empty() {
                true => json!({ "type": "integer" }),
                false => json!({ "type": "integer", "enum": codes }),
            };
            let text = json!({ "type": "string" });
            let text_or_null = json!({ "type": "string", "nullable": true });
            let message = json!({
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": text_or_null, "message": text, "path": text_or_null,
                    "rootId": { "type": "integer", "nullable": true },
                },
            });
            let schema = json!({
                "type": "object",
                "required": ["status", "code", "message", "requestId"],
                "properties": {
                    "status": { "type": "integer", "enum": [status] },
                    "code": code,
                    "message": text,
                    "link": text,
                    "developerMessage": text_or_null,
                    "validationMessages": { "type": "array", "nullable": true, "items": message },
                    "requestId": text,
                },
            });
            (status.to_string(), json!({ "content": content("application/json", schema) }))
        })
        .collect();
    for operation in operations(document) {
        for (status, answer) in &answers {
            operation["responses"][status] = answer.clone();
        }
    }
}
