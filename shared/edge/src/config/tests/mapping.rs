//! Accounts of roles, rules, and the mapping that planning gets.

use ledger::{Book, Kind};

use super::*;

#[test]
fn account_numbers_are_texts_that_can_stand_in_a_journal() {
    for (value, what) in [
        ("7770", "is a number, not a text; put it in quotes: \"7770\""),
        ("\"\"", "is empty"),
        ("\"7770 \"", "begins or ends with a blank"),
        ("\"Fees  paid\"", "two blanks in a row"),
        ("\"7770; x\"", "has a semicolon"),
        ("\"77\\t70\"", "control characters"),
        ("[\"7770\"]", "is a list, not a text"),
    ] {
        refused("\"7770\"", value, "accounts.provider_fee", what);
    }
    refused("\"7770\"", &format!("\"{}\"", "7".repeat(41)), "accounts.provider_fee", "at most 40 characters");
    refused("\"7770\"", "{ vat = \"3\" }", "accounts.provider_fee.account", "is missing");
    refused("\"7770\"", "{ account = 7770 }", "accounts.provider_fee.account", "put it in quotes: \"7770\"");
    let (config, _) =
        accepted("\"7770\"", "{ account = \"Utgifter:Gebyr\", vat = \"none\", project = \"2\" }");
    let target = &config.accounts[&Role::ProviderFee];
    assert_eq!((target.account.as_str(), target.vat.as_deref()), ("Utgifter:Gebyr", Some("none")));
    assert_eq!((target.department.as_deref(), target.project.as_deref()), (None, Some("2")));
}

#[test]
fn a_required_role_without_an_account_is_refused_with_the_line_to_add() {
    for (role, line) in [
        ("sales_clearing", "sales_clearing = \"1579\"\n"),
        ("provider_balance", "provider_balance = \"1570\"\n"),
        ("in_transit", "in_transit = \"1909\"\n"),
        ("provider_fee", "provider_fee = \"7770\"\n"),
    ] {
        let remedy = format!("needed by connections.webshop; add  {role} = \"<account>\"  under [accounts]");
        refused(line, "", &format!("accounts.{role}"), &remedy);
        // The connection's own account is as good.
        let own = format!("accounts.{}", line.trim());
        assert!(read_small(&with("#more", &own).replace(&format!("\n{line}"), "\n")).is_ok(), "{role}");
    }
    more_refused("book = \"sales\"", "accounts.sales", "is missing and needed by connections.webshop");
}

#[test]
fn roles_that_reports_often_need_are_warned_of_once() {
    let (_, warnings) = accepted("#more", SECOND);
    let missing = |role: &str| format!("accounts.{role}: is not given; ");
    for role in ["disputed", "fee_vat", "held_by_provider", "other_income", "other_expense"] {
        assert_eq!(warnings.matches(&missing(role)).count(), 1, "{warnings}");
    }
    let (_, warnings) = accepted("in_transit", "disputed = \"1576\"\nin_transit");
    assert!(!warnings.contains(&missing("disputed")), "{warnings}");
}

#[test]
fn customers_receivables_are_refused_as_clearing_account() {
    refused("\"1579\"", "\"1500\"", "accounts.sales_clearing", "customers' open invoices");
    let swedish = SMALL.replace("\"NO\"", "\"SE\"");
    assert!(read_small(&swedish.replace("\"1579\"", "\"1510\"")).is_err());
    assert!(read_small(&swedish.replace("\"1579\"", "\"1500\"")).is_ok());
    accepted("\"1579\"", "\"15001\"");
    let rule = "[[rules]]\nwhen.kind = \"sale\"\naccount = \"1509\"";
    more_refused(rule, "rules[1].account", "customers' open invoices");
}

#[test]
fn revenue_without_a_vat_code_is_warned_of_unless_a_rule_gives_one() {
    let sales = "book = \"sales\"\naccounts.sales = \"3000\"";
    let (_, warnings) = accepted("#more", sales);
    assert!(warnings.contains("connections.webshop.accounts.sales: has no VAT code"), "{warnings}");
    let rule = "[[rules]]\nwhen = { kind = \"sale\" }\nvat = \"3\"";
    let (_, warnings) = accepted("#more", &format!("{sales}\n{rule}"));
    assert!(!warnings.contains("has no VAT code"), "{warnings}");
    let second =
        format!("{SECOND}book = \"sales\"\naccounts.sales = {{ account = \"3001\", vat = \"3\" }}\n");
    let other = rule.replace("kind = \"sale\"", "kind = \"sale\", connection = \"members\"");
    let (_, warnings) = accepted("#more", &format!("{sales}\n{second}{other}"));
    assert!(warnings.contains("has no VAT code"), "{warnings}");
    let coded = "book = \"sales\"\naccounts.sales = { account = \"3000\", vat = \"none\" }";
    let (_, warnings) = accepted("#more", coded);
    assert!(!warnings.contains("has no VAT code"), "{warnings}");
}

#[test]
fn the_conditions_of_a_rule_name_things_that_exist() {
    let rule = |when: &str| format!("[[rules]]\nwhen = {{ {when} }}\nproject = \"1\"");
    for (when, key, what) in [
        ("connection = \"shop\"", "connection", "there is no connection \"shop\"; this file has: webshop"),
        ("provider = \"paypal\"", "provider", "this version has: stripe, vipps-mobilepay"),
        ("kind = \"sales\"", "kind", "is not known; choose \"sale\""),
        ("fee_type = \"card\"", "fee_type", "is not known; choose \"processing\""),
        ("currency = \"kr\"", "currency", "is not a known currency"),
        ("country = \"nor\"", "country", "two capitals"),
        ("reference = \"*-1\"", "reference", "only a * at the end"),
        ("from = \"2026-01-01\"", "from", "without quotes"),
        ("from = 2026-02-01, to = 2026-01-31", "to", "is before from, 2026-02-01"),
        ("tag = \"plan\"", "tag", "is a text, not a table"),
        ("tag = { plan = 1 }", "tag.plan", "put it in quotes"),
    ] {
        more_refused(&rule(when), &format!("rules[1].when.{key}"), what);
    }
    more_refused("[[rules]]\nproject = \"1\"", "rules[1].when", "is missing; say what the rule is for");
    more_refused("[[rules]]\nwhen = \"sale\"\nproject = \"1\"", "rules[1].when", "is a text, not a table");
    more_refused("rules = \"x\"", "connections.webshop.rules", "is not a known key");
}

#[test]
fn a_rule_that_sets_nothing_is_refused() {
    let rule = "[[rules]]\nwhen = { kind = \"fee\" }";
    more_refused(rule, "rules[1]", "sets nothing; add account, vat, department, project or text");
}

#[test]
fn a_tag_that_no_connection_of_the_rule_keeps_is_refused_with_the_line_to_add() {
    let rule = "[[rules]]\nwhen = { tag = { plan = \"year\" }, connection = \"webshop\" }\nproject = \"1\"";
    let remedy = "add  tags = [\"plan\"]  under [connections.webshop]";
    more_refused(rule, "rules[1].when.tag.plan", remedy);
    more_refused(&format!("{SECOND}tags = [\"plan\"]\n{rule}"), "rules[1].when.tag.plan", remedy);
    accepted("#more", &format!("tags = [\"plan\"]\n{rule}"));
}

#[test]
fn a_text_holds_only_known_placeholders() {
    let rule = |text: &str| format!("[[rules]]\nwhen = {{ kind = \"fee\" }}\ntext = \"{text}\"");
    for (text, what) in [
        ("{payouts}", "\"{payouts}\" is not known here; use {payout} {provider} {kind} {month} {reference}"),
        ("{}", "\"{}\" is not known here"),
        ("{payout", "without its pair"),
        ("payout}", "without its pair"),
        ("{{payout}}", "is not known here"),
    ] {
        more_refused(&rule(text), "rules[1].text", what);
    }
    accepted("#more", &rule("Gebyr {provider} {payout} {kind} {month} {reference}"));
}

#[test]
fn with_clearing_a_rule_moves_sales_only_to_another_clearing_account_and_sets_no_vat() {
    for kind in ["sale", "refund", "refund-reversal"] {
        let rule = |set: &str| format!("[[rules]]\nwhen = {{ kind = \"{kind}\" }}\n{set}");
        more_refused(&rule("vat = \"3\""), "rules[1].vat", "booked elsewhere");
        more_refused(
            &rule("account = \"7770\""),
            "rules[1].account",
            "account \"7770\" is that of provider_fee",
        );
        accepted("#more", &rule("vat = \"none\"\naccount = \"1580\""));
        // With a connection that books sales the rule may be meant for that one; planning decides line by
        // line.
        let sales = format!("{SECOND}book = \"sales\"\naccounts.sales = \"3000\"\n");
        accepted("#more", &format!("{sales}{}", rule("vat = \"3\"")));
        let narrow = rule("vat = \"3\"").replace(" }", ", connection = \"webshop\" }");
        more_refused(&format!("{sales}{narrow}"), "rules[1].vat", "booked elsewhere");
    }
    accepted("#more", "[[rules]]\nwhen = { kind = \"fee\" }\nvat = \"3\"\naccount = \"7771\"");
}

#[test]
fn a_rule_that_is_never_used_is_warned_of() {
    let all = "[[rules]]\nwhen = {}\nproject = \"1\"\n";
    let fees = "[[rules]]\nwhen = { kind = \"fee\" }\nproject = \"2\"\n";
    let (_, warnings) = accepted("#more", &format!("{all}{fees}"));
    assert!(
        warnings.contains("nordlys.toml:15: warning: rules[2]: is never used, since rules[1] "),
        "{warnings}"
    );
    let (_, warnings) = accepted("#more", &format!("{fees}{fees}"));
    assert!(warnings.contains("rules[2]: is never used"), "{warnings}");
    let (_, warnings) = accepted("#more", &format!("{fees}{all}"));
    assert!(!warnings.contains("is never used"), "{warnings}");
    let vipps = fees.replace("kind = \"fee\"", "provider = \"vipps-mobilepay\"");
    let (_, warnings) = accepted("#more", &vipps);
    assert!(warnings.contains("rules[1].when: no connection is for this provider"), "{warnings}");
}

#[test]
fn a_mapping_takes_the_connections_accounts_before_the_companys() {
    let (config, warnings) = read("example.toml", EXAMPLE.as_bytes(), &KNOWN).unwrap();
    assert!(warnings.is_empty());
    let webshop = config.mapping("webshop", "Stripe", 900).unwrap();
    assert_eq!((webshop.company.as_str(), webshop.connection.as_str()), ("example", "webshop"));
    assert_eq!((webshop.provider.as_str(), webshop.provider_title.as_str()), ("stripe", "Stripe"));
    assert_eq!((webshop.book, webshop.lines_max, webshop.rules.len()), (Book::Clearing, 900, 2));
    assert_eq!(webshop.accounts[&Role::OtherIncome].account, "3999");
    assert_eq!(webshop.accounts.len(), Role::ALL.len());
    let cafe = config.mapping("cafe", "Vipps MobilePay", 900).unwrap();
    assert_eq!((cafe.book, cafe.accounts[&Role::OtherIncome].account.as_str()), (Book::Sales, "3990"));
    assert_eq!(cafe.rules[0].when.kind, Some(Kind::Sale));
    assert_eq!(cafe.rules[0].when.tag["plan"], "year");
    assert_eq!(config.mapping("nowhere", "", 1), None);
}
