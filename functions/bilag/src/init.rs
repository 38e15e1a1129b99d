//! `bilag init`: a commented starter home.

use std::path::{Path, PathBuf};

use chrono::{Datelike as _, NaiveDate, Utc};
use clap::Args;
use edge::Error;
use serde_json::json;

use crate::Out;
use crate::out::Exit;

/// What the starter home is for.
#[derive(Args, Debug)]
pub struct Wishes {
    /// The folder to make.
    home: PathBuf,
    /// The company's id: lower-case letters, digits and hyphens. It never changes.
    #[arg(long, default_value = "shop")]
    company: String,
    /// The company's country: NO, SE or DK.
    #[arg(long, default_value = "NO")]
    country: String,
    /// The accounting system.
    #[arg(long, default_value = "journal")]
    system: String,
    /// The payment providers.
    #[arg(long, value_delimiter = ',', default_value = "stripe,vipps-mobilepay")]
    providers: Vec<String>,
    /// Fetch by API, rather than from dropped reports.
    #[arg(long)]
    api: bool,
}

/// What differs by country: currency, time zone, and account numbers usual in its chart.
struct Country {
    code: &'static str,
    currency: &'static str,
    time_zone: &'static str,
    /// sales_clearing, provider_balance, in_transit, provider_fee, fee_vat, disputed, held_by_provider,
    /// other_income, other_expense, bank
    accounts: [&'static str; 10],
}

/// Suggestions in the number ranges of each country's usual chart; the file says to check them.
const COUNTRIES: &[Country] = &[
    Country {
        code: "NO",
        currency: "NOK",
        time_zone: "Europe/Oslo",
        accounts: ["1579", "1570", "1909", "7770", "2711", "1575", "1576", "3900", "7790", "1920"],
    },
    Country {
        code: "SE",
        currency: "SEK",
        time_zone: "Europe/Stockholm",
        accounts: ["1580", "1686", "1689", "6570", "2641", "1681", "1682", "3999", "6990", "1930"],
    },
    Country {
        code: "DK",
        currency: "DKK",
        time_zone: "Europe/Copenhagen",
        accounts: ["58100", "58110", "58120", "72200", "64060", "58130", "58140", "10500", "72990", "58000"],
    },
];

/// Makes the home. Nothing that exists is changed.
///
/// # Errors
///
/// Unknown wishes, or a home that is there already.
pub fn init(out: Out, wishes: &Wishes) -> Result<Exit, Error> {
    let codes: Vec<&str> = COUNTRIES.iter().map(|country| country.code).collect();
    let country =
        COUNTRIES.iter().find(|country| country.code.eq_ignore_ascii_case(&wishes.country)).ok_or_else(
            || Error::config(format!("--country {}: this version has {}", wishes.country, codes.join(", "))),
        )?;
    if accounting::find(&wishes.system).is_none() {
        let names: Vec<&str> = accounting::REGISTRY.iter().map(|system| system.name()).collect();
        return Err(Error::config(format!(
            "--system {}: this version has {}",
            wishes.system,
            names.join(", ")
        )));
    }
    for name in &wishes.providers {
        if providers::find(name).is_none() {
            let names: Vec<&str> = providers::REGISTRY.iter().map(|provider| provider.name()).collect();
            return Err(Error::config(format!("--providers {name}: this version has {}", names.join(", "))));
        }
    }
    let today = Utc::now().date_naive();
    let start_on = NaiveDate::from_ymd_opt(today.year(), today.month(), 1).unwrap_or(today);
    let text = mapping(wishes, country, start_on);
    let file = format!("{}.toml", wishes.company);
    if let Err(problems) = check_config::judge(&file, text.as_bytes()) {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(Error::config(problems.join("\n")));
    }
    let path = wishes.home.join("config").join(&file);
    if path.exists() {
        return Err(Error::config(format!("{} exists; nothing was changed", path.display())));
    }
    let make = |folder: &Path| {
        std::fs::create_dir_all(folder).map_err(|error| Error::file("cannot make", folder, error))
    };
    make(&wishes.home.join("config"))?;
    for name in &wishes.providers {
        make(&wishes.home.join("inbox").join(&wishes.company).join(connection(name)))?;
    }
    std::fs::write(&path, text).map_err(|error| Error::file("cannot write", &path, error))?;
    let secrets = secrets(wishes);
    if !secrets.is_empty() {
        write_secrets(&wishes.home.join("secrets.toml"), &secrets)?;
    }
    let home = wishes.home.display();
    out.object(&json!({ "type": "home", "home": wishes.home, "config": path }));
    let mut steps = vec![format!(
        "look through {}: account numbers are suggestions, check them with your accountant",
        path.display()
    )];
    if !secrets.is_empty() {
        steps.push(format!("put the credentials into {home}/secrets.toml"));
        steps.push(format!("bilag check {home}"));
    }
    if !wishes.api {
        steps.push(format!("drop reports into {home}/inbox/{}/<connection>/", wishes.company));
    }
    steps.push(format!("bilag preview {home}"));
    steps.push(format!("bilag run {home}"));
    out.text(&format!("made {home}"));
    for (index, step) in steps.iter().enumerate() {
        out.text(&format!("  {}. {step}", index + 1));
    }
    Ok(Exit::Done)
}

/// The connection's name: the provider's, shortened.
fn connection(provider: &str) -> &str {
    provider.split('-').next().unwrap_or(provider)
}

/// A table for each entry that needs credentials, with empty fields.
fn secrets(wishes: &Wishes) -> String {
    let mut text = String::new();
    let mut table = |entry: &str, fields: &[&str]| {
        text.push_str(&format!("[{}.{entry}]\n", wishes.company));
        for field in fields {
            let empty = if field.ends_with('s') { "[]" } else { "\"\"" };
            text.push_str(&format!("{field} = {empty}\n"));
        }
        text.push('\n');
    };
    if let Some(system) = accounting::find(&wishes.system).filter(|system| system.needs_secret()) {
        table(system.name(), system.secret_fields());
    }
    for provider in wishes.providers.iter().filter(|_| wishes.api).filter_map(|name| providers::find(name)) {
        if let Some(api) = provider.api() {
            table(provider.name(), api.secret_fields());
        }
    }
    text
}

/// Writes a file that only its owner reads; one that is there is left alone.
fn write_secrets(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).map_err(|error| Error::file("cannot write", path, error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::file("cannot write", path, error)),
    }
}

fn mapping(wishes: &Wishes, country: &Country, start_on: NaiveDate) -> String {
    let [clearing, balance, transit, fee, fee_vat, disputed, held, income, expense, bank] = country.accounts;
    let mut text = format!(
        r#"# How bilag books the settlements of this company. Check it with: bilag check HOME

[company]
id = "{company}"                # never changes; equals this file's name
name = "{company}"
country = "{code}"
currency = "{currency}"
time_zone = "{zone}"

[accounting]
system = "{system}"
{secret}
"#,
        secret = match accounting::find(&wishes.system).filter(|system| system.needs_secret()) {
            Some(system) => format!(
                "secret = \"{}\"            # the entry of HOME/secrets.toml\npost = \"booked\"                 # or \"draft\"\n",
                system.name()
            ),
            None => String::new(),
        },
        company = wishes.company,
        code = country.code,
        currency = country.currency,
        zone = country.time_zone,
        system = wishes.system,
    );
    for provider in &wishes.providers {
        text.push_str(&format!(
            r#"[connections.{name}]
provider = "{provider}"
start_on = {start_on}          # the first payout day that bilag books
book = "clearing"               # or "sales": gross to revenue, with VAT
granularity = "summary"         # or "transaction": one line per row
cut_off = "payout"              # or "month": one part per month
{secret}# account = ""                  # the provider account's id or number; files and answers must match it

"#,
            name = connection(provider),
            secret = match wishes.api {
                true => format!("secret = \"{provider}\"   # the entry of HOME/secrets.toml\n"),
                false => String::new(),
            },
        ));
    }
    text.push_str(&format!(
        r#"# Account numbers are suggestions for {code}; check them with your accountant.
[accounts]
sales_clearing = "{clearing}"         # where sales stand until the provider pays
provider_balance = "{balance}"       # what stands with the provider
in_transit = "{transit}"             # on its way to the bank
provider_fee = {{ account = "{fee}", vat = "none" }}
fee_vat = "{fee_vat}"                # VAT on fees, where the provider states it
disputed = "{disputed}"               # chargebacks until they are won or lost
held_by_provider = "{held}"       # reserves
other_income = "{income}"
other_expense = "{expense}"
bank = "{bank}"

# Rules are tried in order, the first that matches a row wins:
# [[rules]]
# when = {{ kind = "fee", fee_type = "dispute" }}
# account = "{expense}"
# text = "Dispute fee {{payout}}"
"#,
        code = country.code,
    ));
    text
}
