//! The operator's page: what is held and why, what waits, what is in transit. It shows and changes nothing.

use std::rc::Rc;

use chrono::Utc;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use ledger::voucher::grouped;
use maud::{DOCTYPE, Markup, html};

use crate::serve::{Answer, Served, plain};
use crate::status::Report;

/// The most rows of one table.
const ROWS_MAX: usize = 500;

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d5dae0; vertical-align: top; overflow-wrap: anywhere; }
td.amount, th.amount { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.held { border-left: 4px solid #b42318; padding: .1rem 0 .1rem 1rem; margin: 1rem 0; } .held b { color: #b42318; }
.good { color: #1a7f37; } code { background: #f2f4f7; padding: 0 .25rem; }
@media (prefers-color-scheme: dark) { body { background: #14171a; color: #e3e6ea; } th, td { border-color: #363c43; } code { background: #24292f; } .held b { color: #ff8a80; } .held { border-color: #ff8a80; } }
";

/// Answers a request for the page. Only this machine's own names for itself are answered, so that no other site can
/// have a browser read it.
pub async fn answer(served: Rc<Served>, request: hyper::Request<Incoming>) -> Answer {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return plain(StatusCode::MISDIRECTED_REQUEST, "this page is for this machine only\n");
    }
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "this page only shows\n");
    }
    if request.uri().path() != "/" {
        return plain(StatusCode::NOT_FOUND, "there is one page: /\n");
    }
    match Report::read(&served.home).await {
        Ok(report) => page(&render(&report)),
        Err(error) => {
            tracing::error!(%error, "the page cannot be made");
            plain(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer; see the log\n")
        }
    }
}

fn page(markup: &Markup) -> Answer {
    let mut answer = hyper::Response::new(Full::new(Bytes::from(markup.0.clone())));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    answer
}

/// The page of a report.
pub fn render(report: &Report) -> Markup {
    let today = Utc::now().date_naive();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="30";
                title { "bilag" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "bilag" }
                p {
                    @if report.states.is_empty() { "No settlements yet." }
                    @for (state, count) in &report.states { (count) " " (state) " · " }
                    (report.vouchers.len()) " vouchers"
                }
                h2 { "Held, until a person acts" }
                @if report.held_count() == 0 { p.good { "Nothing is held." } }
                @for held in report.held.iter().take(ROWS_MAX) {
                    div.held {
                        b { (held.hold.cause) } " " code { (held.company) "/" (held.settlement) }
                        p { (held.hold.what) br; "Remedy: " (held.hold.remedy) }
                    }
                }
                @for file in report.unreadable.iter().take(ROWS_MAX) {
                    div.held {
                        b { "unreadable" } " " code { (file.file) }
                        p { (file.at) ": " (file.cause) }
                    }
                }
                @if !report.waiting.is_empty() {
                    h2 { "Waiting" }
                    table {
                        tr { th { "settlement" } th { "for" } }
                        @for (company, settlement, why) in report.waiting.iter().take(ROWS_MAX) {
                            tr { td { (company) "/" (settlement) } td { (why) } }
                        }
                    }
                }
                h2 { "In transit to the bank" }
                @if report.transit.is_empty() { p { "Nothing." } } @else {
                    table {
                        tr { th { "settlement" } th { "since" } th.amount { "amount" } th { "" } th.amount { "days" } }
                        @for transit in report.transit.iter().take(ROWS_MAX) {
                            tr {
                                td { (transit.company) "/" (transit.settlement) }
                                td { (transit.on) }
                                td.amount { (grouped(transit.amount)) }
                                td { (transit.currency) }
                                td.amount { ((today - transit.on).num_days()) }
                            }
                        }
                    }
                }
                h2 { "Vouchers, newest first" }
                table {
                    tr { th { "day" } th { "connection" } th { "reference" } th.amount { "total" } th { "" } th { "state" } }
                    @for (company, connection, voucher) in newest(report) {
                        tr {
                            td { (voucher.on) }
                            td { (company) "/" (connection) }
                            td { (voucher.text) }
                            td.amount { (grouped(voucher.total)) }
                            td { (voucher.currency) }
                            td { (voucher.state) }
                        }
                    }
                }
            }
        }
    }
}

fn newest(report: &Report) -> Vec<&(String, String, store::VoucherItem)> {
    let mut vouchers: Vec<_> = report.vouchers.iter().collect();
    vouchers.sort_by(|one, other| other.2.on.cmp(&one.2.on).then_with(|| one.2.text.cmp(&other.2.text)));
    vouchers.truncate(ROWS_MAX);
    vouchers
}
