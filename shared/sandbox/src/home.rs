//! A home folder's files for a company whose systems are the simulated ones.

use chrono::NaiveDate;

use crate::{stripe, tripletex, vipps_mobilepay};

/// The company's id, and the name of its configuration file.
pub const COMPANY: &str = "sandbox";

/// The two files of a home.
#[derive(Clone, Debug)]
pub struct Home {
    /// `config/sandbox.toml`.
    pub config_toml: String,
    /// `secrets.toml`, which must have mode 0600.
    pub secrets_toml: String,
}

/// The home of a sandbox at `base`, for example `http://127.0.0.1:4010`, whose connections start on the first
/// of January 2026.
pub fn home(base: &str) -> Home {
    home_from(base, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default())
}

/// The home of a sandbox at `base` whose connections start on a day.
pub fn home_from(base: &str, start_on: NaiveDate) -> Home {
    let base = base.trim_end_matches('/');
    let config_toml = format!(
        r#"[company]
id = "{COMPANY}"
name = "Sandkasse AS"
org_no = "999888777"
country = "NO"
currency = "NOK"
time_zone = "Europe/Oslo"

[accounting]
system = "tripletex"
secret = "tripletex"
base_url = "{base}/tripletex/v2"

[connections.webshop]
provider = "stripe"
secret = "stripe"
start_on = {start_on}
base_url = "{base}/stripe"

[connections.counter]
provider = "vipps-mobilepay"
secret = "vipps-mobilepay"
start_on = {start_on}
base_url = "{base}/vipps"

[connections.counter.accounts]
sales_clearing = "1578"
provider_balance = "1571"

[accounts]
disputed = "1576"
fee_vat = "2711"
held_by_provider = "1575"
own_transfer = "1960"
provider_loan = "2280"
other_income = {{ account = "3990", vat = "none" }}
other_expense = {{ account = "7790", vat = "none" }}
bank = "1920"
provider_payable = "2990"
rounding = "7740"
exchange_gain = "8060"
exchange_loss = "8160"
sales_clearing = "1579"
provider_balance = "1570"
in_transit = "1909"
provider_fee = {{ account = "7770", vat = "none" }}
"#
    );
    let secrets_toml = format!(
        r#"[{COMPANY}.stripe]
api_key = "{}"
webhook_secrets = ["{}"]

[{COMPANY}.vipps-mobilepay]
client_id = "{}"
client_secret = "{}"
subscription_key = "{}"
merchant_serial_number = "{}"
webhook_secrets = ["{}"]

[{COMPANY}.tripletex]
consumer_token = "{}"
employee_token = "{}"
"#,
        stripe::KEY,
        stripe::WEBHOOK_SECRET,
        vipps_mobilepay::CLIENT_ID,
        vipps_mobilepay::CLIENT_SECRET,
        vipps_mobilepay::SUBSCRIPTION_KEY,
        vipps_mobilepay::MERCHANT_SERIAL_NUMBER,
        vipps_mobilepay::WEBHOOK_SECRET,
        tripletex::CONSUMER_TOKEN,
        tripletex::EMPLOYEE_TOKEN,
    );
    Home { config_toml, secrets_toml }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::home;

    #[test]
    fn both_files_are_toml() {
        let home = home("http://127.0.0.1:4010/");
        let config: toml::Table = home.config_toml.parse().unwrap();
        let secrets: toml::Table = home.secrets_toml.parse().unwrap();
        assert_eq!(config["accounting"]["base_url"].as_str(), Some("http://127.0.0.1:4010/tripletex/v2"));
        for connection in ["webshop", "counter"] {
            let secret = config["connections"][connection]["secret"].as_str().unwrap();
            assert!(secrets["sandbox"].get(secret).is_some());
        }
    }
}
