//! The `scope` parameter (RFC 6749 §3.3) and which of its words mean what.
//!
//! OpenID Connect's words (`openid`, `profile` …) say what a client learns of a user. A word with a colon is a scope of
//! our own grammar and says what a token may (see [`crate::scope`]); only those go into the `scopes` claim, because readers
//! of that claim take a bare word for a permission.

/// The words of OpenID Connect that have a meaning here (Core §5.4, §11).
pub const OPENID: [&str; 5] = ["openid", "profile", "email", "phone", "offline_access"];

/// Most words of a `scope` parameter.
const MAX_WORDS: usize = 200;

/// Reads a `scope` parameter: its words in order, each once.
///
/// # Errors
/// [`Malformed`] for other characters than the standard allows, or too many words.
pub fn parse(text: &str) -> Result<Vec<String>, Malformed> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !is_word(word) {
            return Err(Malformed);
        }
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    if words.len() > MAX_WORDS { Err(Malformed) } else { Ok(words) }
}

/// Not a `scope` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "scope: words of printable ASCII without quotes and backslashes, separated by single spaces, at most 200"
)]
pub struct Malformed;

/// Whether a text is one word of a `scope` parameter: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[must_use]
pub fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
}

/// Whether a word is a scope of our own grammar.
#[must_use]
pub fn is_permission(word: &str) -> bool {
    word.contains(':')
}

/// The scopes of our own grammar among words.
#[must_use]
pub fn permissions(words: &[String]) -> Vec<String> {
    words.iter().filter(|word| is_permission(word)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_order_and_come_once() {
        let words = parse("openid email  openid read:posts?x=1").unwrap();
        assert_eq!(words, ["openid", "email", "read:posts?x=1"]);
        assert_eq!(permissions(&words), ["read:posts?x=1"]);
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn other_characters_are_refused() {
        for wrong in ["a\tb", "a\"b", "a\\b", "\u{e9}", "a\nb", &"x ".repeat(2).replace('x', "\u{7f}")] {
            assert_eq!(parse(wrong), Err(Malformed), "{wrong:?}");
        }
        let many: Vec<String> = (0..201).map(|n| format!("w{n}")).collect();
        assert_eq!(parse(&many.join(" ")), Err(Malformed));
    }
}
