//! Session tokens: made of the other two, dead at midnight in Oslo.

use chrono::{DateTime, NaiveDate, Utc};
use http::{Method, Response};
use serde_json::{Value, json};

use super::chart::COMPANY_ID;
use super::error::{Refusal, refuse, refuse_fields};
use super::{CONSUMER_TOKEN, EMPLOYEE_TOKEN, READ_ONLY_EMPLOYEE_TOKEN};
use crate::random::Random;
use crate::wire::{self, Request};

/// One live session.
#[derive(Clone)]
struct Session {
    token: String,
    /// Dead from the start of this day in Oslo on.
    until: NaiveDate,
    can_write: bool,
}

/// The sessions that were given out.
pub(super) struct Sessions {
    random: Random,
    live: Vec<Session>,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub can_write: bool,
}

fn today(now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&chrono_tz::Europe::Oslo).date_naive()
}

impl Sessions {
    pub fn new(seed: u64) -> Sessions {
        Sessions { random: Random::new(seed, "tripletex sessions"), live: Vec::new() }
    }

    /// Ends every session.
    pub fn expire(&mut self) {
        self.live.clear();
    }

    /// Makes a session, from a JSON body or in the older form from the query.
    pub fn create(&mut self, now: DateTime<Utc>, request: &Request) -> Result<Response<Vec<u8>>, Refusal> {
        let (consumer, employee, expiration) = match *request.method {
            Method::PUT => {
                let param = |name| request.param(name).map(str::to_owned);
                (param("consumerToken"), param("employeeToken"), param("expirationDate"))
            }
            _ => {
                if !request.is_json() {
                    return Err(refuse(415, 4000, "HTTP 415 Unsupported Media Type"));
                }
                let body: Value = serde_json::from_slice(request.body)
                    .map_err(|_| refuse(422, 22_000, "The request body is not valid JSON"))?;
                let known = ["consumerToken", "employeeToken", "expirationDate"];
                if let Some(other) =
                    body.as_object().and_then(|body| body.keys().find(|key| !known.contains(&key.as_str())))
                {
                    return Err(refuse_fields(16_000, &[(other, "Feltet eksisterer ikke i objektet.")]));
                }
                let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
                (text("consumerToken"), text("employeeToken"), text("expirationDate"))
            }
        };
        let given =
            [("consumerToken", &consumer), ("employeeToken", &employee), ("expirationDate", &expiration)];
        let missing: Vec<(&str, &str)> = given
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| (*name, "Kan ikke være null."))
            .collect();
        let (Some(consumer), Some(employee), Some(expiration)) = (consumer, employee, expiration) else {
            return Err(refuse_fields(15_000, &missing));
        };
        let can_write = employee == EMPLOYEE_TOKEN;
        if consumer != CONSUMER_TOKEN || !(can_write || employee == READ_ONLY_EMPLOYEE_TOKEN) {
            return Err(refuse(401, 3000, "Unauthorized: consumerToken or employeeToken is wrong"));
        }
        let until = expiration.parse::<NaiveDate>().ok().filter(|_| expiration.len() == 10);
        let until = until.ok_or_else(|| {
            refuse_fields(16_000, &[("expirationDate", "Verdien er ikke av korrekt type for dette feltet.")])
        })?;
        if until <= today(now) {
            return Err(refuse_fields(18_000, &[("expirationDate", "Datoen må være etter dagens dato.")]));
        }
        let token = format!("eyJ{}=={}", self.random.text(40), self.random.text(8));
        self.live.retain(|session| session.until > today(now));
        self.live.push(Session { token: token.clone(), until, can_write });
        let value = json!({
            "id": 900_000 + self.live.len(),
            "version": 0,
            "consumerToken": { "id": 4711 },
            "employeeToken": { "id": 4712 },
            "expirationDate": until.to_string(),
            "token": token,
            "encryptionKey": null,
        });
        Ok(wire::json(if *request.method == Method::PUT { 200 } else { 201 }, &json!({ "value": value })))
    }

    /// Ends one session.
    pub fn delete(&mut self, token: &str) -> Result<Response<Vec<u8>>, Refusal> {
        let before = self.live.len();
        self.live.retain(|session| session.token != token);
        if self.live.len() == before {
            return Err(refuse(404, 6000, "Object not found"));
        }
        Ok(wire::answer(204, "application/json", Vec::new()))
    }

    /// Who asks. The user name is 0, empty, or the company's id.
    pub fn rights(&self, now: DateTime<Utc>, request: &Request) -> Result<Rights, Refusal> {
        let wrong = || refuse(401, 3000, "Could not log in. Check login info in Authorization header.");
        let (user, password) = request.basic().ok_or_else(wrong)?;
        let found = self.live.iter().find(|session| session.token == password);
        let session = found.filter(|session| session.until > today(now)).ok_or_else(wrong)?;
        if !(user.is_empty() || user == "0" || user == COMPANY_ID.to_string()) {
            return Err(refuse(403, 9000, "You do not have permission to access this company."));
        }
        Ok(Rights { can_write: session.can_write })
    }
}
