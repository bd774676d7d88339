//! The rules of scopes once more, as plainly as they can be written, against the code under test. They share nothing but
//! the text: everything is split into lists here, and compared by hand.
//!
//! Each of 7,000 rounds takes four scopes, a path and an object: every scope is asked for every verb, and compared with
//! every other, which makes 112,000 comparisons and 336,000 questions. `PROPTEST_CASES` asks for more rounds.

use proptest::prelude::*;
use protocol::scope::{Scope, grants, is_narrower, satisfies};

mod naive {
    pub type Parts = (String, Vec<String>, Vec<(String, String)>);

    pub fn segments(path: &str) -> Vec<String> {
        path.split('/').map(|s| if s.is_empty() { "*".to_owned() } else { s.to_owned() }).collect()
    }

    /// Without percent signs: the generator writes none.
    pub fn parts(text: &str) -> Parts {
        let (before, query) = text.split_once('?').unwrap_or((text, ""));
        // An empty text grants nothing.
        let unsaid = if text.is_empty() { "none" } else { "read" };
        let (verb, path) = before.split_once(':').unwrap_or((unsaid, before));
        let mut filters: Vec<(String, String)> = Vec::new();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if !value.is_empty() && filters.iter().all(|(known, _)| known != name) {
                filters.push((name.to_owned(), value.to_owned()));
            }
        }
        (verb.to_owned(), segments(path), filters)
    }

    pub fn matches(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=text.len()).any(|n| matches(rest, text.get(n..).unwrap_or(&[]))),
            ([p, ps @ ..], [t, ts @ ..]) => p == t && matches(ps, ts),
            _ => false,
        }
    }

    pub fn text_matches(pattern: &str, text: &str) -> bool {
        matches(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
    }

    pub fn verb(held: &str, asked: &str) -> bool {
        let names = ["none", "read", "create", "update", "delete", "manage", "admin", "owner", "superadmin"];
        let rank = |verb: &str| {
            let verb = match verb {
                "write" => "update",
                "*" => "owner",
                other => other,
            };
            names.iter().position(|name| *name == verb)
        };
        match (rank(held), rank(asked)) {
            (Some(h), Some(a)) => h >= a,
            (Some(h), None) => h >= 6,
            (None, Some(_)) => false,
            (None, None) => held == asked,
        }
    }

    pub fn path(held: &[String], asked: &[String], one: fn(&str, &str) -> bool) -> bool {
        let mut segments = asked.iter().rev();
        held.iter().rev().all(|own| match segments.next() {
            Some(segment) => one(own, segment),
            None => own == "*",
        })
    }

    pub fn covered(parent: &str, child: &str) -> bool {
        if child.contains('*') { parent == "*" || parent == child } else { text_matches(parent, child) }
    }

    pub fn satisfies(held: &Parts, asked: &str, on: &str, attributes: &[(&str, &str)]) -> bool {
        verb(&held.0, asked)
            && path(&held.1, &segments(on), text_matches)
            && held.2.iter().all(|(n, v)| attributes.iter().any(|(a, x)| a == n && text_matches(v, x)))
    }

    pub fn is_narrower(child: &Parts, parent: &Parts) -> bool {
        verb(&parent.0, &child.0)
            && path(&parent.1, &child.1, covered)
            && parent.2.iter().all(|(n, v)| child.2.iter().any(|(c, x)| c == n && covered(v, x)))
    }
}

const ROUNDS: u32 = 7_000;

fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    ProptestConfig { cases: given.cases.max(ROUNDS), failure_persistence: None, ..given }
}

const VERBS: [&str; 12] = [
    "none",
    "read",
    "create",
    "update",
    "write",
    "delete",
    "manage",
    "admin",
    "owner",
    "*",
    "superadmin",
    "publish",
];

/// Few letters, so that things agree by chance often enough.
fn scope() -> impl Strategy<Value = String> {
    let path = "([ab]{1,2}|[ab]?[*][ab]?|)(/([ab]{1,2}|[ab]?[*]|)){0,3}";
    let filters = prop::collection::vec(("[ut]", "[ab*]{0,2}"), 0..3);
    (prop::option::weighted(0.9, prop::sample::select(&VERBS[..])), path, filters).prop_map(
        |(verb, path, filters)| {
            let verb = verb.map(|verb| format!("{verb}:")).unwrap_or_default();
            let filters: Vec<String> =
                filters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let query = if filters.is_empty() { String::new() } else { format!("?{}", filters.join("&")) };
            format!("{verb}{path}{query}")
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_naive_second_implementation_agrees(
        scopes in prop::collection::vec(scope(), 4),
        path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
        (u, t) in (prop::option::of("[ab]{1,2}"), prop::option::of("[ab]")),
    ) {
        let attributes = [("u", u.as_deref()), ("t", t.as_deref())];
        let attributes: Vec<(&str, &str)> = attributes.into_iter().filter_map(|(n, v)| Some((n, v?))).collect();
        for text in &scopes {
            let (scope, plain) = (Scope::parse(text), naive::parts(text));
            let is_on_path = naive::path(&plain.1, &naive::segments(&path), naive::text_matches);
            for verb in VERBS {
                let covers = naive::verb(&plain.0, verb) && is_on_path;
                prop_assert_eq!(scope.covers(verb, &path), covers, "{} covers {}:{}", text, verb, path);
                let allows = naive::satisfies(&plain, verb, &path, &attributes);
                prop_assert_eq!(satisfies(&scope, verb, &path, &attributes), allows, "{} allows {}:{}", text, verb, path);
                // The same question as requests ask it, of several paths.
                let paths = ["other/things", path.as_str()];
                prop_assert_eq!(grants(text, verb, &paths, &attributes), allows || naive::satisfies(&plain, verb, paths[0], &attributes),
                    "{} grants {}:{}", text, verb, path);
            }
            for other in &scopes {
                let within = naive::is_narrower(&plain, &naive::parts(other));
                prop_assert_eq!(is_narrower(&scope, &Scope::parse(other)), within, "{} within {}", text, other);
            }
        }
    }
}
