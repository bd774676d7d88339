//! JSON as untrusted input: one scan refuses duplicate members and deep nesting, then the ordinary parser builds
//! the value.
//!
//! Parsers disagree about which of two equal members wins, so a document with both can mean one thing to the check
//! and another to the use (RFC 8259 §4, RFC 7515 §4, RFC 8725 §2.4). The scan trusts the parser for syntax: it needs
//! to be right only for well-formed documents, which keeps it one short loop without recursion, and it allocates
//! only for the member names of the objects that are open.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer};

/// The nesting limit for request bodies.
pub const DEFAULT_MAX_DEPTH: usize = 32;

/// Objects with fewer members than this are compared pairwise, larger ones sorted: no quadratic work for an attacker.
const PAIRWISE_MAX: usize = 16;

/// Why a document was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Not JSON in UTF-8, or cut short, or followed by something else.
    Syntax,
    /// JSON, but not of the expected shape.
    Data,
    /// An object has two members of the same name.
    DuplicateMember,
    /// Arrays and objects are nested deeper than allowed.
    TooDeep,
}

/// A refused document, with the position of the fault (both counted from 1, the column in bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// The class of fault.
    pub kind: JsonErrorKind,
    /// What is wrong, without the position. May quote the document, so it is for its sender and not for logs.
    pub message: String,
    /// Line of the fault, or 0 if unknown.
    pub line: usize,
    /// Column of the fault, or 0 if unknown.
    pub column: usize,
}

impl JsonError {
    fn at(kind: JsonErrorKind, message: String, input: &[u8], position: usize) -> Self {
        let before = input.get(..position).unwrap_or(input);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Self { kind, message, line, column }
    }

    fn from_parser(error: &serde_json::Error) -> Self {
        let kind = if error.is_data() { JsonErrorKind::Data } else { JsonErrorKind::Syntax };
        let (line, column) = (error.line(), error.column());
        let mut message = error.to_string();
        let suffix = format!(" at line {line} column {column}");
        if message.ends_with(&suffix) {
            message.truncate(message.len() - suffix.len());
        }
        Self { kind, message, line, column }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.line > 0 {
            write!(f, " at line {} column {}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

/// Parses a whole document into `T`, refusing duplicate members anywhere in it (also below members `T` ignores)
/// and nesting deeper than `max_depth` (an object of scalars has depth 1; at most 127 is useful).
///
/// # Errors
/// A [`JsonError`] with the class and the position of the first fault found.
pub fn from_slice<'de, T: Deserialize<'de>>(input: &'de [u8], max_depth: usize) -> Result<T, JsonError> {
    // Checked as a whole because the parser does not look into the strings of ignored members.
    let text = std::str::from_utf8(input).map_err(|error| {
        JsonError::at(JsonErrorKind::Syntax, "invalid UTF-8".to_owned(), input, error.valid_up_to())
    })?;
    scan(input, max_depth)?;
    serde_json::from_str(text).map_err(|error| JsonError::from_parser(&error))
}

/// Reads a member that may be absent: any value counts as present, `null` too.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A member name of an object that is still open, unescaped, and where it stands.
struct Name<'a> {
    text: Cow<'a, [u8]>,
    position: usize,
}

impl<'a> Name<'a> {
    /// `quoted` includes both quotation marks. A name that does not unescape is left for the parser to refuse.
    fn new(quoted: &'a [u8], position: usize) -> Self {
        let raw = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        let text = if raw.contains(&b'\\') {
            serde_json::from_slice::<String>(quoted)
                .map_or(Cow::Borrowed(raw), |name| Cow::Owned(name.into_bytes()))
        } else {
            Cow::Borrowed(raw)
        };
        Self { text, position }
    }
}

/// An array (no names) or an object whose names start at this index of the name stack.
#[derive(Clone, Copy)]
enum Open {
    Array,
    Object { first_name: usize },
}

fn scan(input: &[u8], max_depth: usize) -> Result<(), JsonError> {
    let mut open: Vec<Open> = Vec::new();
    let mut names: Vec<Name<'_>> = Vec::new();
    let mut name_follows = false;
    let mut position = 0;
    while let Some(byte) = input.get(position) {
        match byte {
            b'"' => {
                // An unterminated string is the parser's to refuse.
                let Some(end) = string_end(input, position) else { return Ok(()) };
                if name_follows {
                    let quoted = input.get(position..=end).unwrap_or_default();
                    names.push(Name::new(quoted, position));
                    name_follows = false;
                }
                position = end;
            }
            b'{' | b'[' => {
                if open.len() >= max_depth {
                    let message = format!("nested deeper than {max_depth} levels");
                    return Err(JsonError::at(JsonErrorKind::TooDeep, message, input, position));
                }
                name_follows = *byte == b'{';
                open.push(if name_follows { Open::Object { first_name: names.len() } } else { Open::Array });
            }
            b'}' | b']' => {
                if let Some(Open::Object { first_name }) = open.pop() {
                    if let Some(twice) = names.get_mut(first_name..).and_then(first_duplicate) {
                        let shown: String = String::from_utf8_lossy(&twice.text).chars().take(64).collect();
                        let message = format!("duplicate member {shown:?}");
                        return Err(JsonError::at(
                            JsonErrorKind::DuplicateMember,
                            message,
                            input,
                            twice.position,
                        ));
                    }
                    names.truncate(first_name);
                }
                name_follows = false;
            }
            b',' => name_follows = matches!(open.last(), Some(Open::Object { .. })),
            _ => {}
        }
        position += 1;
    }
    Ok(())
}

/// The index of the quotation mark that ends the string starting at `start`.
fn string_end(input: &[u8], start: usize) -> Option<usize> {
    let mut position = start + 1;
    loop {
        match input.get(position)? {
            b'"' => return Some(position),
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
}

/// The second occurrence of a repeated name, if any. Sorts large objects in place.
fn first_duplicate<'n, 'a>(names: &'n mut [Name<'a>]) -> Option<&'n Name<'a>> {
    if names.len() < PAIRWISE_MAX {
        let repeated = |(index, name): &(usize, &Name<'a>)| {
            names.iter().take(*index).any(|other| other.text == name.text)
        };
        return names.iter().enumerate().find(repeated).map(|(_, name)| name);
    }
    names.sort_unstable_by(|a, b| a.text.cmp(&b.text).then(a.position.cmp(&b.position)));
    names.windows(2).find_map(|pair| match pair {
        [a, b] if a.text == b.text => Some(b),
        _ => None,
    })
}
