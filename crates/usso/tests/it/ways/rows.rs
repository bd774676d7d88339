//! Each row of the checklist about ways in has a test that is named after it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The groups and how many rows each has.
const GROUPS: [(&str, u32); 8] =
    [("otp", 5), ("rec", 3), ("mfa", 2), ("ses", 5), ("soc", 4), ("wa", 14), ("pw", 10), ("wh", 1)];

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|own| own == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_row_about_ways_in_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    ["src", "tests/it"].iter().for_each(|below| files(&root.join(below), &mut all));
    let mut tests: BTreeMap<String, usize> = BTreeMap::new();
    for path in all {
        let text = std::fs::read_to_string(&path).expect("a text");
        // A test is a function below its attribute.
        for after in text.split("#[tokio::test").skip(1).chain(text.split("#[test]").skip(1)) {
            let name = after.split_once("fn ").map(|(_, rest)| rest).unwrap_or_default();
            let mut parts = name.split('_');
            if let (Some(group), Some(row)) = (parts.next(), parts.next()) {
                *tests.entry(format!("{group}_{row}")).or_default() += 1;
            }
        }
    }
    let rows =
        GROUPS.iter().flat_map(|(group, count)| (1..=*count).map(move |row| format!("{group}_{row:02}")));
    let (named, missing): (Vec<_>, Vec<_>) = rows.partition(|row| tests.contains_key(row));
    let count: usize = named.iter().filter_map(|row| tests.get(row)).sum();
    println!("{} rows about ways in, {count} tests named after them", named.len());
    assert!(missing.is_empty(), "no test is named after {missing:?}");
}
