//! The code a person types to connect a device (RFC 8628 §6.1): eight letters of twenty, without vowels so that they spell
//! nothing, and without any that look alike; some 34 bits.

use std::fmt;

/// The letters.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many a code has.
const LENGTH: usize = 8;

/// The largest random byte used, so that each letter is equally likely.
const FAIR: u8 = 240;

/// A code, in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserCode(String);

/// What was typed is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a user code")]
pub struct NotACode;

impl UserCode {
    /// Makes a code of random bytes, taking as many as it needs.
    pub fn generate(mut random: impl FnMut() -> u8) -> Self {
        let mut code = String::with_capacity(LENGTH);
        while code.len() < LENGTH {
            let byte = random();
            if byte < FAIR
                && let Some(letter) = LETTERS.get(usize::from(byte) % LETTERS.len())
            {
                code.push(char::from(*letter));
            }
        }
        Self(code)
    }

    /// Reads what somebody typed: in any case, with any dashes, blanks and dots.
    ///
    /// # Errors
    /// [`NotACode`] for another number of letters, or letters no code has.
    pub fn parse(typed: &str) -> Result<Self, NotACode> {
        let mut code = String::with_capacity(LENGTH);
        for letter in typed.chars() {
            match letter.to_ascii_uppercase() {
                upper if u8::try_from(upper).is_ok_and(|byte| LETTERS.contains(&byte)) => code.push(upper),
                '-' | ' ' | '.' | '_' => {}
                _ => return Err(NotACode),
            }
            if code.len() > LENGTH {
                return Err(NotACode);
            }
        }
        if code.len() == LENGTH { Ok(Self(code)) } else { Err(NotACode) }
    }

    /// The letters alone, by which the code is found.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As it is shown: `WDJB-MJHT`.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(LENGTH / 2);
        write!(f, "{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_01_a_code_has_eight_letters_of_twenty_and_reads_back() {
        let mut byte = 0_u8;
        let code = UserCode::generate(|| {
            byte = byte.wrapping_add(37);
            byte
        });
        assert_eq!(code.as_str().len(), LENGTH);
        assert!(code.as_str().bytes().all(|letter| LETTERS.contains(&letter)));
        assert_eq!(UserCode::parse(&code.to_string()), Ok(code));
        // 20⁸ is above 2³⁴.
        assert!(20_u64.pow(8) > 1 << 34);
    }

    #[test]
    fn dev_01_every_letter_is_equally_likely() {
        let mut counts = [0_u32; 20];
        for byte in 0..=u8::MAX {
            // Each byte is offered once, then one that is taken.
            let mut offered = std::iter::once(byte).chain(std::iter::repeat(0));
            let code = UserCode::generate(|| offered.next().unwrap_or(0));
            let first = code.as_str().as_bytes()[0];
            let place = LETTERS.iter().position(|letter| *letter == first).unwrap();
            counts[place] += 1;
        }
        // 240 bytes give twelve each; the 16 refused ones fall to the substitute, the first letter.
        assert_eq!(counts[1..], [12; 19]);
        assert_eq!(counts[0], 12 + 16);
    }

    #[test]
    fn dev_01_case_and_dashes_do_not_matter() {
        let code = UserCode::parse("WDJB-MJHT").unwrap();
        for typed in ["wdjbmjht", "WDJBMJHT", "wdjb mjht", " W-D-J-B m.j.h.t ", "WDJB_MJHT"] {
            assert_eq!(UserCode::parse(typed), Ok(code.clone()), "{typed}");
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for typed in ["", "WDJB-MJH", "WDJB-MJHTB", "WDJB-MJHA", "WDJB-MJH1", "WDJB/MJHT", "ＷDJBMJHT"] {
            assert_eq!(UserCode::parse(typed), Err(NotACode), "{typed}");
        }
    }
}
