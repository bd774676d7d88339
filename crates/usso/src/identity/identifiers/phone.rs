//! Phone numbers: `+` and 7 to 15 digits. Deliberately loose: numbering plans change, and test numbers belong
//! to none, so nothing is checked against them.

use super::IdentifierError;

/// How many digits a number has (E.164 section 6).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// No national number in use is longer, so a longer one that starts with the country code contains it.
const MAX_NATIONAL_DIGITS: usize = 10;
/// Country codes whose national numbers keep their leading 0: Italy, San Marino, the Vatican.
const KEEPS_ZERO: [&str; 3] = ["39", "378", "379"];

pub(super) fn normalise(input: &str, country_code: Option<&str>) -> Result<String, IdentifierError> {
    let mut digits = String::with_capacity(16);
    let mut is_international = false;
    for c in input.chars() {
        if let Some(digit) = digit(c) {
            digits.push(digit);
        } else if c == '+' && digits.is_empty() && !is_international {
            is_international = true;
        } else if !is_separator(c) {
            return Err(IdentifierError::PhoneSyntax);
        }
    }
    if !DIGITS.contains(&digits.len()) {
        return Err(IdentifierError::PhoneLength);
    }
    let digits = if is_international { digits } else { with_country(digits, country_code) };
    if DIGITS.contains(&digits.len()) { Ok(format!("+{digits}")) } else { Err(IdentifierError::PhoneLength) }
}

/// Makes a number without `+` international, as far as that is possible.
fn with_country(digits: String, country_code: Option<&str>) -> String {
    // The international prefix of most countries stands for the +.
    if let Some(rest) = digits.strip_prefix("00") {
        return rest.to_owned();
    }
    let Some(code) = country_code.map(|code| code.trim_start_matches('+')).filter(|code| is_code(code))
    else {
        return digits;
    };
    if digits.starts_with(code) && digits.len() > MAX_NATIONAL_DIGITS {
        return digits;
    }
    let national =
        if KEEPS_ZERO.contains(&code) { &*digits } else { digits.strip_prefix('0').unwrap_or(&digits) };
    format!("{code}{national}")
}

fn is_code(code: &str) -> bool {
    (1..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()) && !code.starts_with('0')
}

/// The digits of the keyboards our users type on: ASCII, Arabic, Persian.
fn digit(c: char) -> Option<char> {
    let value = match c {
        '0'..='9' => return Some(c),
        '\u{660}'..='\u{669}' => u32::from(c) - 0x660,
        '\u{6f0}'..='\u{6f9}' => u32::from(c) - 0x6f0,
        _ => return None,
    };
    char::from_digit(value, 10)
}

/// What people put between digits, and the direction marks that copying from an address book adds.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}'
            | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
