//! Calls to Tripletex. The only file with I/O.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, Utc};
use chrono_tz::Europe::Oslo;
use edge::config::Post;
use edge::http::{Broken, Limits};
use edge::secret::Entry;
use edge::{Error, Kind, World};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use ledger::{Cause, Hold, Voucher};
use serde::de::DeserializeOwned;
use store::cache;
use store::pace::Rate;
use store::posting::SEND;
use store::remote::Remote;
use store::token::{Fresh, Token, Tokens};

use super::answer::{self, Calendar};
use super::render::Directory;
use super::wire;
use crate::Access;

/// Where Tripletex is.
const BASE: &str = "https://tripletex.no/v2";

/// Tripletex publishes no numbers; it tells the calls that are left with each answer, and they are heeded.
const RATE: Rate = Rate { per_second: 5, burst: 20 };

/// How long charts and codes are kept.
const DIRECTORY_AGE: Duration = Duration::hours(24);

/// How long periods are kept: short, since closing one is what a month's end is about.
const CALENDAR_AGE: Duration = Duration::minutes(10);

/// Elements of one page of a look-up, and of a list.
const FOUND_PAGE: usize = 100;
const LIST_PAGE: usize = 1000;

/// Pages after which a list is taken for endless.
const PAGES_MAX: usize = 50;

/// How long nothing is sent after "too many calls" that names no time.
const LATER: Duration = Duration::seconds(60);

/// What a voucher is read with.
const VOUCHER_FIELDS: &str = "id,number,tempNumber,date,description,externalVoucherNumber,reverseVoucher(id),\
     attachment(id),postings(row,account(id),amountGross,amountGrossCurrency,currency(id),vatType(id),\
     department(id),project(id),systemGenerated)";

/// Why a call came to nothing: something that a person mends, or an error of the moment.
#[derive(Debug)]
pub enum Fault {
    /// Credentials, rights, a company that is gone.
    Held(Hold),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Failed(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            Fault::Held(hold) => {
                let kind = match hold.cause {
                    Cause::CompanyGone => Kind::Config,
                    Cause::Permission => Kind::Permission,
                    _ => Kind::Auth,
                };
                Error::new(kind, format!("tripletex: {}; {}", hold.what, hold.remedy))
            }
            Fault::Failed(error) => error,
        }
    }
}

/// The answer to a sent voucher.
#[derive(Debug)]
pub enum Sent {
    /// What it says.
    Judged(answer::Verdict),
    /// Too many calls: not saved, and how long to wait.
    TooMany(Duration),
    /// Nothing left this machine.
    Unreached(String),
}

/// What a complete look at a list is.
#[derive(Debug)]
pub enum Scan<T> {
    /// All elements.
    Complete(Vec<T>),
    /// Fewer than the list said to have.
    Short(Vec<T>),
    /// Pages repeated or did not end: some elements may have been skipped.
    Repeats,
}

/// One company's ledger.
pub struct Client<'w> {
    pub(super) access: Access<'w>,
    secret: Entry,
    credential: String,
    remote: Remote<'w>,
    tokens: Tokens<'w>,
}

impl<'w> Client<'w> {
    /// The way to a company's ledger. Nothing is called yet.
    ///
    /// # Errors
    ///
    /// If the secret is missing or `base_url` is not allowed here.
    pub fn new(access: Access<'w>) -> Result<Client<'w>, Error> {
        let secret = access.secret.clone().ok_or_else(|| {
            Error::auth("tripletex needs a secret with consumer_token and employee_token; name it at accounting.secret")
        })?;
        let credential = secret.fingerprint();
        let at = (BASE, access.settings.base_url.as_deref());
        let remote = Remote::new(access.world, "tripletex", at, &credential, RATE)?.metered(answer::spent);
        let tokens = Tokens::new(access.world, &access.company.id, "accounting", &credential);
        Ok(Client { access, secret, credential, remote, tokens })
    }

    fn world(&self) -> &'w World {
        self.access.world
    }

    /// Until when a sending that is allowed now may begin, so that it ends before the claim on the voucher does.
    pub fn latest(&self) -> DateTime<Utc> {
        let takes = Duration::from_std(Limits::SEND.deadline).unwrap_or(SEND);
        self.world().clock.now() + SEND - takes
    }

    /// Whether vouchers wait in Tripletex for a person.
    pub fn drafts(&self) -> bool {
        self.access.settings.post == Post::Draft
    }

    /// Makes a session that ends at the beginning of the day after tomorrow, Oslo time.
    async fn session(&self) -> Result<Fresh, Error> {
        let (ends_on, until) = session_end(self.world().clock.now());
        let session = wire::NewSession {
            consumer_token: self.secret.get("consumer_token")?,
            employee_token: self.secret.get("employee_token")?,
            expiration_date: ends_on.to_string(),
        };
        let body = serde_json::to_vec(&session).map_err(|error| Error::bug("session").because(error))?;
        let request = self.remote.request(Method::POST, "/token/session/:create");
        let request = with_body(request, "application/json; charset=utf-8", body)?;
        let answer = self.remote.read(request).await?;
        if answer.status().is_success()
            && let Some(session) = answer::object::<wire::Session>(answer.body())
        {
            return Ok(Fresh { text: session.token, until });
        }
        let told = told(&answer);
        Err(match answer.status().as_u16() {
            400..=428 | 430..=499 => Error::auth(format!(
                "tripletex does not accept consumer_token and employee_token: {told}; make a new employee token in \
                 Tripletex and put it into the company's secret bundle"
            )),
            _ => Error::retry(format!("tripletex gives no session now: {told}")),
        })
    }

    async fn token(&self) -> Result<Token, Fault> {
        self.tokens.get(|| self.session()).await.map_err(credentials)
    }

    async fn renewed(&self, refused: &Token) -> Result<Token, Fault> {
        self.tokens.renew(refused, || self.session()).await.map_err(credentials)
    }

    /// Reads a path below the base. A refused session is renewed once.
    async fn read(&self, path: &str, right: &str) -> Result<Response<Vec<u8>>, Fault> {
        // Boxed, here and below: a question within a question within a sending would be large on the stack.
        let mut token = Box::pin(self.token()).await?;
        let get = |token: &Token| {
            let request = self.remote.request(Method::GET, path).header("Authorization", basic(token)?);
            request.body(Vec::new()).map_err(|error| Error::bug("request").because(error))
        };
        let mut answer = Box::pin(self.remote.read(get(&token)?)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            token = Box::pin(self.renewed(&token)).await?;
            answer = Box::pin(self.remote.read(get(&token)?)).await?;
        }
        if answer.status() == StatusCode::OK && looks_like_json(&answer) {
            return Ok(answer);
        }
        Err(self.classify(&answer, right))
    }

    /// What an answer that is no success means.
    fn classify(&self, answer: &Response<Vec<u8>>, right: &str) -> Fault {
        let told = told(answer);
        let listed = answer::problem(answer.body());
        match answer.status().as_u16() {
            401 => Fault::Held(Hold::new(
                Cause::Credentials,
                format!("Tripletex refuses a session that was just made: {told}"),
                "make a new employee token in Tripletex and put it into the company's secret bundle, then release",
            )),
            403 => Fault::Held(Hold::new(
                Cause::Permission,
                format!("the employee token lacks the entitlement {right}: {told}"),
                "give it in Tripletex to the employee who owns the token, and to the token, then release",
            )),
            404 if listed.is_some_and(|problem| problem.code == 6000) => Fault::Held(Hold::new(
                Cause::CompanyGone,
                format!("what was asked for is not there any more: {told}"),
                "check in Tripletex that the company, and the voucher if one was named, still exist",
            )),
            429 => {
                let error = Error::retry(format!("tripletex: too many calls: {told}"));
                Fault::Failed(match self.remote.asked(answer) {
                    Some(wait) => error.after(wait),
                    None => error,
                })
            }
            // A page for people in place of data: a maintenance window, a login, a proxy.
            status if status >= 500 || !looks_like_json(answer) => {
                Fault::Failed(Error::retry(format!("tripletex does not answer as expected: {told}")))
            }
            _ => Fault::Failed(Error::new(Kind::Rejected, format!("tripletex refuses a question: {told}"))),
        }
    }

    async fn one<T: DeserializeOwned>(&self, path: &str, right: &str) -> Result<T, Fault> {
        let answer = Box::pin(self.read(path, right)).await?;
        answer::object(answer.body()).ok_or_else(|| unknown_shape(&answer))
    }

    /// Reads a whole list. `query` ends in `?` or `&`.
    async fn scan<T: DeserializeOwned>(
        &self,
        query: &str,
        page: usize,
        right: &str,
        id: fn(&T) -> i64,
    ) -> Result<Scan<T>, Fault> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..PAGES_MAX {
            let path = format!("{query}from={}&count={page}", all.len());
            let answer = Box::pin(self.read(&path, right)).await?;
            let list: wire::List<T> =
                serde_json::from_slice(answer.body()).map_err(|_| unknown_shape(&answer))?;
            let count = list.values.len();
            if list.values.iter().any(|new| all.iter().any(|old| id(old) == id(new))) {
                return Ok(Scan::Repeats);
            }
            all.extend(list.values);
            // The size is "not exact" by the specification, so a short page ends the list only if they agree.
            let enough = list.full_result_size.is_none_or(|size| all.len() as u64 >= size);
            if count < page && enough {
                return Ok(Scan::Complete(all));
            }
            if count == 0 {
                return Ok(Scan::Short(all));
            }
        }
        Ok(Scan::Repeats)
    }

    async fn all<T: DeserializeOwned>(
        &self,
        query: &str,
        right: &str,
        id: fn(&T) -> i64,
    ) -> Result<Vec<T>, Fault> {
        match self.scan(query, LIST_PAGE, right, id).await? {
            // The size is not exact, and an account or code that is missing is told by name.
            Scan::Complete(all) | Scan::Short(all) => Ok(all),
            Scan::Repeats => Err(Error::retry("tripletex: a list changed while it was read").into()),
        }
    }

    /// All vouchers whose external number may be this one: whether the search is exact is not documented.
    pub async fn search(&self, number: &str) -> Result<Scan<wire::Voucher>, Fault> {
        let query = format!(
            "/ledger/voucher/%3EexternalVoucherNumber?externalVoucherNumber={}&fields={}&",
            encoded(number),
            encoded(VOUCHER_FIELDS)
        );
        self.scan(&query, FOUND_PAGE, "Voucher (read)", |voucher: &wire::Voucher| voucher.id).await
    }

    /// All vouchers that wait to be posted, dated within a year of `on`: a person may have given one another day.
    pub async fn search_drafts(&self, on: NaiveDate) -> Result<Scan<wire::Voucher>, Fault> {
        let (from, to) = (on - Days::new(366), on + Days::new(367));
        let query = format!(
            "/ledger/voucher/%3EnonPosted?dateFrom={from}&dateTo={to}&includeNonApproved=true&fields={}&",
            encoded(VOUCHER_FIELDS)
        );
        self.scan(&query, FOUND_PAGE, "Voucher (read)", |voucher: &wire::Voucher| voucher.id).await
    }

    /// One voucher.
    pub async fn voucher(&self, id: i64) -> Result<wire::Voucher, Fault> {
        let path = format!("/ledger/voucher/{id}?fields={}", encoded(VOUCHER_FIELDS));
        self.one(&path, "Voucher (read)").await
    }

    /// The chart of accounts.
    pub async fn accounts(&self) -> Result<Vec<wire::Account>, Fault> {
        let fields = "id,number,name,ledgerType,vatLocked,vatType(id),requiresDepartment,requiresProject,\
                      isInactive,currency(id)";
        let query = format!("/ledger/account?fields={}&", encoded(fields));
        self.all(&query, "Chart of accounts (read)", |account: &wire::Account| account.id).await
    }

    /// The VAT types.
    pub async fn vat_types(&self) -> Result<Vec<wire::VatType>, Fault> {
        let query = format!("/ledger/vatType?fields={}&", encoded("id,number,name,parentType(id)"));
        self.all(&query, "Chart of accounts (read)", |vat: &wire::VatType| vat.id).await
    }

    /// Departments in use, whose number contains `number` or whose name contains `name`; all without either.
    pub async fn departments(&self, filter: &str) -> Result<Vec<wire::Dimension>, Fault> {
        let fields = encoded("id,departmentNumber,name");
        let query = format!("/department?isInactive=false&fields={fields}&{filter}");
        self.all(&query, "Department (read)", |department: &wire::Dimension| department.id).await
    }

    /// Projects in use, as [`Client::departments`].
    pub async fn projects(&self, filter: &str) -> Result<Vec<wire::Dimension>, Fault> {
        let fields = encoded("id,number,name");
        let query = format!("/project?isClosed=false&isOffer=false&fields={fields}&{filter}");
        self.all(&query, "Project (read)", |project: &wire::Dimension| project.id).await
    }

    /// Who the token belongs to.
    pub async fn who(&self) -> Result<wire::WhoAmI, Fault> {
        self.one(&format!("/token/session/%3EwhoAmI?fields={}", encoded("company(name)")), "Session").await
    }

    /// The ids that a voucher needs, from the cache unless `anew`; and whether the cache served.
    pub async fn directory(&self, voucher: &Voucher, anew: bool) -> Result<(Directory, bool), Fault> {
        let (world, company, what) = (self.world(), &self.access.company.id, "tripletex-directory");
        let cached = match anew {
            true => None,
            false => cache::get(world, company, what, &self.credential, DIRECTORY_AGE).await?,
        };
        let (mut directory, served) = match cached {
            Some(directory) => (directory, true),
            None => (Directory::new(&self.accounts().await?, &self.vat_types().await?), false),
        };
        let mut changed = !served;
        for posting in &voucher.postings {
            if let Some(name) = &posting.department
                && !directory.departments.contains_key(name)
                && let Some(id) = self.department(name).await?
            {
                directory.departments.insert(name.clone(), id);
                changed = true;
            }
            if let Some(name) = &posting.project
                && !directory.projects.contains_key(name)
                && let Some(id) = self.project(name).await?
            {
                directory.projects.insert(name.clone(), id);
                changed = true;
            }
        }
        if changed && let Err(error) = cache::put(world, company, what, &self.credential, &directory).await {
            tracing::warn!(company.id = %company, %error, "the chart of accounts could not be kept");
        }
        Ok((directory, served))
    }

    async fn department(&self, name: &str) -> Result<Option<i64>, Fault> {
        let by_number = self.departments(&format!("departmentNumber={}&", encoded(name))).await?;
        if let Some(id) = the_one(&by_number, name, |found| found.department_number.as_deref()) {
            return Ok(Some(id));
        }
        let by_name = self.departments(&format!("name={}&", encoded(name))).await?;
        Ok(the_one(&by_name, name, |found| found.name.as_deref()))
    }

    async fn project(&self, name: &str) -> Result<Option<i64>, Fault> {
        let by_number = self.projects(&format!("number={}&", encoded(name))).await?;
        if let Some(id) = the_one(&by_number, name, |found| found.number.as_deref()) {
            return Ok(Some(id));
        }
        let by_name = self.projects(&format!("name={}&", encoded(name))).await?;
        Ok(the_one(&by_name, name, |found| found.name.as_deref()))
    }

    /// The accounting periods and fiscal years, from the cache unless `anew`.
    pub async fn calendar(&self, anew: bool) -> Result<Calendar, Fault> {
        let (world, company, what) = (self.world(), &self.access.company.id, "tripletex-calendar");
        if !anew
            && let Some(calendar) = cache::get(world, company, what, &self.credential, CALENDAR_AGE).await?
        {
            return Ok(calendar);
        }
        let right = "Chart of accounts (read)";
        let periods = format!("/ledger/accountingPeriod?fields={}&", encoded("id,start,end,isClosed"));
        let years = format!("/ledger/annualAccount?fields={}&", encoded("id,start,end"));
        let periods = self.all(&periods, right, |period: &wire::Period| period.id).await?;
        let years = self.all(&years, right, |year: &wire::Period| year.id).await?;
        let calendar = Calendar::new(&periods, &years);
        if let Err(error) = cache::put(world, company, what, &self.credential, &calendar).await {
            tracing::warn!(company.id = %company, %error, "the accounting periods could not be kept");
        }
        Ok(calendar)
    }

    /// Sends a voucher. Only an answer that the session is not valid, which is listed as not saved, makes it send
    /// once more, with a new session. Nothing is sent after `latest`.
    ///
    /// # Errors
    ///
    /// If there is no session: nothing was sent.
    pub async fn post(&self, voucher: &wire::NewVoucher, latest: DateTime<Utc>) -> Result<Sent, Fault> {
        let body = serde_json::to_vec(voucher).map_err(|error| Error::bug("voucher").because(error))?;
        let path = format!("/ledger/voucher?sendToLedger={}", !self.drafts());
        let request = |token: &Token| {
            let request = self.remote.request(Method::POST, &path).header("Authorization", basic(token)?);
            with_body(request, "application/json; charset=utf-8", body.clone())
        };
        let token = self.token().await?;
        let sent = self.sent(request(&token)?, latest).await;
        if !matches!(sent, Sent::Judged(answer::Verdict::Unauthorised)) {
            return Ok(sent);
        }
        let token = self.renewed(&token).await?;
        Ok(self.sent(request(&token)?, latest).await)
    }

    async fn sent(&self, request: Request<Vec<u8>>, latest: DateTime<Utc>) -> Sent {
        let answer = match self.remote.send_by(request, latest).await {
            Ok(answer) => answer,
            Err(Broken::NotSent(why)) => return Sent::Unreached(why),
            Err(broken) => {
                tracing::warn!(system = "tripletex", error = %broken, "no clear answer to a voucher");
                return Sent::Judged(answer::Verdict::Unclear);
            }
        };
        let verdict = answer::judge(answer.status(), answer.headers(), answer.body());
        match &verdict {
            answer::Verdict::TooMany => {
                let asked = self.remote.asked(&answer).and_then(|wait| Duration::from_std(wait).ok());
                return Sent::TooMany(asked.unwrap_or(LATER));
            }
            answer::Verdict::Unclear => {
                tracing::warn!(system = "tripletex", answer = %told(&answer), "no clear answer to a voucher");
            }
            _ => {}
        }
        Sent::Judged(verdict)
    }

    /// Attaches a PDF to a voucher, once.
    ///
    /// # Errors
    ///
    /// If it was not, or perhaps not, attached.
    pub async fn attach(&self, id: i64, document: &[u8]) -> Result<(), Fault> {
        let (kind, body) = multipart(&format!("bilag-{id}.pdf"), document);
        let path = format!("/ledger/voucher/{id}/attachment");
        let request = |token: &Token| {
            let request = self.remote.request(Method::POST, &path).header("Authorization", basic(token)?);
            with_body(request, &kind, body.clone())
        };
        let unclear = |broken: Broken| {
            Error::retry(format!("voucher {id}: whether the document is attached is not known"))
                .because(broken)
        };
        let token = self.token().await?;
        let mut answer = self.remote.send(request(&token)?).await.map_err(unclear)?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let token = self.renewed(&token).await?;
            answer = self.remote.send(request(&token)?).await.map_err(unclear)?;
        }
        if answer.status().is_success() && answer::object::<wire::Id>(answer.body()).is_some() {
            return Ok(());
        }
        if answer.status().is_success() || answer.status().is_redirection() {
            return Err(Error::retry(format!(
                "voucher {id}: no clear answer to its document: {}",
                told(&answer)
            ))
            .into());
        }
        Err(self.classify(&answer, "Voucher (write)"))
    }
}

/// The day that a session made now ends with, and until when it is used: it ends as that day begins in Oslo, and is
/// given up a quarter of an hour before.
fn session_end(now: DateTime<Utc>) -> (NaiveDate, DateTime<Utc>) {
    let ends_on = now.with_timezone(&Oslo).date_naive() + Days::new(2);
    let midnight = ends_on.and_time(NaiveTime::MIN).and_local_timezone(Oslo).earliest();
    let until = midnight.map_or(now + Duration::hours(24), |at| at.with_timezone(&Utc));
    (ends_on, until - Duration::minutes(15))
}

/// User name 0 is the company that the employee token belongs to.
fn basic(token: &Token) -> Result<HeaderValue, Error> {
    let text = format!("Basic {}", STANDARD.encode(format!("0:{}", token.text)));
    let mut value = HeaderValue::from_str(&text).map_err(|_| Error::bug("the session cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn with_body(request: http::request::Builder, kind: &str, body: Vec<u8>) -> Result<Request<Vec<u8>>, Error> {
    let request = request.header("Content-Type", kind).header("Accept", "application/json");
    request.body(body).map_err(|error| Error::bug("request").because(error))
}

/// A form with one file, and its content type.
fn multipart(name: &str, document: &[u8]) -> (String, Vec<u8>) {
    // The boundary must not occur in the document; with one that counts on, it is found in a step or two.
    let contains = |text: &str| document.windows(text.len()).any(|part| part == text.as_bytes());
    let mut number = 0;
    let mut boundary = "bilag-document-0".to_owned();
    while contains(&boundary) {
        number += 1;
        boundary = format!("bilag-document-{number}");
    }
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/pdf\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(document);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A text within a query, every byte that is not plain as `%XX`.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b'(' | b')' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The only element that is called exactly so.
fn the_one<'a>(
    found: &'a [wire::Dimension],
    name: &str,
    of: fn(&'a wire::Dimension) -> Option<&'a str>,
) -> Option<i64> {
    let mut equal = found.iter().filter(|dimension| of(dimension) == Some(name));
    match (equal.next(), equal.next()) {
        (Some(one), None) => Some(one.id),
        _ => None,
    }
}

/// A refused credential is something that a person mends.
fn credentials(error: Error) -> Fault {
    match error.kind {
        Kind::Auth => Fault::Held(Hold::new(
            Cause::Credentials,
            error.to_string(),
            "mend the company's secret bundle, then release",
        )),
        _ => Fault::Failed(error),
    }
}

fn looks_like_json(answer: &Response<Vec<u8>>) -> bool {
    answer.body().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

fn unknown_shape(answer: &Response<Vec<u8>>) -> Fault {
    let told = told(answer);
    Fault::Failed(Error::new(
        Kind::Rejected,
        format!("tripletex answers in a shape that this version does not know: {told}"),
    ))
}

/// An answer in one sentence, for errors: never its content, unless it is an error in Tripletex's own shape.
fn told(answer: &Response<Vec<u8>>) -> String {
    match answer::problem(answer.body()) {
        Some(problem) => answer::told(&problem, answer.headers()),
        None => {
            let id = answer::request_id(answer.headers()).unwrap_or_else(|| "unknown".to_owned());
            format!("status {} (request {id})", answer.status().as_u16())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_session_ends_before_midnight_in_oslo_summer_and_winter() {
        for (now, ends_on, until) in [
            ("2026-02-10T06:00:00Z", "2026-02-12", "2026-02-11T22:45:00Z"),
            ("2026-02-10T23:30:00Z", "2026-02-13", "2026-02-12T22:45:00Z"),
            ("2026-07-10T21:30:00Z", "2026-07-12", "2026-07-11T21:45:00Z"),
            ("2026-03-28T12:00:00Z", "2026-03-30", "2026-03-29T21:45:00Z"),
        ] {
            let (day, instant) = session_end(now.parse().unwrap());
            assert_eq!(day.to_string(), ends_on);
            assert_eq!(instant, until.parse::<DateTime<Utc>>().unwrap(), "{now}");
        }
    }

    #[test]
    fn a_document_that_holds_the_boundary_gets_another_one() {
        let (kind, body) = multipart("a.pdf", b"%PDF bilag-document-0");
        assert_eq!(kind, "multipart/form-data; boundary=bilag-document-1");
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.starts_with("--bilag-document-1\r\nContent-Disposition: form-data; name=\"file\""),
            "{text}"
        );
        assert!(text.ends_with("%PDF bilag-document-0\r\n--bilag-document-1--\r\n"), "{text}");
    }

    #[test]
    fn what_stands_in_a_query_is_encoded() {
        assert_eq!(encoded("stripe:po_1/ø&x"), "stripe%3Apo_1%2F%C3%B8%26x");
    }
}
