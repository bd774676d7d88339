//! E-mail addresses: `local@domain` as RFC 5321 and RFC 6531 spell them without quoting, in lower case and
//! normalisation form C. No provider's own habits (dots, plus signs) are imitated, and nothing is looked up.

use super::IdentifierError;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest address, in bytes.
const MAX_BYTES: usize = 254;
/// The longest part before the `@`, in bytes.
const MAX_LOCAL_BYTES: usize = 64;
/// The longest label of a domain, in bytes.
const MAX_LABEL_BYTES: usize = 63;

pub(super) fn normalise(input: &str) -> Result<String, IdentifierError> {
    let address: String = input.nfc().flat_map(char::to_lowercase).nfc().collect();
    let (local, domain) = address.split_once('@').ok_or(IdentifierError::EmailSyntax)?;
    if address.len() > MAX_BYTES || local.len() > MAX_LOCAL_BYTES {
        return Err(IdentifierError::EmailTooLong);
    }
    if is_local(local) && is_domain(domain) { Ok(address) } else { Err(IdentifierError::EmailSyntax) }
}

/// Atoms separated by single dots (RFC 5322 section 3.2.3).
fn is_local(local: &str) -> bool {
    let is_atom_char = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(|c| is_atom_char(c) || is_letter(c)))
}

/// At least two labels (RFC 1123 section 2.1), the last of which isn't a number; internationalised ones as
/// they are read, not as they are encoded.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || is_letter(c))
    };
    let is_named = |last: &str| !last.bytes().all(|byte| byte.is_ascii_digit());
    domain.split('.').all(is_label) && domain.rsplit_once('.').is_some_and(|(_, last)| is_named(last))
}

/// A visible letter, digit or mark beyond ASCII.
fn is_letter(c: char) -> bool {
    !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c)) && !is_invisible(c)
}

/// The letters and marks that can't be seen (Unicode's `Default_Ignorable_Code_Point`), with which two
/// addresses could look the same.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}
