//! What lists make of tags and sort attributes, in every SQL dialect.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// The smallest text above every text with this prefix; `None` when there is none.
pub(super) fn prefix_end(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // The code points after U+D7FF and U+10FFFF aren't characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

/// The names of sort attributes, which documents hold for as long as the process runs. There are as many as the
/// records of the product declare, so what is leaked here is bounded.
#[derive(Debug, Default)]
pub(super) struct FieldNames(RwLock<HashSet<&'static str>>);

impl FieldNames {
    /// The name, for ever.
    pub(super) fn intern(&self, name: &str) -> &'static str {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known;
        }
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return known;
        }
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        names.insert(name);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_above_all_that_start_with_it() {
        assert_eq!(prefix_end("user:").unwrap(), "user;");
        assert_eq!(prefix_end("a\u{10ffff}").unwrap(), "b");
        assert_eq!(prefix_end("\u{d7ff}").unwrap(), "\u{e000}");
        assert_eq!(prefix_end("\u{10ffff}"), None);
        assert_eq!(prefix_end(""), None);
    }

    #[test]
    fn a_field_name_is_leaked_once() {
        let names = FieldNames::default();
        assert!(std::ptr::eq(names.intern("name"), names.intern(&String::from("name"))));
    }
}
