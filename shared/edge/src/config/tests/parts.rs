//! Company, accounting and connections.

use super::*;

#[test]
fn the_company_id_is_given_well_formed_and_the_name_of_the_file() {
    refused("id = \"nordlys\"\n", "", "company.id", "is missing");
    refused("\"nordlys\"", "\"Nordlys\"", "company.id", "1 to 40 of the characters a-z, 0-9 and -");
    refused("\"nordlys\"", "\"\"", "company.id", "is not a name");
    refused("\"nordlys\"", "7", "company.id", "in quotes");
    refused("\"nordlys\"", "\"sorlys\"", "company.id", "rename the file to sorlys.toml");
    let problems = read("nordlys", SMALL.as_bytes(), &KNOWN).unwrap_err();
    assert!(problems[0].what.contains("is not the name of the file"));
    assert!(read("config/nordlys.toml", SMALL.as_bytes(), &KNOWN).is_ok());
}

#[test]
fn the_company_is_described_with_known_words() {
    for (from, to, key, what) in [
        ("name = \"Nordlys Keramikk AS\"\n", "", "company.name", "is missing"),
        ("\"Nordlys Keramikk AS\"", "\" Nordlys\"", "company.name", "begins or ends with a blank"),
        ("\"Nordlys Keramikk AS\"", "\"Nord\\u0007lys\"", "company.name", "control characters"),
        ("id =", "org_no = 999888777\nid =", "company.org_no", "put it in quotes: \"999888777\""),
        ("country = \"NO\"\n", "", "company.country", "is missing"),
        ("\"NO\"", "\"no\"", "company.country", "two capitals"),
        ("currency = \"NOK\"\n", "", "company.currency", "is missing"),
        ("\"NOK\"", "\"kr\"", "company.currency", "ISO 4217"),
        ("\"NOK\"", "\"nok\"", "company.currency", "in capitals: \"NOK\""),
        ("time_zone = \"Europe/Oslo\"\n", "", "company.time_zone", "is missing"),
        ("\"Europe/Oslo\"", "\"CEST\"", "company.time_zone", "IANA"),
    ] {
        refused(from, to, key, what);
    }
    let (config, _) = accepted("\"NO\"", "\"DE\"");
    assert_eq!(config.company.country, "DE");
    let text = SMALL.split_once("[accounting]").unwrap().1;
    let problems = read_small(&format!("[accounting]{text}")).unwrap_err();
    assert!(lines(&problems).contains("nordlys.toml:1: company.id: is missing"));
}

#[test]
fn the_accounting_system_is_one_of_this_version_and_has_the_secret_it_needs() {
    let system = "system = \"journal\"";
    refused(
        system,
        "",
        "accounting.system",
        "is missing; give one of this version's systems: journal, tripletex",
    );
    refused("\"journal\"", "\"sie\"", "accounting.system", "this version has: journal, tripletex");
    refused("\"journal\"", "\"tripletex\"", "accounting.secret", "as in secret = \"tripletex\"");
    accepted(system, "system = \"tripletex\"\nsecret = \"tripletex\"\npost = \"draft\"");
    let base_url = "system = \"journal\"\nbase_url = \"http://api.example.com\"";
    refused(system, base_url, "accounting.base_url", "https://");
}

#[test]
fn drafts_are_refused_for_the_journal_and_both_ways_with_closed_periods_are_accepted() {
    refused(
        "\"journal\"",
        "\"journal\"\npost = \"draft\"",
        "accounting.post",
        "the system journal has no drafts",
    );
    for (word, value) in [("hold", ClosedPeriod::Hold), ("first-open", ClosedPeriod::FirstOpen)] {
        let (config, _) = accepted("\"journal\"", &format!("\"journal\"\nclosed_period = \"{word}\""));
        assert_eq!(config.accounting.closed_period, value);
    }
}

#[test]
fn a_secret_written_into_the_file_is_refused_and_never_shown() {
    let problems =
        read_small(&with("#more", "secret = \"sk_live_123\"\napi_key = \"sk_live_123\"")).unwrap_err();
    let text = lines(&problems);
    assert!(text.contains("connections.webshop.secret: is not a name"), "{text}");
    assert!(text.contains("connections.webshop.api_key: is not a known key; secrets are never"), "{text}");
    assert!(!text.contains("sk_live"), "{text}");
    let url = "base_url = \"https://user:hunter2@example.com\"";
    let text = lines(&read_small(&with("#more", url)).unwrap_err());
    assert!(text.contains("holds a user or password") && !text.contains("hunter2"), "{text}");
}

#[test]
fn connections_have_names_that_can_be_folders_and_none_is_called_bank() {
    let header = "[connections.webshop]";
    refused(header, "[connections.bank]", "connections.bank", "is for bank statements");
    refused(header, "[connections.\"Web Shop\"]", "connections.\"Web Shop\"", "a-z, 0-9 and -");
    refused(header, "[connections.web_shop]", "connections.web_shop", "a-z, 0-9 and -");
    refused(header, "[[connections]]", "connections", "is a list, not a table");
    refused(header, "[connections]", "connections.provider", "is a text, not a table");
    let start = SMALL.find("[connections").unwrap();
    let end = SMALL.find("[accounts]").unwrap();
    let without = format!("{}{}", &SMALL[..start], &SMALL[end..]);
    assert!(
        lines(&read_small(&without).unwrap_err())
            .contains("connections: is missing; add [connections.<name>]")
    );
    let empty = without.replace("[accounts]", "[connections]\n[accounts]");
    assert!(lines(&read_small(&empty).unwrap_err()).contains(":9: connections: has no connection"));
}

#[test]
fn a_connection_has_a_provider_of_this_version_and_a_first_day() {
    let (provider, start_on) = ("provider = \"stripe\"\n", "start_on = 2026-01-01\n");
    refused(provider, "", "connections.webshop.provider", "is missing");
    refused("\"stripe\"", "\"paypal\"", "connections.webshop.provider", "has: stripe, vipps-mobilepay");
    for (to, what) in [
        ("", "is missing"),
        ("start_on = \"2026-02-01\"\n", "without quotes: start_on = 2026-02-01"),
        ("start_on = \"1. februar\"\n", "without quotes: start_on = 2026-01-31"),
        ("start_on = 2026-02-01T00:00:00Z\n", "only year, month and day"),
        ("start_on = 10:00:00\n", "is not a day"),
        ("start_on = 0206-02-01\n", "years 2000 to 2099"),
        ("start_on = 20260201\n", "is a number, not a date"),
    ] {
        refused(start_on, to, "connections.webshop.start_on", what);
    }
}

#[test]
fn values_of_later_versions_are_refused_by_name() {
    for (line, key, what) in [
        (
            "book = \"invoices\"",
            "book",
            "\"invoices\" is not in this version; choose \"clearing\" or \"sales\"",
        ),
        ("cut_off = \"close\"", "cut_off", "\"close\" is not in this version"),
        ("close_day = 5", "close_day", "is not in this version; remove the key"),
        ("rate = \"ecb\"", "rate", "\"ecb\" is not in this version; choose \"ledger\""),
        ("rate = \"mine\"", "rate", "\"mine\" is not known"),
        ("granularity = true", "granularity", "is true or false, not a word in quotes"),
    ] {
        more_refused(line, &format!("connections.webshop.{key}"), what);
    }
}

#[test]
fn booking_by_window_needs_the_account_and_only_it_has_a_from_day() {
    more_refused("settle_by = \"window\"", "connections.webshop.account", "needs the provider account's id");
    more_refused("from = 2026-02-01", "connections.webshop.from", "is only for settle_by = \"window\"");
    let (config, _) = accepted("#more", "settle_by = \"window\"\naccount = \"acct_1\"\nfrom = 2026-02-01");
    assert_eq!(config.connections["webshop"].window_from(), chrono::NaiveDate::from_ymd_opt(2026, 2, 1));
    let (config, _) = accepted("#more", "settle_by = \"window\"\naccount = \"acct_1\"");
    assert_eq!(config.connections["webshop"].window_from(), chrono::NaiveDate::from_ymd_opt(2026, 1, 1));
}

#[test]
fn the_limit_for_unknown_rows_is_an_exact_amount_and_needs_an_account() {
    let key = "connections.webshop.unallocated_limit";
    for (value, what) in [
        ("1.5", "write the amount in quotes: unallocated_limit = \"1.5\""),
        ("\"1.555\"", "at most two decimals"),
        ("\"1,50\"", "is not an amount"),
        ("\"-1\"", "is below 0"),
        ("-1", "is below 0"),
        ("0xff", "is not an amount"),
        ("99999999999999999999", "is not an amount"),
        ("true", "is true or false, not an amount"),
        ("\"50.00\"", "add  unallocated = \"<account>\"  under [accounts]"),
    ] {
        more_refused(&format!("unallocated_limit = {value}"), key, what);
    }
    for (value, amount) in [("\"50.5\"", 5050), ("50", 5000), ("1_000", 100_000), ("0", 0)] {
        let more = format!("unallocated_limit = {value}\naccounts.unallocated = \"1999\"");
        let (config, _) = accepted("#more", &more);
        let limit = config.connections["webshop"].unallocated_limit;
        assert_eq!(limit, Some(rust_decimal::Decimal::new(amount, 2)), "{value}");
    }
}

#[test]
fn two_connections_of_one_provider_name_different_accounts() {
    let twin = |account: &str| SECOND.replace("vipps-mobilepay", "stripe") + account;
    more_refused(&twin(""), "connections.webshop.account", "connection \"members\" is for stripe too");
    more_refused(&twin(""), "connections.members.account", "connection \"webshop\" is for stripe too");
    let more = format!("account = \"a\"\n{}", twin("account = \"a\""));
    more_refused(&more, "connections.webshop.account", "every payout would be booked twice");
    accepted("#more", &format!("account = \"a\"\n{}", twin("account = \"b\"")));
    accepted("#more", SECOND);
}

#[test]
fn tags_are_a_short_list_of_texts() {
    let key = "connections.webshop.tags";
    more_refused("tags = \"plan\"", key, "is a text, not a list; write it as in tags = [\"plan\"]");
    more_refused(&format!("tags = {:?}", vec!["a"; 21]), key, "keep at most 20");
    more_refused("tags = [\"plan\", 7]", "connections.webshop.tags[2]", "put it in quotes: \"7\"");
    more_refused("tags = [\"plan\", \"plan\"]", "connections.webshop.tags[2]", "is there twice");
}
