//! The checklist: each of its ids that this repository answers for is named by a test that shows it.
//!
//! A test names an id in its comment, its title or the head of its file. Whoever adds a group adds a line to [`GROUPS`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The groups, and how many ids each has.
const GROUPS: [(&str, usize); 4] = [("API", 7), ("AUD", 3), ("TEN", 7), ("UP", 1)];

/// Where tests are.
const PLACES: [&str; 5] = ["crates", "tests/e2e", "fuzz/fuzz_targets", "scripts", ".ci"];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_source = path.extension().is_some_and(|e| ["rs", "py", "mjs"].iter().any(|known| e == *known));
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            files(&path, found);
        } else if is_source && !path.ends_with("checklist.rs") {
            found.push(path);
        }
    }
}

/// Whether a line begins a test, in Rust, Python or JavaScript.
fn begins_test(line: &str) -> bool {
    let line = line.trim_start();
    ["#[test]", "#[tokio::test", "def test_", "async def test_", "test("]
        .iter()
        .any(|start| line.starts_with(start))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "#", "\"\"\""].iter().any(|start| line.starts_with(start))
}

/// The ids that a file's tests name: in the comment right above one, in its title, or in the head of a file of tests.
fn named(text: &str, ids: &BTreeSet<String>) -> BTreeSet<String> {
    let lines: Vec<&str> = text.lines().collect();
    let has_tests = lines.iter().any(|line| begins_test(line));
    let in_line =
        |line: &str| ids.iter().filter(|id| line.contains(id.as_str())).cloned().collect::<Vec<_>>();
    let mut found = BTreeSet::new();
    for (n, line) in lines.iter().enumerate() {
        let is_head = has_tests && (line.starts_with("//!") || n == 0 && line.starts_with("\"\"\""));
        let above = lines[n..].iter().take_while(|l| is_comment(l) && !begins_test(l)).count();
        let is_above = is_comment(line) && lines.get(n + above).is_some_and(|line| begins_test(line));
        if is_head || is_above || begins_test(line) {
            found.extend(in_line(line));
        }
    }
    found
}

#[test]
fn every_id_of_the_checklist_is_named_by_a_test() {
    let ids: BTreeSet<String> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |n| format!("{group}-{n:02}")))
        .collect();
    let mut sources = Vec::new();
    PLACES.iter().for_each(|place| files(&root().join(place), &mut sources));
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources {
        let text = std::fs::read_to_string(&source).expect("a text");
        named(&text, &ids).into_iter().for_each(|id| *places.entry(id).or_default() += 1);
    }
    let missing: Vec<_> = ids.iter().filter(|id| !places.contains_key(*id)).collect();
    let groups: Vec<_> = GROUPS.iter().map(|(group, count)| format!("{group} {count}")).collect();
    println!(
        "checklist: {} ids ({}) named in {} places, {} without a test",
        ids.len(),
        groups.join(", "),
        places.values().sum::<usize>(),
        missing.len()
    );
    assert!(missing.is_empty(), "no test names {missing:?}");
}

#[test]
fn an_id_counts_where_a_test_names_it_and_nowhere_else() {
    let ids = BTreeSet::from(["API-01".to_owned(), "API-02".to_owned()]);
    let count = |text: &str| named(text, &ids).len();
    assert_eq!(count("/// Shown here (API-01).\n#[tokio::test]\nasync fn a() {}\n"), 1);
    assert_eq!(count("//! API-01, API-02\n#[test]\nfn a() {}\n"), 2);
    assert_eq!(count("def test_a():\n    \"\"\"x\"\"\"\n# API-02\ndef test_b():\n"), 1);
    assert_eq!(count("test(\"API-01: it\", () => {})\n"), 1);
    // Not by code, nor by a comment beside something else, nor in a file without tests.
    assert_eq!(count("/// API-01\nfn a() {}\n#[test]\nfn b() {}\n"), 0);
    assert_eq!(count("//! API-01\nfn a() {}\n"), 0);
}
