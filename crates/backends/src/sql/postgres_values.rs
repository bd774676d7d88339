//! Values on their way to and from PostgreSQL.
//!
//! PostgreSQL stores no U+0000, neither in text nor in `jsonb`. So U+0000 is written as U+0001 U+0001 and U+0001 as
//! U+0001 U+0002: it can be told apart again, and byte order and prefixes stay as they were. A text without these two
//! characters, which is every text in practice, is stored as it is.

use bytes::{BufMut, BytesMut};
use std::borrow::Cow;
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type BoxError = Box<dyn Error + Sync + Send>;

/// The version of the binary form of `jsonb`: one byte before the text.
const JSONB_VERSION: u8 = 1;

/// A text to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a>(pub(super) &'a str);

/// A JSON document to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a>(pub(super) &'a str);

/// A text that was read.
#[derive(Debug)]
pub(super) struct ReadText(pub(super) String);

/// A JSON document that was read, without white space.
#[derive(Debug)]
pub(super) struct ReadJson(pub(super) String);

/// Texts to write as an array.
pub(super) fn texts(items: &[String]) -> Vec<Text<'_>> {
    items.iter().map(|item| Text(item)).collect()
}

/// Texts that were read as an array.
pub(super) fn strings(items: Vec<ReadText>) -> Vec<String> {
    items.into_iter().map(|ReadText(item)| item).collect()
}

impl ToSql for Text<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        escape(self.0).as_ref().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl ToSql for Json<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        out.put_u8(JSONB_VERSION);
        out.put_slice(escape_json(self.0).as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for ReadText {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        Ok(Self(unescape(<&str as FromSql>::from_sql(kind, raw)?)))
    }

    fn accepts(kind: &Type) -> bool {
        <&str as FromSql>::accepts(kind)
    }
}

impl<'a> FromSql<'a> for ReadJson {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        match raw.split_first() {
            Some((&JSONB_VERSION, text)) => Ok(Self(unescape_json(compact(std::str::from_utf8(text)?)))),
            _ => Err("an unknown binary form of jsonb".into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }
}

/// A text as PostgreSQL can store it.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte <= 1) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => escaped.push_str("\u{1}\u{1}"),
            '\u{1}' => escaped.push_str("\u{1}\u{2}"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// What was escaped.
fn unescape(text: &str) -> String {
    if !text.contains('\u{1}') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1}' if characters.next() == Some('\u{1}') => plain.push('\0'),
            other => plain.push(other),
        }
    }
    plain
}

/// JSON as PostgreSQL can store it. Control characters are always written as `\u000x` in JSON.
fn escape_json(json: &str) -> Cow<'_, str> {
    if json.contains("\\u000") {
        Cow::Owned(rewrite(json, [("u0000", "\\u0001\\u0001"), ("u0001", "\\u0001\\u0002")]))
    } else {
        Cow::Borrowed(json)
    }
}

fn unescape_json(json: String) -> String {
    if json.contains("\\u0001") {
        rewrite(&json, [("u0001\\u0001", "\\u0000"), ("u0001\\u0002", "\\u0001")])
    } else {
        json
    }
}

/// Writes other escape sequences in place of some; what is to be replaced is given without its backslash.
fn rewrite(json: &str, rules: [(&str, &str); 2]) -> String {
    let mut rewritten = String::with_capacity(json.len() + 16);
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('\\') {
        rewritten.push_str(before);
        let replaced = rules.iter().find_map(|(from, to)| Some((*to, after.strip_prefix(from)?)));
        rest = if let Some((sequence, next)) = replaced {
            rewritten.push_str(sequence);
            next
        } else {
            // What is escaped may be a backslash itself.
            let escaped = after.chars().next().map_or(0, char::len_utf8);
            let (character, next) = after.split_at_checked(escaped).unwrap_or((after, ""));
            rewritten.push('\\');
            rewritten.push_str(character);
            next
        };
    }
    rewritten.push_str(rest);
    rewritten
}

/// JSON without the spaces PostgreSQL puts in: between values, never anything else.
fn compact(json: &str) -> String {
    let mut compacted = String::with_capacity(json.len());
    let (mut quoted, mut escaped, mut copied) = (false, false, 0);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b' ' if !quoted => {
                compacted.push_str(json.get(copied..at).unwrap_or_default());
                copied = at + 1;
            }
            _ => {}
        }
    }
    compacted.push_str(json.get(copied..).unwrap_or_default());
    compacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_null_character_survives_and_sorts_first() {
        let texts =
            ["", "\0", "\0\u{1}", "\0a", "\u{1}", "\u{1}\0", "\u{1}\u{1}", "\u{1}\u{2}", "\u{2}", "a\0", "é"];
        let stored: Vec<String> = texts.iter().map(|text| escape(text).into_owned()).collect();
        assert!(stored.is_sorted() && stored.iter().all(|text| !text.contains('\0')), "{stored:?}");
        for (text, stored) in texts.iter().zip(&stored) {
            assert_eq!(unescape(stored), *text);
        }
        assert!(matches!(escape("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn the_null_character_survives_in_json() {
        for text in
            ["\0", "a\0\u{1}b", "\\u0000", "\\\0", "\u{1}\u{2}", "\u{1}\0\u{1}\u{1}", "\"\\", "é\n\u{2}"]
        {
            let json = serde_json::json!({ text: [text, { "k": text }] }).to_string();
            let stored = escape_json(&json).into_owned();
            assert!(!stored.replace("\\\\", "").contains("\\u0000"), "{stored}");
            assert_eq!(unescape_json(stored), json);
        }
        assert!(matches!(escape_json("{\"a\":\"\\n\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_spaces_between_values_go() {
        let spaced = r#"{"a b": [1, 2, {"c": "x, \"y\": z \\"}], "d": " "}"#;
        assert_eq!(compact(spaced), r#"{"a b":[1,2,{"c":"x, \"y\": z \\"}],"d":" "}"#);
    }
}
