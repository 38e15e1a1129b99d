//! `contract <specs> [<samples>] [--exchanges <folder>]`: judges each request that bilag sends and each answer of the
//! simulated systems by the providers' own documents, and reads the providers' own samples.
//!
//! The simulators may be wrong in the same way as a connector; the documents and the validator are somebody else's.
//! The folders are no part of the project. Whatever is wrong makes it end with 1; a folder that is not there, with 2.

#![allow(clippy::unwrap_used)]

mod judge;
mod openapi;
mod passes;
mod samples;
mod systems;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bilag_tests::simulated::{self, Exchange};
use serde_json::Value;

use judge::Judge;
use systems::{SYSTEMS, System};

// What is waited for between calls passes at once.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.iter().position(|argument| argument == "--exchanges").map(|at| {
        let folder = arguments.get(at + 1).cloned().unwrap_or_default();
        arguments.drain(at..(at + 2).min(arguments.len()));
        PathBuf::from(folder)
    });
    let Some(specs) = arguments.first().map(PathBuf::from).filter(|specs| specs.is_dir()) else {
        println!("contract: there is no folder of documents; give one: contract <specs> [<samples>]");
        return ExitCode::from(2);
    };
    let exchanges = passes::all().await;
    let mut real = Vec::new();
    if let Some(samples) = arguments.get(1).map(PathBuf::from) {
        if !samples.is_dir() {
            println!("contract: there is no folder {}", samples.display());
            return ExitCode::from(2);
        }
        real = samples::all(&samples).await;
    }
    let mut wrong = 0;
    for system in SYSTEMS {
        let own = of(system, &exchanges);
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).unwrap();
            simulated::write(&folder.join(format!("{}.jsonl", system.name)), &own);
        }
        let real = of(system, &real);
        wrong += report(system, &specs, &own, &real);
    }
    let judged: usize = SYSTEMS.iter().map(|system| of(system, &exchanges).len()).sum();
    assert_eq!(judged, exchanges.len(), "an exchange is of no system");
    println!("\n{} exchanges, {wrong} wrong", exchanges.len());
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn of(system: &System, exchanges: &[Exchange]) -> Vec<Exchange> {
    let is_own = |exchange: &&Exchange| exchange.request.uri().path().starts_with(system.prefix);
    exchanges.iter().filter(is_own).cloned().collect()
}

/// Judges the exchanges of one system and prints what was covered; the number of things that are wrong.
fn report(system: &System, specs: &Path, exchanges: &[Exchange], real: &[Exchange]) -> usize {
    println!("\n{}", system.name);
    let mut documents = Vec::new();
    for file in system.files {
        let path = specs.join(system.name).join(file);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let document = openapi::read(file, &text).unwrap_or_else(|error| panic!("{error}"));
        println!("  {file} ({})", document["info"]["version"].as_str().unwrap_or("no version"));
        documents.push(document);
    }
    let full = with_differences(system, &documents, None);
    let judge = judged(system, &full, exchanges, real);
    for (name, covered) in &judge.covered {
        let answers: Vec<String> =
            covered.answers.iter().map(|(status, count)| format!("{status} x {count}")).collect();
        println!(
            "  {name:<58} {:>4} requests; answers {}; members {} of {}",
            covered.requests,
            answers.join(", "),
            covered.members.seen.len(),
            covered.members.declared.len(),
        );
    }
    let mut wrong = judge.violations.len() + usize::from(exchanges.is_empty());
    if !real.is_empty() {
        println!("  {} real answers judged besides", real.len());
    }
    let misspelt = judge.misspell(system.prefix);
    println!(
        "  misspelt on purpose: {} objects, noticed {}",
        misspelt.tried,
        misspelt.tried - misspelt.free.len()
    );
    for place in &misspelt.free {
        println!("    the document leaves free: {place}");
    }
    wrong += misspelt.blind.len();
    for what in misspelt.blind {
        println!("  WRONG {what}");
    }
    for (place, difference) in system.differences.iter().enumerate() {
        let without = with_differences(system, &documents, Some(place));
        let needed: usize = judged(system, &without, exchanges, real).violations.values().sum();
        println!("  tolerated ({needed} times): {}; {}", difference.what, difference.because);
        if needed == 0 {
            println!("  WRONG nothing needs this difference any more: remove it");
            wrong += 1;
        }
    }
    for (what, count) in &judge.violations {
        println!("  WRONG {what} ({count} times)");
    }
    wrong
}

fn judged<'d>(
    system: &System,
    documents: &'d [Value],
    exchanges: &[Exchange],
    real: &[Exchange],
) -> Judge<'d> {
    let mut judge = Judge::new(documents);
    for exchange in exchanges {
        judge.judge(system.prefix, exchange);
    }
    for exchange in real {
        judge.judge_answer(system.prefix, exchange);
    }
    judge
}

/// The documents with all differences worked in but one.
fn with_differences(system: &System, documents: &[Value], but: Option<usize>) -> Vec<Value> {
    let mut documents = documents.to_vec();
    for (place, difference) in system.differences.iter().enumerate() {
        if but != Some(place) {
            (difference.apply)(&mut documents[difference.file]);
        }
    }
    documents
}
