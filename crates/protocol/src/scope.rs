//! The scope grammar: what a permission string means, whether it covers an action, and whether it may be handed on.
//!
//! `[verb ":"] path ["?" name "=" value *("&" name "=" value)]`, for example `update:sso/users?tenant_id=org_a`.
//! Paths are compared from the right, so `users` covers `sso/users`; `*` stands for any run of characters inside one
//! segment or value. Tokens carry scopes as written; nothing here rewrites one. Synonyms of resource names are the
//! caller's: ask once for each.

use std::borrow::Cow;

/// The longest scope that may be created, in bytes.
pub const MAX_SCOPE_BYTES: usize = 512;

/// The level from which a holder may use custom verbs as well (`admin`).
const ADMIN: u8 = 60;

/// Why a scope may not be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nothing at all.
    #[error("a scope is not empty")]
    Empty,
    /// Longer than [`MAX_SCOPE_BYTES`].
    #[error("a scope has at most 512 bytes")]
    TooLong,
    /// A bracket, white space or a control character: other programs read brackets as patterns.
    #[error("a scope has no brackets, spaces or control characters")]
    ForbiddenCharacter,
    /// A colon with nothing before it.
    #[error("a scope has a verb before its colon")]
    EmptyVerb,
    /// A filter without name or value, which readers would drop and so widen the scope.
    #[error("a scope filter has a name and a value")]
    EmptyFilter,
}

/// A scope in its parts, borrowed from its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope<'a> {
    verb: &'a str,
    path: &'a str,
    filters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Scope<'a> {
    /// Takes a scope apart. Every text is a scope: this is for those held already, so it judges nothing. The verb is
    /// `read` if none is written, but an empty text grants nothing. Filters are URL-decoded; a repeated name keeps its first value and a filter with an
    /// empty value is dropped.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let (mut scope, query) = Self::split(text);
        let filters = &mut scope.filters;
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = url_decode(name);
            if !value.is_empty() && !filters.iter().any(|(known, _)| *known == name) {
                filters.push((name, url_decode(value)));
            }
        }
        scope
    }

    /// What is before the filters, and the filters as written.
    fn split(text: &'a str) -> (Self, &'a str) {
        let (before, query) = text.split_once('?').unwrap_or((text, ""));
        // The empty text is what splitting an empty list leaves behind; it must not come to mean "read everything".
        let default_verb = if text.is_empty() { "none" } else { "read" };
        let (verb, path) = before.split_once(':').unwrap_or((default_verb, before));
        (Self { verb, path, filters: Vec::new() }, query)
    }

    /// Takes apart a scope somebody wants to create, refusing what other programs would read differently.
    ///
    /// # Errors
    /// A [`ScopeError`] naming the rule.
    pub fn validate_new(text: &'a str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Err(ScopeError::Empty);
        }
        if text.len() > MAX_SCOPE_BYTES {
            return Err(ScopeError::TooLong);
        }
        let scope = Self::parse(text);
        // Also behind percent signs, where other readers decode before they match.
        let forbidden = |text: &str| {
            text.contains(|c: char| matches!(c, '[' | ']') || c.is_whitespace() || c.is_control())
        };
        if forbidden(text) || scope.filters.iter().any(|(name, value)| forbidden(name) || forbidden(value)) {
            return Err(ScopeError::ForbiddenCharacter);
        }
        if scope.verb.is_empty() {
            return Err(ScopeError::EmptyVerb);
        }
        let incomplete =
            |pair: &str| pair.split_once('=').is_none_or(|(name, value)| name.is_empty() || value.is_empty());
        if text.split_once('?').is_some_and(|(_, query)| query.split('&').any(incomplete)) {
            return Err(ScopeError::EmptyFilter);
        }
        Ok(scope)
    }

    /// The verb, `read` if none was written.
    #[must_use]
    pub const fn verb(&self) -> &'a str {
        self.verb
    }

    /// The path as written.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// The filters in their order, decoded: attribute name and value pattern.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.filters.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// True if this scope covers the verb on the path for at least some objects: those its filters admit. For lists,
    /// where the filters become part of the query.
    #[must_use]
    pub fn covers(&self, verb: &str, path: &str) -> bool {
        verb_satisfies(self.verb, verb) && path_covers(self.path, path, matches_pattern)
    }

    /// True if the filter on this attribute, if there is one, matches its value.
    #[must_use]
    pub fn admits_one(&self, (attribute, value): (&str, &str)) -> bool {
        self.filters().all(|(name, pattern)| name != attribute || matches_pattern(pattern, value))
    }

    /// True if every filter is among the attributes of an object and matches it.
    #[must_use]
    pub fn admits(&self, attributes: &[(&str, &str)]) -> bool {
        self.filters().all(|(name, pattern)| {
            attributes.iter().any(|(attribute, value)| *attribute == name && matches_pattern(pattern, value))
        })
    }
}

/// True if a held scope, as written, permits the verb on one of the paths for an object with these attributes: what most
/// requests ask, without looking at the filters of scopes for something else.
#[must_use]
pub fn grants(held: &str, verb: &str, paths: &[&str], attributes: &[(&str, &str)]) -> bool {
    let (head, query) = Scope::split(held);
    !is_for_another(head.path, paths)
        && verb_satisfies(head.verb, verb)
        && paths.iter().any(|path| path_covers(head.path, path, matches_pattern))
        && (query.is_empty() || Scope::parse(held).admits(attributes))
}

/// True if the held scope permits the verb on the path for an object with these attributes (all it has: tenant,
/// workspace, user, id). The asked path is concrete.
#[must_use]
pub fn satisfies(held: &Scope<'_>, verb: &str, path: &str, attributes: &[(&str, &str)]) -> bool {
    held.covers(verb, path) && held.admits(attributes)
}

/// True if whoever holds `parent` may hand out `child`: everything the child permits, the parent permits.
#[must_use]
pub fn is_narrower(child: &Scope<'_>, parent: &Scope<'_>) -> bool {
    verb_satisfies(parent.verb, child.verb)
        && path_covers(parent.path, child.path, pattern_covers)
        && parent.filters().all(|(name, pattern)| {
            child.filters().any(|(own, value)| own == name && pattern_covers(pattern, value))
        })
}

/// What both lists permit: of each pair the narrower scope if one covers the other, without those that another
/// result covers. In the order of the first list.
#[must_use]
pub fn common<'a, A: AsRef<str>, B: AsRef<str>>(a: &'a [A], b: &'a [B]) -> Vec<&'a str> {
    let parse = |text: &'a str| (text, Scope::parse(text));
    let b: Vec<_> = b.iter().map(|text| parse(text.as_ref())).collect();
    let mut shared: Vec<(&str, Scope<'_>)> = Vec::new();
    for (text, scope) in a.iter().map(|text| parse(text.as_ref())) {
        for (other_text, other) in &b {
            let narrower = if is_narrower(&scope, other) {
                (text, &scope)
            } else if is_narrower(other, &scope) {
                (*other_text, other)
            } else {
                continue;
            };
            // Keeps `shared` free of dominated scopes as it grows; of two equal ones the first stays.
            if !shared.iter().any(|(_, kept)| is_narrower(narrower.1, kept)) {
                shared.retain(|(_, kept)| !is_narrower(kept, narrower.1));
                shared.push((narrower.0, narrower.1.clone()));
            }
        }
    }
    shared.into_iter().map(|(text, _)| text).collect()
}

/// The level of a verb; none for a custom one.
fn level(verb: &str) -> Option<u8> {
    Some(match verb {
        "none" => 0,
        "read" => 10,
        "create" => 20,
        "update" | "write" => 30,
        "delete" => 40,
        "manage" => 50,
        "admin" => ADMIN,
        "*" | "owner" => 90,
        "superadmin" => 100,
        _ => return None,
    })
}

/// A level covers those at or below it; a custom verb covers itself, and is covered from `admin` up.
fn verb_satisfies(held: &str, asked: &str) -> bool {
    match (level(held), level(asked)) {
        (Some(held), Some(asked)) => held >= asked,
        (Some(held), None) => held >= ADMIN,
        (None, Some(_)) => false,
        (None, None) => held == asked,
    }
}

/// Compares segments from the right; a longer pattern is fine only if its surplus is `*` throughout.
fn path_covers(pattern: &str, path: &str, covers: impl Fn(&str, &str) -> bool) -> bool {
    let mut segments = path.rsplit('/');
    pattern.rsplit('/').map(or_star).all(|own| match segments.next() {
        Some(segment) => covers(own, or_star(segment)),
        None => own == "*",
    })
}

/// True if the last segment of a pattern shows already that it covers none of the paths: what most scopes somebody holds
/// are refused by, at the cost of comparing one word.
fn is_for_another(pattern: &str, paths: &[&str]) -> bool {
    let own = last_segment(pattern);
    !own.is_empty() && !own.as_bytes().contains(&b'*') && paths.iter().all(|path| last_segment(path) != own)
}

fn last_segment(path: &str) -> &str {
    let slash = path.bytes().rposition(|byte| byte == b'/');
    slash.and_then(|at| path.get(at + 1..)).unwrap_or(path)
}

/// An empty segment means `*`.
fn or_star(segment: &str) -> &str {
    if segment.is_empty() { "*" } else { segment }
}

/// True if the parent pattern matches whatever the child pattern matches. A child with `*` is covered only by `*` or
/// by itself: deciding more would need no more than a use for it.
fn pattern_covers(parent: &str, child: &str) -> bool {
    parent == "*" || parent == child || (!child.contains('*') && matches_pattern(parent, child))
}

/// Matches a whole text against a pattern whose only special character is `*`, in linear space and at most quadratic
/// time, without recursion.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == text;
    }
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The leftmost place for each inner part leaves most room for those after it.
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Decodes `%XX` and `+`; a stray percent sign stands for itself, and invalid UTF-8 becomes U+FFFD.
fn url_decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((byte, after)) = bytes.split_first() {
        bytes = after;
        match (byte, after) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, rest @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    bytes = rest;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors(table: &str) -> Vec<Value> {
        let all: Value = serde_json::from_str(include_str!("../tests/vectors/authz.json")).unwrap();
        all.get(table).and_then(Value::as_array).unwrap().clone()
    }

    fn text<'a>(row: &'a Value, name: &str) -> &'a str {
        row.get(name).and_then(Value::as_str).unwrap()
    }

    fn list<'a>(row: &'a Value, name: &str) -> Vec<&'a str> {
        row.get(name).and_then(Value::as_array).unwrap().iter().map(|item| item.as_str().unwrap()).collect()
    }

    fn ours(row: &Value) -> bool {
        row.get("ours").and_then(Value::as_bool).unwrap()
    }

    #[test]
    fn every_access_vector_holds() {
        let rows = vectors("access");
        assert_eq!(rows.len(), 36);
        for row in &rows {
            let attributes = row.get("attrs").and_then(Value::as_object).unwrap();
            let attributes: Vec<_> =
                attributes.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
            let held = Scope::parse(text(row, "scope"));
            assert_eq!(
                satisfies(&held, text(row, "action"), text(row, "path"), &attributes),
                grants(text(row, "scope"), text(row, "action"), &["other", text(row, "path")], &attributes),
                "{row}"
            );
            assert_eq!(
                satisfies(&held, text(row, "action"), text(row, "path"), &attributes),
                ours(row),
                "{row}"
            );
        }
    }

    #[test]
    fn every_subset_vector_holds() {
        let rows = vectors("subset");
        assert_eq!(rows.len(), 18);
        for row in &rows {
            let (child, parent) = (Scope::parse(text(row, "child")), Scope::parse(text(row, "parent")));
            assert_eq!(is_narrower(&child, &parent), ours(row), "{row}");
        }
    }

    #[test]
    fn every_common_vector_holds() {
        let rows = vectors("common");
        assert_eq!(rows.len(), 6);
        for row in &rows {
            let (a, b) = (list(row, "a"), list(row, "b"));
            let mut found = common(&a, &b);
            found.sort_unstable();
            assert_eq!(found, list(row, "ours"), "{row}");
        }
    }

    #[test]
    fn common_drops_dominated_scopes_in_either_order() {
        assert_eq!(common(&["read:a", "update:a"], &["*:*"]), ["update:a"]);
        assert_eq!(common(&["update:a", "read:a"], &["*:*"]), ["update:a"]);
        assert_eq!(common(&["users"], &["read:users"]), ["users"]);
        assert_eq!(common::<&str, &str>(&[], &["*:*"]), Vec::<&str>::new());
    }

    #[test]
    fn filters_are_decoded_first_value_kept_empty_value_dropped() {
        let scope = Scope::parse("read:users?a=x%20y+z&a=2&b=&b=3&c&d=%zz%4");
        let expected = [("a", "x y z"), ("b", "3"), ("d", "%zz%4")];
        assert_eq!(scope.filters().collect::<Vec<_>>(), expected);
        assert_eq!((scope.verb(), scope.path()), ("read", "users"));
        assert_eq!(Scope::parse("read:users?q=%ff").filters().next(), Some(("q", "\u{fffd}")));
        assert_eq!(Scope::parse("users?x=a:b").verb(), "read");
    }

    #[test]
    fn empty_segment_and_empty_path_mean_any() {
        assert!(satisfies(&Scope::parse("read:"), "read", "sso/users", &[]));
        assert!(satisfies(&Scope::parse("read:/users"), "read", "users", &[]));
        assert!(satisfies(&Scope::parse("read:finance//x"), "read", "finance/wallets/x", &[]));
    }

    #[test]
    fn empty_text_grants_nothing() {
        assert!(!satisfies(&Scope::parse(""), "read", "sso/users", &[]));
    }

    #[test]
    fn pattern_matches_runs_inside_one_segment() {
        for (pattern, text) in
            [("*", ""), ("a*", "a"), ("*b", "ab"), ("a*b*c", "a-b-b-c"), ("**", "x"), ("a", "a")]
        {
            assert!(matches_pattern(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a", ""), ("a*a", "a"), ("a*b*c", "ac"), ("*b", "ba"), ("a[b]", "ab")]
        {
            assert!(!matches_pattern(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn new_scope_is_rejected_by_each_rule() {
        let long = format!("read:{}", "x".repeat(MAX_SCOPE_BYTES));
        for (text, error) in [
            ("", ScopeError::Empty),
            (long.as_str(), ScopeError::TooLong),
            ("read:[ab]", ScopeError::ForbiddenCharacter),
            ("read:a b", ScopeError::ForbiddenCharacter),
            ("read:a\u{7}", ScopeError::ForbiddenCharacter),
            ("read:a?x=b+c", ScopeError::ForbiddenCharacter),
            ("read:a?x=%5Bab%5D", ScopeError::ForbiddenCharacter),
            (":users", ScopeError::EmptyVerb),
            ("read:users?", ScopeError::EmptyFilter),
            ("read:users?user_id=", ScopeError::EmptyFilter),
            ("read:users?=1", ScopeError::EmptyFilter),
            ("read:users?user_id=1&&", ScopeError::EmptyFilter),
        ] {
            assert_eq!(Scope::validate_new(text), Err(error), "{text}");
        }
        assert_eq!(Scope::validate_new("*:*?tenant_id=org_*"), Ok(Scope::parse("*:*?tenant_id=org_*")));
    }

    fn scope_text() -> impl Strategy<Value = String> {
        let verb =
            prop_oneof!["read", "write", "admin", "publish", Just("*".to_owned()), Just("none".to_owned())];
        let path = proptest::collection::vec(prop_oneof!["[ab]{1,2}", Just("*".to_owned()), "[ab]\\*"], 1..4);
        let filter = prop_oneof![Just(String::new()), "\\?u=[ab*]{1,2}", "\\?u=[ab]&t=[ab*]"];
        (verb, path, filter).prop_map(|(verb, path, filter)| format!("{verb}:{}{filter}", path.join("/")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The point of delegation: nothing is permitted to the child that is not permitted to the parent.
        #[test]
        fn narrower_scope_permits_nothing_more(
            child in scope_text(), parent in scope_text(),
            verb in prop_oneof!["read", "update", "superadmin", "publish"],
            path in "[ab]{1,2}(/[ab]{1,2}){0,2}", u in "[ab]{1,2}", t in "[ab]",
        ) {
            let (child, parent) = (Scope::parse(&child), Scope::parse(&parent));
            let attributes = [("u", u.as_str()), ("t", t.as_str())];
            if is_narrower(&child, &parent) && satisfies(&child, &verb, &path, &attributes) {
                prop_assert!(satisfies(&parent, &verb, &path, &attributes));
            }
        }

        #[test]
        fn common_scopes_are_within_both_lists(
            a in proptest::collection::vec(scope_text(), 0..5), b in proptest::collection::vec(scope_text(), 0..5),
        ) {
            for shared in common(&a, &b) {
                let shared = Scope::parse(shared);
                let within = |list: &[String]| list.iter().any(|held| is_narrower(&shared, &Scope::parse(held)));
                prop_assert!(within(&a) && within(&b));
            }
        }
    }
}
