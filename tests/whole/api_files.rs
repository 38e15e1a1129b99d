//! The same payouts by API and as dropped reports: one item each, whichever comes first.

use bilag_tests::Sandboxed;
use chrono::DateTime;
use rust_decimal::Decimal;
use sandbox::{COMPANY, stripe, vipps_mobilepay};
use serde_json::Value;

fn major(minor: &Value) -> Decimal {
    Decimal::new(minor.as_i64().unwrap(), 2)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// The sound payouts of a provider, by id, that came back never and hold no payout that did.
fn plain(company: &Sandboxed, provider: &str) -> Vec<String> {
    let payouts = company.payouts_that_are("sound").into_iter();
    payouts
        .filter(|payout| payout["provider"] == provider)
        .filter(|payout| payout["returned"] == false && payout["reversals"].as_array().unwrap().is_empty())
        .map(|payout| text(&payout, "id").to_owned())
        .collect()
}

/// Stripe's itemized payout reconciliation of a payout; `change` may alter each row's gross and fee.
fn stripe_csv(
    company: &Sandboxed,
    payout: &str,
    change: impl Fn(usize, &mut Decimal, &mut Decimal),
) -> String {
    let key = format!("Bearer {}", stripe::KEY);
    let headers = [("authorization", key.as_str()), ("stripe-version", "2026-07-29.dahlia")];
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let after = rows.last().map(|row| format!("&starting_after={}", text(row, "id"))).unwrap_or_default();
        let path = format!("/stripe/v1/balance_transactions?limit=100&payout={payout}{after}");
        let page = company.ask("GET", &path, &headers, Vec::new());
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            break;
        }
    }
    let mut csv =
        "automatic_payout_id,balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,\
                   source_id,charge_id,order_id,payment_method_type,card_country,connected_account_id\n"
            .to_owned();
    for (number, row) in rows.iter().rev().enumerate() {
        let created = DateTime::from_timestamp(row["created"].as_i64().unwrap(), 0).unwrap();
        let (mut gross, mut fee) = (major(&row["amount"]), major(&row["fee"]));
        change(number, &mut gross, &mut fee);
        csv.push_str(&format!(
            "{payout},{},{},{},{gross},{fee},{},{},{},,,card,NO,\n",
            text(row, "id"),
            created.format("%Y-%m-%d %H:%M:%S"),
            text(row, "currency"),
            gross - fee,
            text(row, "reporting_category"),
            row["source"].as_str().unwrap_or_default(),
        ));
    }
    csv
}

/// All entries of the sales unit's ledger.
fn vipps_entries(company: &Sandboxed) -> (String, Vec<Value>) {
    let number = ("merchant-serial-number", vipps_mobilepay::MERCHANT_SERIAL_NUMBER);
    let key = ("ocp-apim-subscription-key", vipps_mobilepay::SUBSCRIPTION_KEY);
    let keys = [
        ("client_id", vipps_mobilepay::CLIENT_ID),
        ("client_secret", vipps_mobilepay::CLIENT_SECRET),
        key,
        number,
    ];
    let token = company.ask("POST", "/vipps/accesstoken/get", &keys, Vec::new());
    let token = format!("Bearer {}", text(&token, "access_token"));
    let headers = [("authorization", token.as_str()), key, number];
    let get = |path: &str| company.ask("GET", &format!("/vipps/{path}"), &headers, Vec::new());
    let ledger = text(&get("settlement/v1/ledgers")["items"][0], "ledgerId").to_owned();
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("report/v2/ledgers/{ledger}/funds/feed{cursor}"));
        entries.extend(page["items"].as_array().unwrap().iter().cloned());
        let next: String = text(&page, "cursor").bytes().map(|byte| format!("%{byte:02X}")).collect();
        cursor = format!("?cursor={next}");
        if page["tryLater"] == true {
            return (ledger, entries);
        }
    }
}

/// The portal's report of the payouts that hold only what the portal's words are known for; and those payouts' ids.
fn vipps_csv(company: &Sandboxed) -> (String, Vec<String>) {
    let (ledger, entries) = vipps_entries(company);
    let mut csv =
        "Salgssted,MSN/Vippsnummer,Land,Betalingsløsning,Tidspunkt,Bokføringsdato,Type,Beløp,Balanse,Gebyr,\
                   Nettobeløp,Valuta,Melding,PSP-referanse,Ordre-ID/Referanse,Utbetalingsnummer\n"
            .to_owned();
    let (mut ids, mut group, mut is_known) = (Vec::new(), String::new(), true);
    for entry in entries {
        let kind = match text(&entry, "entryType") {
            "capture" => "Belastning",
            "refund" => "Refusjon",
            "fees-retained" => "Gebyrer fratrukket",
            "payout-scheduled" => "Utbetaling planlagt",
            _ => "",
        };
        is_known &= !kind.is_empty();
        // The portal names the fees of a day otherwise than the API.
        let on = text(&entry, "ledgerDate");
        let psp = match text(&entry, "entryType") {
            "fees-retained" => format!("{ledger}-{}", on.replace('-', "")),
            _ => text(&entry, "pspReference").to_owned(),
        };
        let is_payout = text(&entry, "entryType").starts_with("payout-") && !kind.is_empty();
        let number = if is_payout { psp.strip_prefix(&format!("{ledger}-")).unwrap() } else { "" };
        group.push_str(&format!(
            "Butikk,{},Norge,,{on} 10:00:00,{on},{kind},{},{},,,NOK,,{psp},{},{number}\n",
            vipps_mobilepay::MERCHANT_SERIAL_NUMBER,
            major(&entry["amount"]),
            major(&entry["balanceAfter"]),
            text(&entry, "reference").replace(',', " "),
        ));
        if entry["balanceAfter"] == 0 {
            if is_known && is_payout {
                csv.push_str(&group);
                ids.push(psp);
            } else if !ids.is_empty() {
                // One unbroken stretch is enough.
                return (csv, ids);
            }
            (group, is_known) = (String::new(), true);
        }
    }
    (csv, ids)
}

#[tokio::test(start_paused = true)]
async fn a_report_of_what_was_fetched_has_no_effect() {
    let company = Sandboxed::sound(1, 6).await;
    company.settle_down().await;
    let books = company.vouchers();
    for payout in plain(&company, "stripe") {
        let file = format!("{COMPANY}/webshop/{payout}.csv");
        company.home.drop_file(&file, stripe_csv(&company, &payout, |_, _, _| ()));
    }
    let (csv, ids) = vipps_csv(&company);
    assert!(!ids.is_empty());
    company.home.drop_file(&format!("{COMPANY}/counter/portal.csv"), csv);
    company.settle_down().await;
    assert_eq!(company.vouchers(), books);
    company.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_of_what_was_dropped_has_no_effect() {
    let company = Sandboxed::sound(1, 6).await;
    // Both APIs are silent until the files are booked.
    company.trouble(|request| {
        let path = request.uri().path();
        (!path.starts_with("/tripletex")).then_some(bilag_tests::sandboxed::Trouble::LostBefore)
    });
    let payouts = plain(&company, "stripe");
    for payout in &payouts {
        let file = format!("{COMPANY}/webshop/{payout}.csv");
        company.home.drop_file(&file, stripe_csv(&company, payout, |_, _, _| ()));
    }
    let (csv, ids) = vipps_csv(&company);
    company.home.drop_file(&format!("{COMPANY}/counter/portal.csv"), csv);
    company.settle_down().await;
    let books = company.vouchers();
    assert_eq!(books.len(), payouts.len() + ids.len());
    company.peace();
    company.work(chrono::Duration::hours(8)).await;
    company.check().await;
    let now = company.vouchers();
    assert!(now.len() > books.len() && now.starts_with(&books));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_says_another_amount_than_the_api_is_held_with_both() {
    // After the voucher: the voucher stays, a person decides. Before it: nothing is booked.
    for after in [true, false] {
        let company = Sandboxed::sound(2, 6).await;
        let payout = plain(&company, "stripe").remove(0);
        let differs = stripe_csv(&company, &payout, |number, gross, _| {
            if number == 0 {
                *gross += Decimal::ONE;
            }
        });
        // The payout's own row is the last; it has to add up.
        let (rows, own) = differs.trim_end().rsplit_once('\n').unwrap();
        let mut cells: Vec<String> = own.split(',').map(str::to_owned).collect();
        assert_eq!(cells[7], "payout");
        for cell in [4, 6] {
            cells[cell] = (cells[cell].parse::<Decimal>().unwrap() - Decimal::ONE).to_string();
        }
        let csv = format!("{rows}\n{}\n", cells.join(","));
        let drop_it = || company.home.drop_file(&format!("{COMPANY}/webshop/other.csv"), &csv);
        if after {
            company.settle_down().await;
        } else {
            // The books are closed to everybody until both are here.
            company.trouble(|request| {
                let is_books = request.uri().path().starts_with("/tripletex");
                is_books.then_some(bilag_tests::sandboxed::Trouble::Unreached)
            });
            company.work(chrono::Duration::minutes(5)).await;
        }
        let books = company.vouchers();
        drop_it();
        company.work(chrono::Duration::minutes(5)).await;
        company.peace();
        company.work(chrono::Duration::hours(2)).await;
        let name = format!("stripe:{payout}");
        let item = company.item(&name).await.unwrap();
        assert_eq!(item.state.to_string(), "held(duplicate-differs)", "{:?}", item.state);
        let own =
            |books: &[Value]| books.iter().filter(|voucher| voucher["reference"] == name.as_str()).count();
        assert_eq!(own(&company.vouchers()), usize::from(after));
        assert_eq!(own(&books), usize::from(after));
        let ledger_hold = format!("{:?}", item.state);
        assert!(ledger_hold.contains("other.csv") && ledger_hold.contains("webshop (API)"), "{ledger_hold}");
    }
}
