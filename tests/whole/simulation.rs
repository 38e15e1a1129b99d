//! Simulations: a number of seeds are right, the same seed does the same, and defects do not stay unnoticed.

use bilag_tests::simulation::crash_points::table;
use bilag_tests::simulation::defects::{DEFECTS, Defect};
use bilag_tests::simulation::history::History;
use bilag_tests::simulation::{shrink, simulate};

/// Demands that seeds end with the books right; one that does not is told with as little as it needs.
fn right(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let history = History::of(seed);
        let report = simulate(&history, None, false);
        if !report.wrong.is_empty() {
            let smallest = shrink(&history, None);
            let report = simulate(&smallest, None, false);
            panic!(
                "seed {seed}, of which this is enough:\n{smallest}{}{}",
                report.trail,
                report.wrong.join("\n")
            );
        }
    }
}

// Four tests, so that they run side by side.
const EACH: u64 = 50;

#[test]
fn seeds_are_right() {
    right(1..=EACH);
}

#[test]
fn more_seeds_are_right() {
    right(EACH + 1..=2 * EACH);
}

#[test]
fn still_more_seeds_are_right() {
    right(2 * EACH + 1..=3 * EACH);
}

#[test]
fn the_last_seeds_are_right() {
    right(3 * EACH + 1..=4 * EACH);
}

#[test]
fn the_same_seed_makes_the_same_calls_at_the_same_times() {
    for seed in [3, 14] {
        let (one, other) =
            (simulate(&History::of(seed), None, true), simulate(&History::of(seed), None, true));
        let differs = one.log.iter().zip(&other.log).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((one.trace, one.calls, one.injected), (other.trace, other.calls, other.injected));
    }
}

#[test]
fn deaths_and_lost_answers_at_calls_of_a_quiet_run_change_nothing() {
    // Every one is tried by the binary.
    let points = table(19, 1);
    let wrong: Vec<_> = points.iter().filter(|point| !point.wrong.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for function in ["discover-payouts", "fetch-settlement", "post-voucher"] {
        assert!(points.iter().any(|point| point.name.starts_with(function)), "{function}");
    }
}

/// Demands that a defect is found within its number of seeds.
fn found(defect: Defect) {
    let within = DEFECTS.iter().find(|(known, _)| *known == defect).unwrap().1;
    let finds = |seed| !simulate(&History::of(seed), Some(defect), false).wrong.is_empty();
    assert!((1..=within).any(finds), "{defect:?} stays unnoticed in {within} seeds");
}

#[test]
fn a_defect_is_found_no_lookup() {
    found(Defect::NoLookup);
}

#[test]
fn a_defect_is_found_no_lookup_after_renewal() {
    found(Defect::NoLookupAfterRenewal);
}

#[test]
fn a_defect_is_found_sends_again_when_lost() {
    found(Defect::SendsAgainWhenLost);
}

#[test]
fn a_defect_is_found_part_posted_twice() {
    found(Defect::PartPostedTwice);
}

#[test]
fn a_defect_is_found_lease_without_fencing() {
    found(Defect::LeaseWithoutFencing);
}

#[test]
fn a_defect_is_found_record_expires() {
    found(Defect::RecordExpires);
}

#[test]
fn a_defect_is_found_intent_after_send() {
    found(Defect::IntentAfterSend);
}

#[test]
fn a_defect_is_found_seconds_for_milliseconds() {
    found(Defect::SecondsForMilliseconds);
}

#[test]
fn a_defect_is_found_stale_item_trusted() {
    found(Defect::StaleItemTrusted);
}

#[test]
fn a_defect_is_found_fee_rounded() {
    found(Defect::FeeRounded);
}

#[test]
fn a_defect_is_found_row_dropped() {
    found(Defect::RowDropped);
}

#[test]
fn a_defect_is_found_hold_ignored() {
    found(Defect::HoldIgnored);
}

#[test]
fn a_defect_is_found_return_mistaken() {
    found(Defect::ReturnMistaken);
}
