//! The repository keeps its own rules: faults have tests, connectors have their files, documents name what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder with an extension, from the root on; build output and what runs leave behind is left out.
fn files(below: &str, extension: &str) -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(below)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn rust() -> Vec<(PathBuf, String)> {
    files("", "rs").into_iter().map(|path| (path.clone(), read(path))).collect()
}

/// Whether `word` stands in `text` with nothing of a name around it.
fn has_word(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part_of_name)
            && !text[at + word.len()..].chars().next().is_some_and(part_of_name)
    })
}

/// The numbers of faults that have a test.
fn tested() -> BTreeSet<u32> {
    let marker = "fn fault_";
    let mut tested = BTreeSet::new();
    for (path, text) in rust() {
        for (at, _) in text.match_indices(marker) {
            let rest = &text[at + marker.len()..];
            if let Some((number, _)) = rest.split_once('_').filter(|(number, _)| number.len() == 3) {
                tested.insert(number.parse().unwrap_or_else(|_| panic!("{}: {rest:.20}", path.display())));
            }
        }
    }
    tested
}

/// The table of `tests/faults.md`: fault, and what it waits for.
fn waiting() -> BTreeMap<u32, String> {
    let mut waiting = BTreeMap::new();
    for line in read("tests/faults.md").lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Ok(number) = cells[0].parse::<u32>() else {
            continue;
        };
        assert_eq!(cells.len(), 2, "{line}");
        assert!(!cells[1].is_empty(), "{line}");
        assert_eq!(waiting.insert(number, cells[1].to_owned()), None, "{number} stands twice");
    }
    waiting
}

#[test]
fn every_fault_has_a_test_or_says_what_it_waits_for() {
    let (tested, waiting) = (tested(), waiting());
    let missing: Vec<u32> =
        (1..=112).filter(|number| !tested.contains(number) && !waiting.contains_key(number)).collect();
    assert!(missing.is_empty(), "neither tested nor in tests/faults.md: {missing:?}");
    let unknown: Vec<&u32> =
        tested.iter().chain(waiting.keys()).filter(|number| !(1..=112).contains(*number)).collect();
    assert!(unknown.is_empty(), "no such fault: {unknown:?}");
}

#[test]
fn a_fault_that_waits_has_no_test_unless_it_is_covered_in_part() {
    let tested = tested();
    for (number, what) in waiting() {
        assert_eq!(tested.contains(&number), what.starts_with("in part"), "fault {number}: {what}");
    }
}

/// The folders of connectors: kind, name, and the registry's source.
fn connectors() -> Vec<(&'static str, String, String)> {
    let mut found = Vec::new();
    for kind in ["providers", "accounting"] {
        let source = format!("shared/{kind}/src");
        let registry = read(format!("{source}/lib.rs"));
        for entry in std::fs::read_dir(root().join(&source)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                found.push((kind, name, registry.clone()));
            }
        }
    }
    assert!(found.len() >= 3, "{found:?}");
    found
}

#[test]
fn every_connector_has_its_files() {
    for (kind, name, _) in connectors() {
        let folder = root().join(format!("shared/{kind}/src/{name}"));
        let has = |file: &str| folder.join(file).is_file();
        let verb = if kind == "providers" { "settle.rs" } else { "render.rs" };
        for file in ["README.md", "mod.rs", verb] {
            assert!(has(file), "{kind}/{name} has no {file}");
        }
        assert!(has("client.rs") || has("file.rs"), "{kind}/{name} has neither client.rs nor file.rs");
        if kind == "providers" {
            assert!(has("wire.rs"), "{kind}/{name} has no wire.rs");
        }
    }
}

#[test]
fn every_connector_is_registered_and_every_registered_one_is_a_folder() {
    let folders = connectors();
    for (kind, name, registry) in &folders {
        assert!(registry.contains(&format!("mod {name};")), "{kind}/{name} is no module");
        assert!(registry.contains(&format!("&{name}::")), "{kind}/{name} is not in REGISTRY");
    }
    let count = |kind: &str| folders.iter().filter(|(found, ..)| *found == kind).count();
    assert_eq!(providers::REGISTRY.len(), count("providers"));
    assert_eq!(accounting::REGISTRY.len(), count("accounting"));
    let names: BTreeSet<&str> = providers::REGISTRY.iter().map(|provider| provider.name()).collect();
    assert_eq!(names.len(), providers::REGISTRY.len(), "two providers have one name");
}

#[test]
fn every_connectors_readme_has_the_headings() {
    const HEADINGS: &[&str] =
        &["API", "Money", "Identity", "Mapping", "Paging and windows", "Errors", "Left out", "Not confirmed"];
    for (kind, name, _) in connectors() {
        let text = read(format!("shared/{kind}/src/{name}/README.md"));
        let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, HEADINGS, "{kind}/{name}");
    }
}

/// What stands between single backticks, code blocks left out.
fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn paths_that_the_documents_name_exist() {
    let extensions = ["rs", "md", "toml", "txt", "csv", "py", "sh", "yaml", "json"];
    let top: BTreeSet<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let mut count = 0;
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(document);
        for name in quoted(&text) {
            let is_path = name.contains('/') && !name.contains([' ', '<', '*', '{', '$', '|']);
            let first = name.split('/').next().unwrap().to_owned();
            let has_extension =
                name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension));
            if is_path
                && !["target", "HOME"].contains(&first.as_str())
                && (top.contains(&first) || has_extension)
            {
                assert!(root().join(&name).exists(), "{document} names {name}");
                count += 1;
            }
        }
        // Links to other places of the repository.
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            let path = target.split('#').next().unwrap();
            if !target.contains("://") && !path.is_empty() {
                assert!(root().join(path).exists(), "{document} links to {target}");
                count += 1;
            }
        }
    }
    assert!(count > 20, "only {count} paths were found");
}

#[test]
fn causes_in_the_documents_are_those_of_the_code() {
    let text = read("ARCHITECTURE.md");
    let (_, after) = text.split_once("\n## Causes\n").expect("ARCHITECTURE.md has a heading Causes");
    let section = after.split("\n## ").next().unwrap();
    let documented: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| line.split('`').next().unwrap())
        .collect();
    let known: Vec<&str> = ledger::Cause::ALL.iter().map(|cause| cause.name()).collect();
    assert_eq!(documented, known);
}

#[test]
fn no_source_file_has_two_subjects() {
    for (path, text) in rust() {
        let lines = text.lines().count();
        assert!(lines <= 800, "{} has {lines} lines", path.display());
    }
}

#[test]
fn entry_points_of_functions_are_a_screenful() {
    for path in files("functions", "rs") {
        if path.ends_with("src/main.rs") && !path.starts_with("functions/bilag") {
            let lines = read(&path).lines().count();
            assert!(lines <= 60, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_switched_off() {
    // Put together here, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let calls = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    for (path, text) in rust() {
        for word in marks {
            assert!(!has_word(&text, word), "{} has {word}", path.display());
        }
        for call in calls {
            assert!(!text.contains(call), "{} has {call}", path.display());
        }
    }
}

#[test]
fn money_never_meets_a_float() {
    for below in ["shared/ledger", "shared/providers", "shared/accounting", "shared/store", "functions"] {
        for path in files(below, "rs") {
            let text = read(&path);
            for word in [concat!("f", "32"), concat!("f", "64")] {
                assert!(!has_word(&text, word), "{} has {word}", path.display());
            }
        }
    }
}

#[test]
fn demo_homes_are_described() {
    for entry in std::fs::read_dir(root().join("tests/homes")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for part in ["README.md", "expected.txt", "config", "inbox"] {
                assert!(path.join(part).exists(), "{} has no {part}", path.display());
            }
        }
    }
}
