//! The command line as programs see it: exit codes, JSON, and what it leaves on the disk.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const MAPPING: &str = r#"
[company]
id = "shop"
name = "Shop AS"
country = "NO"
currency = "NOK"
time_zone = "Europe/Oslo"

[accounting]
system = "journal"

[connections.web]
provider = "stripe"
start_on = 2026-01-01

[accounts]
sales_clearing = "1579"
provider_balance = "1570"
in_transit = "1909"
provider_fee = { account = "7770", vat = "none" }
"#;

const HEADER: &str = "automatic_payout_id,balance_transaction_id,created_utc,currency,gross,fee,net,\
    reporting_category,source_id,order_id\n";

const SOUND: &str = "po_1,txn_1,2026-01-05 10:00:00,nok,100.00,3.00,97.00,charge,ch_1,N-1\n\
    po_1,txn_2,2026-01-06 10:00:00,nok,-20.00,0.00,-20.00,refund,re_1,N-1\n\
    po_1,txn_3,2026-01-07 12:00:00,nok,-77.00,0.00,-77.00,payout,po_1,\n";

const ODD: &str = "po_2,txn_4,2026-01-08 10:00:00,nok,50.00,0.00,50.00,moon_dust,,N-2\n\
    po_2,txn_5,2026-01-09 12:00:00,nok,-50.00,0.00,-50.00,payout,po_2,\n";

struct Home(tempfile::TempDir);

impl Home {
    /// A home with one company, and one report of `rows` if there are any.
    fn new(rows: &str) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.write("config/shop.toml", MAPPING);
        if !rows.is_empty() {
            home.write("inbox/shop/web/report.csv", &format!("{HEADER}{rows}"));
        }
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        bilag(&with_home(arguments, self.path()))
    }

    /// Every file with its bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    found.insert(path.clone(), Vec::new());
                    folders.push(path);
                } else {
                    found.insert(path.clone(), std::fs::read(&path).unwrap());
                }
            }
        }
        found
    }
}

/// The arguments with `HOME` replaced by the folder.
fn with_home(arguments: &[&str], home: &Path) -> Vec<String> {
    let home = home.to_str().unwrap();
    arguments.iter().map(|argument| argument.replace("HOME", home)).collect()
}

struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// The objects of one type on standard output, which must be JSON lines only.
    fn objects(&self, kind: &str) -> Vec<Value> {
        let objects = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        objects.filter(|object| object["type"] == kind).collect()
    }

    fn summary(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }
}

fn bilag<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ran {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_bilag")).args(arguments).output().unwrap();
    Ran {
        exit: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn demo(name: &str) -> Home {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/homes").join(name);
    let home = Home(tempfile::tempdir().unwrap());
    for part in ["config", "inbox"] {
        let mut folders = vec![from.join(part)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let target = home.path().join(path.strip_prefix(&from).unwrap());
                if path.is_dir() {
                    folders.push(path);
                } else {
                    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                    std::fs::copy(path, target).unwrap();
                }
            }
        }
    }
    home
}

#[test]
fn a_sound_home_ends_with_0_and_prints_vouchers_and_a_summary() {
    let home = Home::new(SOUND);
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.exit, 0, "{}{}", ran.stdout, ran.stderr);
    let vouchers = ran.objects("voucher");
    assert_eq!(vouchers.len(), 1);
    let expected = serde_json::json!({
        "type": "voucher", "company": "shop", "connection": "web", "settlement": "stripe:po_1",
        "reference": "stripe:po_1", "purpose": "settlement", "part": "1/1", "state": "posted", "on": "2026-01-07",
        "currency": "NOK", "lines": [
            { "account": "1909", "amount": "77.00", "vat": "none", "text": "Stripe payout po_1" },
            { "account": "1579", "amount": "-100.00", "vat": "none", "text": "Stripe sales" },
            { "account": "1579", "amount": "20.00", "vat": "none", "text": "Stripe refunds" },
            { "account": "7770", "amount": "3.00", "vat": "none", "text": "Stripe fees (processing)" },
        ],
    });
    assert_eq!(vouchers[0], expected);
    let summary =
        serde_json::json!({ "type": "summary", "posted": 1, "held": 0, "waiting": 0, "unknown": 0 });
    assert_eq!(ran.summary(), summary);

    let again = home.run(&["run", "HOME", "--json"]);
    assert_eq!((again.exit, again.objects("voucher").len()), (0, 0));
    assert_eq!(again.summary()["posted"], 0);
}

#[test]
fn a_held_settlement_ends_with_1_and_is_told_with_cause_and_remedy() {
    let home = Home::new(&format!("{SOUND}{ODD}"));
    for command in ["run", "status"] {
        let ran = home.run(&[command, "HOME", "--json"]);
        assert_eq!(ran.exit, 1, "{command}");
        let held = ran.objects("held");
        assert_eq!(held.len(), 1, "{command}");
        assert_eq!(held[0]["company"], "shop");
        assert_eq!(held[0]["settlement"], "stripe:po_2");
        assert_eq!(held[0]["cause"], "unknown-line");
        assert!(!held[0]["remedy"].as_str().unwrap().is_empty());
        assert_eq!(ran.summary()["held"], 1);
    }
    // The sound one went on all the same.
    assert_eq!(home.run(&["show", "HOME", "stripe:po_1"]).exit, 0);
    let shown = home.run(&["show", "HOME", "shop/stripe:po_2", "--json"]);
    assert_eq!(shown.exit, 1);
    assert_eq!(shown.objects("held")[0]["cause"], "unknown-line");
}

#[test]
fn status_prints_the_vouchers_without_lines() {
    let home = Home::new(SOUND);
    home.run(&["run", "HOME"]);
    let ran = home.run(&["status", "HOME", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let voucher = &ran.objects("voucher")[0];
    assert_eq!(
        keys(voucher),
        [
            "company",
            "connection",
            "currency",
            "on",
            "part",
            "purpose",
            "reference",
            "settlement",
            "state",
            "type"
        ]
    );
    let transit = &ran.objects("in-transit")[0];
    assert_eq!((transit["amount"].as_str(), transit["on"].as_str()), (Some("77.00"), Some("2026-01-07")));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_counts_as_held() {
    let home = Home::new(SOUND);
    home.write("inbox/shop/web/answer.json", "{\"object\":\"list\"}");
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.exit, 1);
    let errors = ran.objects("error");
    assert_eq!(errors.len(), 1);
    assert_eq!(keys(&errors[0]), ["at", "cause", "file", "type"]);
    assert_eq!(errors[0]["file"], "inbox/shop/web/answer.json");
    assert_eq!(ran.summary()["held"], 1);
    assert_eq!(ran.summary()["posted"], 1);
}

#[test]
fn a_file_in_no_connections_folder_is_an_error_that_names_the_folders_there_are() {
    let home = Home::new(SOUND);
    let misplaced = [
        ("inbox/loose.csv", "no company's folder"),
        ("inbox/shop/loose.csv", "no connection's folder"),
        ("inbox/shop/webb/report.csv", "no connection \"webb\""),
        ("inbox/shop/bank/january.xml", "kept for bank statements, which this version cannot read yet"),
        ("inbox/shopp/web/report.csv", "there is no config/shopp.toml"),
    ];
    for (file, _) in misplaced {
        home.write(file, &format!("{HEADER}{SOUND}"));
    }
    for hidden in ["inbox/.DS_Store", "inbox/shop/.gitkeep", "inbox/shop/web/.DS_Store", "inbox/.git/config"]
    {
        home.write(hidden, "");
    }
    for command in ["run", "status"] {
        let ran = home.run(&[command, "HOME", "--json"]);
        assert_eq!(ran.exit, 1, "{command}: {}{}", ran.stdout, ran.stderr);
        let errors = ran.objects("error");
        assert_eq!(errors.len(), misplaced.len(), "{command}: {errors:?}");
        for (file, why) in misplaced {
            let error = errors.iter().find(|error| error["file"] == file).unwrap_or_else(|| panic!("{file}"));
            let cause = error["cause"].as_str().unwrap();
            assert!(cause.contains(why) && cause.contains("inbox/shop/web/"), "{file}: {cause}");
            assert_eq!(error["at"], "folder");
        }
        assert_eq!(ran.summary()["held"], misplaced.len(), "{command}");
        assert_eq!(ran.summary()["posted"], 1, "{command}");
    }
    for (file, _) in misplaced {
        std::fs::remove_file(home.path().join(file)).unwrap();
    }
    assert_eq!(home.run(&["run", "HOME", "--json"]).exit, 0);
}

#[test]
fn a_hidden_file_or_one_that_was_never_valid_makes_no_company() {
    let home = Home::new(SOUND);
    home.write("config/._shop.toml", "\0");
    assert_eq!(home.run(&["run", "HOME"]).exit, 0);
    home.write("config/copy.toml", MAPPING);
    assert_eq!(home.run(&["run", "HOME"]).exit, 2, "its id is not the file's name");
    std::fs::remove_file(home.path().join("config/copy.toml")).unwrap();
    let ran = home.run(&["run", "HOME"]);
    assert_eq!(ran.exit, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(home.run(&["show", "HOME", "stripe:po_1"]).exit, 0);
}

#[test]
fn bad_usage_ends_with_2() {
    assert_eq!(bilag(&["fly"]).exit, 2);
    assert_eq!(bilag(&["run"]).exit, 2);
    assert_eq!(bilag(&["--help"]).exit, 0);
    let home = Home::new(SOUND);
    home.run(&["run", "HOME"]);
    for arguments in [
        &["show", "HOME", "stripe:po_9"][..],
        &["show", "HOME", "nonsense"],
        &["release", "HOME", "stripe:po_1", "--reason", "why not"],
        &["reverse", "HOME", "stripe:po_1", "--reason", " "],
        &["reverse", "HOME", "stripe:po_1"],
    ] {
        assert_eq!(home.run(arguments).exit, 2, "{arguments:?}");
    }
}

#[test]
fn a_folder_that_is_no_home_ends_with_2_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["run", "preview", "check", "status", "replay"] {
        let ran = bilag(&[command, folder.path().to_str().unwrap()]);
        assert_eq!(ran.exit, 2, "{command}");
        assert!(ran.stderr.contains("bilag init"), "{}", ran.stderr);
        let missing = folder.path().join("missing");
        assert_eq!(bilag(&[command, missing.to_str().unwrap()]).exit, 2);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_home_that_another_process_holds_ends_with_3_and_tells_which() {
    let home = Home::new(SOUND);
    home.write("state/lock", "");
    let lock = std::fs::File::options().write(true).open(home.path().join("state/lock")).unwrap();
    lock.lock().unwrap();
    std::fs::write(home.path().join("state/lock"), "4711-99").unwrap();
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.exit, 3);
    assert!(ran.stderr.contains("4711"), "{}", ran.stderr);
    assert!(!home.path().join("out").exists());
    lock.unlock().unwrap();
    assert_eq!(home.run(&["run", "HOME"]).exit, 0);
}

#[test]
fn a_home_that_cannot_be_written_ends_with_3() {
    let home = Home::new(SOUND);
    // A folder where the store's file should be.
    std::fs::create_dir_all(home.path().join("state/store.db")).unwrap();
    let ran = home.run(&["run", "HOME"]);
    assert_eq!(ran.exit, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("store"), "{}", ran.stderr);
}

#[test]
fn an_invalid_configuration_ends_with_2_while_the_last_good_one_works_on() {
    let home = Home::new(SOUND);
    assert_eq!(home.run(&["run", "HOME"]).exit, 0);
    home.write("config/shop.toml", &MAPPING.replace("[accounts]", "[acounts]"));
    home.write("inbox/shop/web/later.csv", &format!("{HEADER}{}", SOUND.replace("po_1", "po_7")));
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.exit, 2, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.objects("voucher")[0]["reference"], "stripe:po_7");
    let complaints = ran.objects("config");
    assert!(complaints.iter().any(|line| line["severity"] == "error"), "{complaints:?}");
    assert_eq!(home.run(&["check", "HOME", "--offline"]).exit, 2);
}

#[test]
fn a_configuration_that_is_gone_ends_with_2_while_the_last_good_one_works_on() {
    let home = Home::new("");
    home.write("config/other.toml", &MAPPING.replace("\"shop\"", "\"other\""));
    assert_eq!(home.run(&["run", "HOME"]).exit, 0);
    std::fs::remove_file(home.path().join("config/shop.toml")).unwrap();
    home.write("inbox/shop/web/later.csv", &format!("{HEADER}{SOUND}"));
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.exit, 2, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.objects("voucher")[0]["reference"], "stripe:po_1");
    let complaints = ran.objects("config");
    assert!(
        complaints.iter().any(|line| line["message"].as_str().unwrap().contains("shop.toml is gone")),
        "{complaints:?}"
    );
    assert_eq!(home.run(&["check", "HOME"]).exit, 2);
    assert_eq!(home.run(&["show", "HOME", "shop/stripe:po_1"]).exit, 0);
}

#[test]
fn preview_tells_every_line_and_leaves_the_home_as_it_is() {
    let home = Home::new(SOUND);
    let before = home.files();
    let ran = home.run(&["preview", "HOME", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(home.files(), before);
    let voucher = &ran.objects("voucher")[0];
    assert_eq!(
        (voucher["state"].as_str(), voucher["reference"].as_str()),
        (Some("planned"), Some("stripe:po_1"))
    );
    let lines = voucher["lines"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["why"].as_str().unwrap().contains("accounts.")), "{lines:?}");

    // Nor in a home that has been worked on, with something new to see.
    home.run(&["run", "HOME"]);
    home.write("inbox/shop/web/more.csv", &format!("{HEADER}{ODD}{}", SOUND.replace("po_1", "po_8")));
    let before = home.files();
    let ran = home.run(&["preview", "HOME", "--json"]);
    assert_eq!(ran.exit, 1);
    assert_eq!(ran.objects("voucher").len(), 1);
    assert_eq!(home.files(), before);
    assert_eq!(home.run(&["check", "HOME"]).exit, 0);
    assert_eq!(home.files(), before);
}

#[test]
fn preview_shows_what_run_then_books() {
    let home = Home::new(SOUND);
    let lines = |ran: Ran| {
        let mut voucher = ran.objects("voucher").remove(0);
        for line in voucher["lines"].as_array_mut().unwrap() {
            line.as_object_mut().unwrap().remove("why");
        }
        (voucher["reference"].clone(), voucher["on"].clone(), voucher["lines"].clone())
    };
    let planned = lines(home.run(&["preview", "HOME", "--json"]));
    assert_eq!(lines(home.run(&["run", "HOME", "--json"])), planned);
}

#[test]
fn inspect_prints_settlements_without_the_payouts_own_row() {
    let home = Home::new(SOUND);
    let file = home.path().join("inbox/shop/web/report.csv");
    let ran = bilag(&["inspect", file.to_str().unwrap(), "--json"]);
    assert_eq!(ran.exit, 0);
    let expected = serde_json::json!({
        "type": "settlement", "provider": "stripe", "scope": "", "id": "po_1", "currency": "NOK",
        "payout_on": "2026-01-07", "payout": "77.00", "gross": "80.00", "fee": "3.00", "net": "77.00", "lines": [
            { "id": "txn_1", "kind": "sale", "on": "2026-01-05", "gross": "100.00", "fee": "3.00", "net": "97.00",
              "reference": "N-1", "remote_type": "charge" },
            { "id": "txn_2", "kind": "refund", "on": "2026-01-06", "gross": "-20.00", "fee": "0.00", "net": "-20.00",
              "reference": "N-1", "remote_type": "refund" },
        ],
    });
    let found: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found, [expected]);
}

#[test]
fn inspect_gives_an_error_and_nothing_of_a_file_that_cannot_be_read() {
    let home = Home::new("");
    home.write("cut.csv", &format!("{HEADER}{SOUND}po_2,txn_9,2026-01"));
    let file = home.path().join("cut.csv");
    let ran = bilag(&["inspect", file.to_str().unwrap(), "--json"]);
    assert_eq!(ran.exit, 1);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(keys(&lines[0]), ["at", "cause", "type"]);
    assert_eq!(lines[0]["at"], "row 5");
    let wrong = bilag(&["inspect", file.to_str().unwrap(), "--as", "punched-cards"]);
    assert_eq!(wrong.exit, 1);
    assert_eq!(bilag(&["inspect", "/nowhere.csv", "--json"]).objects("error").len(), 1);
}

#[test]
fn init_makes_homes_that_check_accepts() {
    for country in ["NO", "SE", "DK"] {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let home = home.to_str().unwrap();
        let made = bilag(&["init", home, "--country", country, "--company", "acme"]);
        assert_eq!(made.exit, 0, "{}", made.stderr);
        let checked = bilag(&["check", home, "--offline", "--json"]);
        assert_eq!(checked.exit, 0, "{country}: {}", checked.stdout);
        let warned = checked.objects("config").iter().any(|line| line["severity"] != "valid");
        assert!(!warned, "{}", checked.stdout);
        assert!(folder.path().join("home/inbox/acme/stripe").is_dir());
        assert_eq!(bilag(&["run", home]).exit, 0);
        // A second time nothing is overwritten.
        assert_eq!(bilag(&["init", home, "--country", country, "--company", "acme"]).exit, 2);
    }
}

#[test]
fn init_refuses_what_this_version_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let home = home.to_str().unwrap();
    for wish in
        [["--country", "FR"], ["--system", "abacus"], ["--providers", "cash"], ["--company", "Ærlig AS"]]
    {
        let ran = bilag(&["init", home, wish[0], wish[1]]);
        assert_eq!(ran.exit, 2, "{wish:?}");
        assert!(!Path::new(home).exists(), "{wish:?}");
    }
}

#[test]
fn reverse_and_release_print_what_they_decided() {
    let home = Home::new(SOUND);
    home.run(&["run", "HOME"]);
    let reversed = home.run(&["reverse", "HOME", "stripe:po_1", "--reason", "wrong account", "--json"]);
    assert_eq!(reversed.exit, 0, "{}", reversed.stderr);
    assert_eq!(reversed.objects("decision")[0]["to"], "waiting(reversed)");
    assert_eq!(reversed.objects("voucher")[0]["reference"], "stripe:po_1:reversal");
    assert_eq!(home.run(&["status", "HOME", "--json"]).summary()["waiting"], 1);
    let released = home.run(&["release", "HOME", "stripe:po_1", "--reason", "account mended", "--json"]);
    assert_eq!(released.exit, 0, "{}", released.stderr);
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.objects("voucher")[0]["reference"], "stripe:po_1:r2");
    let trail = home.run(&["show", "HOME", "stripe:po_1", "--json"]).objects("trail");
    assert!(trail.iter().any(|entry| entry["cause"] == "wrong account"), "{trail:?}");
    assert_eq!(home.run(&["replay", "HOME"]).exit, 0);
}

#[test]
fn replay_ends_with_1_when_the_books_were_changed() {
    let home = Home::new(SOUND);
    home.run(&["run", "HOME"]);
    assert_eq!(home.run(&["replay", "HOME"]).exit, 0);
    let journal = home.path().join("out/shop/journal.hledger");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replace("1579", "3000")).unwrap();
    let ran = home.run(&["replay", "HOME", "--json"]);
    assert_eq!(ran.exit, 1);
    assert_eq!(ran.objects("differs")[0]["reference"], "stripe:po_1");
}

#[test]
fn with_several_companies_a_settlement_is_named_with_its_company() {
    let home = Home::new(SOUND);
    home.write("config/other.toml", &MAPPING.replace("\"shop\"", "\"other\""));
    assert_eq!(home.run(&["run", "HOME"]).exit, 0);
    let ran = home.run(&["show", "HOME", "stripe:po_1"]);
    assert_eq!(ran.exit, 2);
    assert!(ran.stderr.contains("2 companies"), "{}", ran.stderr);
    assert_eq!(home.run(&["show", "HOME", "shop/stripe:po_1"]).exit, 0);
}

#[test]
fn the_demo_home_nordlys_ends_with_0_and_its_vouchers_balance() {
    let home = demo("nordlys");
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let vouchers = ran.objects("voucher");
    assert_eq!(vouchers.len(), 41);
    for voucher in &vouchers {
        let øre =
            |line: &Value| -> i64 { line["amount"].as_str().unwrap().replace('.', "").parse().unwrap() };
        let sum: i64 = voucher["lines"].as_array().unwrap().iter().map(øre).sum();
        assert_eq!(sum, 0, "{voucher}");
    }
    assert_eq!(ran.summary()["posted"], 41);
    assert_eq!(home.run(&["replay", "HOME"]).exit, 0);
}

#[test]
fn the_demo_home_trouble_ends_with_1_and_shows_each_held_settlement() {
    let home = demo("trouble");
    let ran = home.run(&["run", "HOME", "--json"]);
    assert_eq!(ran.exit, 1);
    assert_eq!(ran.objects("held").len(), 11);
    assert_eq!(ran.objects("error").len(), 6);
    assert_eq!(ran.summary()["held"], 17);
    let open = "vipps-mobilepay:555555:open";
    for held in ran.objects("held").iter().filter(|held| held["settlement"] != open) {
        let name = held["settlement"].as_str().unwrap();
        let shown = home.run(&["show", "HOME", name, "--json"]);
        assert_eq!(shown.exit, 1, "{name}: {}", shown.stderr);
        assert_eq!(shown.objects("settlement")[0]["settlement"], held["settlement"]);
        assert_eq!(shown.objects("held")[0]["cause"], held["cause"]);
        let as_text = home.run(&["show", "HOME", name]);
        assert!(as_text.stdout.contains(held["remedy"].as_str().unwrap()), "{}", as_text.stdout);
    }
}
