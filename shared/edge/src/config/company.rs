//! `[company]` and `[accounting]`: whose books these are, and where vouchers go.

use chrono_tz::Tz;
use ledger::Currency;

use super::problem::shown;
use super::section::Section;
use super::{Known, SystemFacts};

/// The company whose books these are.
#[derive(Clone, Debug, PartialEq)]
pub struct Company {
    /// The company's id: 1 to 40 of a-z, 0-9 and -. It equals the file's name and never changes.
    pub id: String,
    /// The company's name as it stands on documents.
    pub name: String,
    /// The organisation number; `None` if it is not given.
    pub org_no: Option<String>,
    /// The company's country, two capitals (`NO`, `SE`, `DK`, `FI`).
    pub country: String,
    /// The currency of the books.
    pub currency: Currency,
    /// The time zone that turns timestamps into days.
    pub time_zone: Tz,
}

/// The accounting system that vouchers go to.
#[derive(Clone, Debug, PartialEq)]
pub struct Accounting {
    /// The system's name, for example `journal`.
    pub system: String,
    /// The entry of the company's secrets bundle; `None` for systems that need none.
    pub secret: Option<String>,
    /// Whether vouchers are booked at once. Default `booked`.
    pub post: Post,
    /// What happens to a voucher whose period is closed. Default `hold`.
    pub closed_period: ClosedPeriod,
    /// An address in place of the system's own; `None` for the system's own. On one machine any address of
    /// this machine, in the cloud only hosts that the deployment allows.
    pub base_url: Option<String>,
}

words! {
    /// How vouchers are written.
    Post {
        /// Booked.
        Booked = "booked",
        /// As drafts, which a person books. Drafts do not count as posted.
        Draft = "draft",
    }
}

words! {
    /// What happens to a voucher whose accounting period is closed.
    ClosedPeriod {
        /// It waits for a person.
        Hold = "hold",
        /// Lines without VAT are dated to the first open day of the same fiscal year, with the true day in
        /// the text.
        FirstOpen = "first-open",
    }
}

/// `None` never happens: every value that cannot be used has a stand-in.
pub(super) fn read(mut section: Section<'_>) -> Option<Company> {
    let id = section.name("id");
    section.missing("id", "give the file's name without .toml, as in id = \"nordlys\"");
    if let Some(id) = &id {
        let file = section.notes.file;
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        if name.strip_suffix(".toml") != Some(id.as_str()) {
            section.error(
                "id",
                format!(
                    "\"{id}\" is not the name of the file {}; the id never changes: rename the file to \
                 {id}.toml, or correct the id if the company is new",
                    shown(name),
                ),
            );
        }
    }
    let name = section.text("name", 100);
    section.missing("name", "give the company's name, as in name = \"Nordlys Keramikk AS\"");
    let org_no = section.text("org_no", 20);
    let country = section.country("country");
    section.missing("country", "give two capitals, as in country = \"NO\"");
    let currency = section.currency("currency");
    section.missing("currency", "give the currency of the books, as in currency = \"NOK\"");
    let time_zone = section.zone("time_zone");
    section.missing("time_zone", "give the IANA name, as in time_zone = \"Europe/Oslo\"");
    section.finish();
    Some(Company {
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        org_no,
        country: country.unwrap_or_default(),
        currency: currency.or_else(|| Currency::parse("NOK").ok())?,
        time_zone: time_zone.unwrap_or(Tz::UTC),
    })
}

pub(super) fn read_accounting(mut section: Section<'_>, known: &Known<'_>) -> Accounting {
    let names: Vec<&str> = known.systems.iter().map(|system| system.name).collect();
    let names = names.join(", ");
    let system = section.text("system", 40);
    section.missing("system", &format!("give one of this version's systems: {names}"));
    let facts = system.as_ref().and_then(|name| known.systems.iter().find(|system| system.name == name));
    if let (Some(name), None) = (&system, facts) {
        section.error("system", format!("{} is not in this version; this version has: {names}", shown(name)));
    }
    let secret = section.name("secret");
    if let Some(facts) = facts.filter(|facts| facts.needs_secret) {
        section.missing("secret", &format!(
            "{} needs one: give the name of an entry of the company's secrets bundle, as in secret = \"{0}\"",
            facts.name,
        ));
    }
    let post = section.choice("post", Post::ALL, Post::name, &[]).unwrap_or(Post::Booked);
    if let Some(SystemFacts { name, .. }) = facts.filter(|facts| !facts.has_drafts)
        && post == Post::Draft
    {
        section.error(
            "post",
            format!("the system {name} has no drafts; write post = \"booked\" or remove the key"),
        );
    }
    let closed_period = section
        .choice("closed_period", ClosedPeriod::ALL, ClosedPeriod::name, &[])
        .unwrap_or(ClosedPeriod::Hold);
    let base_url = section.url("base_url");
    section.finish();
    Accounting { system: system.unwrap_or_default(), secret, post, closed_period, base_url }
}
