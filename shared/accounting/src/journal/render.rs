//! A voucher as a journal transaction.

use std::collections::BTreeSet;

use ledger::Voucher;

/// The transaction of a voucher, without declarations and without the empty line behind it.
///
/// The same voucher gives the same bytes.
pub fn transaction(voucher: &Voucher) -> String {
    let mut text = format!(
        "{} * ({}) {}  ; ref:{}",
        voucher.on,
        voucher.reference,
        plain(&voucher.text),
        voucher.reference
    );
    if let Some(corrects) = &voucher.corrects {
        text.push_str(&format!(", corrects:{corrects}"));
    }
    text.push('\n');
    for posting in &voucher.postings {
        let mut tags = Vec::new();
        if posting.vat != "none" {
            tags.push(format!("vat:{}", plain(&posting.vat)));
        }
        for (name, dimension) in [("department", &posting.department), ("project", &posting.project)] {
            if let Some(dimension) = dimension {
                tags.push(format!("{name}:{}", plain(dimension)));
            }
        }
        tags.push(plain(&posting.text));
        text.push_str(&format!(
            "    {}  {} {}  ; {}\n",
            posting.account,
            posting.signed(),
            voucher.currency,
            tags.join(", ")
        ));
    }
    text
}

/// What is appended for a voucher: declarations that the journal does not have yet, the transaction, an empty line.
pub fn render(voucher: &Voucher, declared: &BTreeSet<String>) -> String {
    let mut text = String::new();
    let mut declare = |line: String| {
        if !declared.contains(&line) && !text.contains(&line) {
            text.push_str(&line);
            text.push('\n');
        }
    };
    let sample = match voucher.currency.digits() {
        0 => "1000.".to_owned(),
        digits => format!("1000.{}", "0".repeat(usize::try_from(digits).unwrap_or(2))),
    };
    declare(format!("commodity {sample} {}", voucher.currency));
    for posting in &voucher.postings {
        declare(format!("account {}", posting.account));
    }
    text.push_str(&transaction(voucher));
    text.push('\n');
    text
}

/// Text that cannot end a comment, begin one, or pass for a tag: no separators, no control characters, no colon
/// that is followed by a value.
fn plain(text: &str) -> String {
    let replaced: String = text
        .chars()
        .map(|c| if matches!(c, ';' | ',' | '|' | ':') || c.is_control() { ' ' } else { c })
        .collect();
    replaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
