//! `bilag check`: the configuration, and what accounting systems and providers say to it.

use std::collections::BTreeMap;

use accounting::Catalogue;
use edge::config::Config;
use edge::{Error, Kind};
use ledger::{Role, Target};
use serde_json::json;

use crate::out::Exit;
use crate::{Home, Out, run};

/// Checks the configuration of a home. Unless `offline`, asks whether accounts, VAT codes and dimensions exist, and
/// whether credentials work and have the rights that are needed. Nothing is written anywhere.
///
/// # Errors
///
/// If the store does not answer.
pub async fn check(home: &Home, out: Out, offline: bool) -> Result<Exit, Error> {
    let verdicts = run::configurations(home).await?;
    if run::print_verdicts(&verdicts, out) {
        return Ok(Exit::Usage);
    }
    let mut exit = Exit::Done;
    for verdict in &verdicts {
        let company = verdict.company.as_str();
        out.text(&format!("{company}.toml is valid"));
        out.object(&json!({ "type": "config", "company": company, "severity": "valid" }));
        if offline {
            continue;
        }
        let Some((_, config)) = check_config::in_force(&home.world, company).await? else { continue };
        for found in ask(home, &config).await {
            let severity = match &found {
                Answer::Fine(_) => "fine",
                Answer::Wrong(_) => "error",
                Answer::Unreachable(_) => "unreachable",
            };
            let (Answer::Fine(text) | Answer::Wrong(text) | Answer::Unreachable(text)) = &found;
            out.object(
                &json!({ "type": "config", "company": company, "severity": severity, "message": text }),
            );
            let sign = if matches!(found, Answer::Fine(_)) { "  ok   " } else { "  wrong" };
            out.text(&format!("{sign}  {text}"));
            exit = exit.max(match found {
                Answer::Fine(_) => Exit::Done,
                Answer::Wrong(_) => Exit::Usage,
                Answer::Unreachable(_) => Exit::Failed,
            });
        }
    }
    Ok(exit)
}

/// What was found about one thing.
enum Answer {
    Fine(String),
    Wrong(String),
    Unreachable(String),
}

impl Answer {
    fn of(place: &str, error: &Error) -> Answer {
        match error.kind {
            Kind::Retry => Answer::Unreachable(format!("{place}: {error}; try again later")),
            // The message names the remedy.
            _ => Answer::Wrong(format!("{place}: {error}")),
        }
    }
}

async fn ask(home: &Home, config: &Config) -> Vec<Answer> {
    let world = &home.world;
    let mut answers = Vec::new();
    let place = format!("accounting system {}", config.accounting.system);
    let catalogue = match post_voucher::open(world, config).await {
        Ok(books) => books.catalogue().await,
        Err(error) => Err(error),
    };
    match catalogue {
        Ok(catalogue) => {
            let wrong = problems(config, &catalogue);
            if wrong.is_empty() {
                answers.push(Answer::Fine(format!("{place}: {}", told(&catalogue))));
            }
            answers.extend(wrong.into_iter().map(|text| Answer::Wrong(format!("{place}: {text}"))));
        }
        Err(error) => answers.push(Answer::of(&place, &error)),
    }
    for (name, connection) in &config.connections {
        let place = format!("connection {name}");
        let api = providers::find(&connection.provider).and_then(|provider| provider.api());
        let (Some(api), true) = (api, connection.secret.is_some()) else {
            let folder = format!("inbox/{}/{name}/", config.company.id);
            answers
                .push(Answer::Fine(format!("{place}: reads the report files that are dropped in {folder}")));
            continue;
        };
        let terms = intake::terms(config, connection);
        let asked = match discover_payouts::access(world, config, name, connection, &terms).await {
            Ok(access) => api.check(&access).await,
            Err(error) => Err(error),
        };
        answers.push(match (asked, &connection.account) {
            (Ok((_, accounts)), Some(wanted)) if !accounts.is_empty() && !accounts.contains(wanted) => {
                Answer::Wrong(format!(
                    "{place}: the credentials are for {}, account is \"{wanted}\"; correct one of them",
                    accounts.join(", ")
                ))
            }
            (Ok((sentence, _)), _) => Answer::Fine(format!("{place}: {sentence}")),
            (Err(error), _) => Answer::of(&place, &error),
        });
    }
    answers
}

fn told(catalogue: &Catalogue) -> String {
    let Catalogue { company, accounts, .. } = catalogue;
    match accounts {
        None => "keeps no chart of accounts, so there is nothing to ask".to_owned(),
        Some(accounts) if company.is_empty() => {
            format!("all accounts, VAT codes and dimensions exist ({} accounts in the chart)", accounts.len())
        }
        Some(accounts) => format!(
            "the books of {company}; all accounts, VAT codes and dimensions exist ({} accounts in the chart)",
            accounts.len()
        ),
    }
}

/// What a mapping names that the books do not have or do not take, each once, with the key to correct.
pub fn problems(config: &Config, catalogue: &Catalogue) -> Vec<String> {
    let mut problems = BTreeMap::new();
    for (index, named) in named(config).into_iter().enumerate() {
        for what in refused(&named, catalogue) {
            let text = format!("{} {what}", named.key);
            problems.entry(text).or_insert(index);
        }
    }
    let mut problems: Vec<(usize, String)> =
        problems.into_iter().map(|(text, index)| (index, text)).collect();
    problems.sort();
    problems.into_iter().map(|(_, text)| text).collect()
}

/// An account with its VAT code and dimensions as the mapping names it.
struct Named {
    key: String,
    target: Target,
    /// Rules may leave the account to the role.
    has_account: bool,
    clears_sales: bool,
}

fn named(config: &Config) -> Vec<Named> {
    let mut found = Vec::new();
    let role = |key: String, role: Role, target: &Target| Named {
        key,
        target: target.clone(),
        has_account: true,
        clears_sales: role == Role::SalesClearing,
    };
    for (name, target) in &config.accounts {
        found.push(role(format!("accounts.{name}"), *name, target));
    }
    for (connection, settings) in &config.connections {
        for (name, target) in &settings.accounts {
            found.push(role(format!("connections.{connection}.accounts.{name}"), *name, target));
        }
    }
    for (index, rule) in config.rules.iter().enumerate() {
        let target = Target {
            account: rule.account.clone().unwrap_or_default(),
            vat: rule.vat.clone(),
            department: rule.department.clone(),
            project: rule.project.clone(),
        };
        let has_account = rule.account.is_some();
        found.push(Named { key: format!("rule {}", index + 1), target, has_account, clears_sales: false });
    }
    found
}

fn refused(named: &Named, catalogue: &Catalogue) -> Vec<String> {
    let Target { account, vat, department, project } = &named.target;
    let mut refused = Vec::new();
    let vat = vat.as_deref().unwrap_or("none");
    if let (Some(accounts), true) = (&catalogue.accounts, named.has_account) {
        match accounts.get(account) {
            None => refused.push(format!(
                "is \"{account}\", which the chart of accounts does not have; create the account, or correct the number"
            )),
            Some(known) => {
                let name = &known.name;
                if let Some(why) = &known.refuses {
                    let role = if named.clears_sales { ", and sales cannot be cleared there" } else { "" };
                    refused.push(format!("is \"{account}\" ({name}), which takes no postings: {why}{role}; choose another account"));
                }
                if let Some(locked) = known.vat_locked.as_ref().filter(|locked| locked.as_str() != vat) {
                    refused.push(format!(
                        "is \"{account}\" ({name}), which takes the VAT code {locked} only, not {vat}; write vat = \"{locked}\", or choose another account"
                    ));
                }
                if known.needs_department && department.is_none() {
                    refused.push(format!("is \"{account}\" ({name}), which needs a department; add department = \"…\""));
                }
                if known.needs_project && project.is_none() {
                    refused.push(format!("is \"{account}\" ({name}), which needs a project; add project = \"…\""));
                }
            }
        }
    }
    if let Some(codes) =
        catalogue.vat_codes.as_ref().filter(|codes| vat != "none" && !codes.contains_key(vat))
    {
        let known: Vec<&str> = codes.keys().map(String::as_str).collect();
        refused.push(format!(
            "has the VAT code \"{vat}\", which the books do not have; they have: {}",
            known.join(", ")
        ));
    }
    for (word, wanted, known) in
        [("department", department, &catalogue.departments), ("project", project, &catalogue.projects)]
    {
        if let (Some(wanted), Some(known)) = (wanted, known)
            && !known.contains(wanted)
        {
            refused.push(format!(
                "has the {word} \"{wanted}\", which the books do not have; create it, or correct it"
            ));
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use accounting::Account;

    use super::*;

    fn config() -> Config {
        let text = r#"
            [company]
            id = "a"
            name = "A AS"
            country = "NO"
            currency = "NOK"
            time_zone = "Europe/Oslo"
            [accounting]
            system = "journal"
            [connections.shop]
            provider = "stripe"
            start_on = 2026-01-01
            [accounts]
            sales_clearing = "1579"
            provider_balance = "1570"
            in_transit = "1909"
            provider_fee = { account = "7770", vat = "1" }
            [[rules]]
            when = { kind = "sale" }
            account = "1578"
            department = "10"
        "#;
        check_config::judge("a.toml", text.as_bytes()).unwrap().0
    }

    #[test]
    fn everything_that_the_books_lack_is_named_with_its_key() {
        let account = |name: &str| Account { name: name.to_owned(), ..Account::default() };
        let mut accounts = BTreeMap::from([
            ("1579".to_owned(), account("Kunder")),
            ("1570".to_owned(), account("Stripe")),
            ("7770".to_owned(), Account { vat_locked: Some("none".to_owned()), ..account("Gebyr") }),
            ("1578".to_owned(), account("Annet")),
        ]);
        accounts.get_mut("1579").unwrap().refuses = Some("a ledger of customers".to_owned());
        let catalogue = Catalogue {
            accounts: Some(accounts),
            vat_codes: Some(BTreeMap::from([("3".to_owned(), "25 %".to_owned())])),
            departments: Some(BTreeSet::from(["20".to_owned()])),
            ..Catalogue::default()
        };
        let problems = problems(&config(), &catalogue).join("\n");
        for wanted in [
            "accounts.sales_clearing is \"1579\" (Kunder), which takes no postings: a ledger of customers, and sales cannot",
            "accounts.in_transit is \"1909\", which the chart of accounts does not have",
            "accounts.provider_fee is \"7770\" (Gebyr), which takes the VAT code none only, not 1",
            "accounts.provider_fee has the VAT code \"1\", which the books do not have; they have: 3",
            "rule 1 has the department \"10\", which the books do not have",
        ] {
            assert!(problems.contains(wanted), "{wanted}\nis not in\n{problems}");
        }
        assert_eq!(problems.lines().count(), 5, "{problems}");
    }

    #[test]
    fn books_without_a_chart_have_everything() {
        assert_eq!(problems(&config(), &Catalogue::default()), Vec::<String>::new());
    }
}
