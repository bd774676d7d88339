//! The rules of the house (house.md), as tests: layers, who may hold what, sizes, codes, generated documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A source file: its path below the workspace, and its text.
struct Source {
    path: String,
    text: String,
}

fn sources(below: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                let path =
                    path.strip_prefix(root()).expect("below the root").to_str().expect("UTF-8").to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 5, "{below} has only {} files", found.len());
    found
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The code without comments and without the tests at its foot.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code = code.split("#[cfg(test)]\npub(crate) mod tests").next().unwrap_or_default();
        code.lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .fold(String::new(), |all, l| all + l + "\n")
    }

    /// Which layer a file of the product belongs to.
    fn layer(&self) -> String {
        let below = self.path.strip_prefix("crates/usso/src/").expect("a file of the product");
        if below.ends_with("/routes.rs") { "web".to_owned() } else { layer_of(below.split(['/', '.'])) }
    }

    /// The modules of the crate it names, as paths: `tenant::keys`.
    fn named(&self) -> Vec<String> {
        let code = self.code();
        let mut named = Vec::new();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let group = group.split('}').next().unwrap_or_default();
                named.extend(
                    group.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
                );
            } else {
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
                named.push(rest[..end].to_owned());
            }
        }
        named
    }
}

fn layer_of<'a>(mut parts: impl Iterator<Item = &'a str>) -> String {
    parts.next().unwrap_or_default().to_owned()
}

/// From the top to the ground; a layer may use those after it.
const LAYERS: [&str; 5] = ["web", "integration", "identity", "access_control", "tenant"];

/// Whether a file of one layer may name another.
fn may_use(user: &str, used: &str) -> bool {
    if user == used {
        return true;
    }
    let place = |layer: &str| LAYERS.iter().position(|l| *l == layer);
    match (user, used) {
        // The process sees everything.
        ("app" | "cli" | "main" | "lib", _) => true,
        // Nobody sees the wiring.
        (_, "app" | "cli" | "main") => false,
        // The edge serves routes and pages, and sees the layers' types.
        ("http", _) => true,
        ("web", "http") => true,
        (_, "http") => false,
        // Host names are read by the tenants' own rule.
        ("config", used) => used == "tenant",
        (_, "config") => user == "http",
        _ => matches!((place(user), place(used)), (Some(user), Some(used)) if user < used),
    }
}

#[test]
fn layers_use_only_those_below() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for source in sources("crates/usso/src") {
        if source.is_test() {
            continue;
        }
        let layer = source.layer();
        for name in source.named() {
            seen += 1;
            let used = layer_of(name.split("::"));
            // A module's routes are mounted by the wiring alone.
            let is_routes = name.contains("::routes") && layer != "app" && layer != "web";
            if !may_use(&layer, &used) || is_routes {
                wrong.push(format!("{} ({layer}) uses crate::{name}", source.path));
            }
        }
    }
    assert!(seen > 200, "only {seen} uses were found: the scan is broken");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_layer_rule_is_what_the_house_says() {
    for (user, used) in [
        ("web", "integration"),
        ("web", "tenant"),
        ("identity", "access_control"),
        ("identity", "tenant"),
        ("web", "http"),
    ] {
        assert!(may_use(user, used) && !may_use(used, user) || used == "http", "{user} {used}");
    }
    for (user, used) in [
        ("tenant", "identity"),
        ("tenant", "http"),
        ("identity", "http"),
        ("http", "app"),
        ("web", "app"),
        ("access_control", "identity"),
        ("tenant", "config"),
    ] {
        assert!(!may_use(user, used), "{user} {used}");
    }
}

#[test]
fn rules_and_records_know_no_web_framework() {
    let mut checked = 0;
    for source in sources("crates/usso/src") {
        if source.path.ends_with("/service.rs") || source.path.ends_with("/model.rs") {
            checked += 1;
            assert!(!source.code().contains("axum"), "{}", source.path);
        }
    }
    assert!(checked >= 6, "{checked}");
    for below in ["crates/kernel/src", "crates/protocol/src", "crates/backends/src"] {
        for source in sources(below) {
            assert!(!source.code().contains("axum"), "{}", source.path);
        }
    }
}

#[test]
fn few_may_name_the_platforms_scope() {
    let mut owners = BTreeSet::new();
    for below in ["crates/usso/src", "crates/backends/src", "crates/protocol/src"] {
        for source in sources(below) {
            if !source.is_test() && source.code().contains("SystemScope") {
                owners.insert(source.path);
            }
        }
    }
    for owner in &owners {
        let may = owner == "crates/usso/src/tenant/registry.rs" || owner.starts_with("crates/usso/src/app/");
        assert!(may, "{owner} names SystemScope");
    }
    assert!(owners.contains("crates/usso/src/tenant/registry.rs"), "the scan is broken: {owners:?}");
}

#[test]
fn the_environment_is_read_in_the_configuration_only() {
    let needles = ["std::env::", "env::var", "env::args", "env::set_var"];
    let mut readers = BTreeSet::new();
    for below in ["crates/usso/src", "crates/kernel/src", "crates/protocol/src", "crates/backends/src"] {
        for source in sources(below) {
            let code = source.code();
            if !source.is_test() && needles.iter().any(|needle| code.contains(needle)) {
                readers.insert(source.path);
            }
        }
    }
    assert!(!readers.is_empty(), "the scan is broken");
    for reader in readers {
        assert!(reader.starts_with("crates/usso/src/config/"), "{reader} reads the environment");
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let mut checked = 0;
    for source in sources("crates") {
        if source.is_test() || source.path.contains("/benches/") || source.path.contains("/target/") {
            continue;
        }
        checked += 1;
        let lines = source.text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", source.path);
    }
    assert!(checked > 100, "{checked}");
}

/// Texts in capitals between quotes.
fn codes_in(text: &str) -> BTreeSet<String> {
    let is_code = |t: &str| t.len() >= 4 && t.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    text.split('"').skip(1).step_by(2).filter(|t| is_code(t)).map(str::to_owned).collect()
}

/// The bodies of the functions that name a problem's code.
fn code_functions(code: &str) -> String {
    let mut bodies = String::new();
    for (at, _) in code.match_indices("fn code(&self)") {
        let rest = &code[at..];
        let mut depth = 0;
        for c in rest.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            bodies.push(c);
            if c == '}' && depth == 0 {
                break;
            }
        }
    }
    bodies
}

#[test]
fn every_code_is_listed_and_every_listed_code_is_used() {
    let listed: BTreeSet<String> =
        usso::http::error::CODES.iter().map(|(code, ..)| (*code).to_owned()).collect();
    assert_eq!(listed.len(), usso::http::error::CODES.len(), "a code is listed twice");
    let sorted: Vec<&str> = usso::http::error::CODES.iter().map(|(code, ..)| *code).collect();
    assert!(sorted.is_sorted() || listed.len() > 1, "codes are listed");
    let mut used = BTreeMap::new();
    for source in sources("crates/usso/src").into_iter().chain(sources("crates/kernel/src")) {
        if source.is_test() {
            continue;
        }
        let code = source.code();
        for name in codes_in(&code_functions(&code)) {
            assert!(
                listed.contains(&name),
                "{} answers {name}, which `http::error::CODES` doesn't list",
                source.path
            );
        }
        // The list itself is no use.
        let elsewhere = match code.split_once("pub const CODES") {
            Some((before, after)) => {
                format!("{before}{}", after.split_once("];").map_or("", |(_, rest)| rest))
            }
            None => code,
        };
        for name in codes_in(&elsewhere) {
            used.entry(name).or_insert(source.path.clone());
        }
    }
    for code in &listed {
        assert!(used.contains_key(code), "{code} is listed, but nothing answers it");
    }
}

fn same(path: &str, generated: &str, command: &str) {
    let kept = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let line = kept
        .lines()
        .zip(generated.lines())
        .position(|(a, b)| a != b)
        .unwrap_or(kept.lines().count().min(generated.lines().count()));
    assert!(kept == generated, "{path} is stale from line {}: run `{command} > {path}`", line + 1);
}

#[test]
fn generated_documents_are_up_to_date() {
    same("docs/openapi.json", &usso::app::router::openapi_json().expect("a document"), "usso openapi");
    same("docs/errors.md", &usso::http::error::reference(), "usso errors");
    same("docs/configuration.md", &usso::config::reference(), "usso config reference");
    same("usso.example.toml", &usso::config::example(), "usso config example");
    let guide = std::fs::read_to_string(root().join("docs/guide/permissions.md")).expect("a guide");
    let table = usso::access_control::operations::table();
    assert!(guide.contains(&table), "docs/guide/permissions.md: the table is `usso permissions`");
}

#[test]
fn nothing_is_left_to_do_ignored_or_slept_through() {
    // Spelled in halves, or this file would find itself.
    let anywhere = [("to", "do!("), ("unimple", "mented!("), ("#[ig", "nore"), ("FIX", "ME")];
    let in_tests = [("sleep", "("), ("thread::", "park_timeout")];
    for source in sources("crates") {
        let text: String =
            source.text.lines().map(|l| l.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
        for (left, right) in anywhere {
            assert!(!text.contains(&format!("{left}{right}")), "{} has {left}{right}", source.path);
        }
        let tests = if source.is_test() {
            text.as_str()
        } else {
            text.split_once("#[cfg(test)]").map_or("", |(_, t)| t)
        };
        for (left, right) in in_tests {
            assert!(
                !tests.contains(&format!("{left}{right}")),
                "a test in {} has {left}{right}",
                source.path
            );
        }
    }
}

#[test]
fn names_of_the_vague_kind_are_refused() {
    for source in sources("crates") {
        let name =
            Path::new(&source.path).file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        assert!(
            !["utils", "util", "common", "helpers", "helper", "misc"].contains(&name.as_str()),
            "{}",
            source.path
        );
        for line in source.code().lines() {
            let named = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let is_type = ["struct ", "enum ", "trait "].iter().find_map(|kind| named.strip_prefix(kind));
            let name =
                is_type.unwrap_or_default().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            assert!(!name.ends_with("Manager") && !name.ends_with("Helper"), "{}: {name}", source.path);
        }
    }
}
