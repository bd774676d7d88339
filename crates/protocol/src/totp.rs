//! Time-based one-time passwords (RFC 6238) of six digits, thirty seconds and HMAC-SHA-1: what every authenticator app
//! understands.

use aws_lc_rs::hmac;

/// Seconds a code is shown.
pub const STEP: i64 = 30;
/// Digits of a code.
pub const DIGITS: usize = 6;
/// Bytes of a secret: the length of the hash (RFC 4226 section 4).
pub const SECRET_BYTES: usize = 20;
/// How many steps the clock of an authenticator may be off, either way (RFC 6238 section 5.2).
const WINDOW: i64 = 1;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The code of a step: an HOTP value (RFC 4226 section 5.3).
#[must_use]
pub fn code(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let chosen = tag.iter().skip(offset).take(4).fold(0u32, |n, byte| (n << 8) | u32::from(*byte));
    format!("{:06}", (chosen & 0x7fff_ffff) % 1_000_000)
}

/// The step, among those near `now` (Unix seconds), whose code this is. Every one of them is computed and compared in
/// constant time.
#[must_use]
pub fn matching_step(secret: &[u8], given: &str, now: i64) -> Option<u64> {
    let present = now.div_euclid(STEP);
    let mut found = None;
    for step in (present - WINDOW..=present + WINDOW).filter_map(|step| u64::try_from(step).ok()) {
        let is_it = aws_lc_rs::constant_time::verify_slices_are_equal(
            code(secret, step).as_bytes(),
            given.as_bytes(),
        );
        if is_it.is_ok() {
            found = Some(step);
        }
    }
    found
}

/// A secret as people and apps read it: base32 without padding (RFC 4648 section 6).
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(&mut text, held >> bits);
        }
    }
    if bits > 0 {
        push(&mut text, held << (5 - bits));
    }
    text
}

fn push(text: &mut String, value: u32) {
    let letter = ALPHABET.get((value & 31) as usize).copied().unwrap_or(b'A');
    text.push(char::from(letter));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six digits of its eight.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = b"12345678901234567890";
        for (time, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(secret, time / 30), wanted, "{time}");
        }
    }

    /// RFC 4226 appendix D.
    #[test]
    fn codes_are_those_of_rfc_4226() {
        let wanted = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489";
        for (count, wanted) in (0u64..).zip(wanted.split(' ')) {
            assert_eq!(code(b"12345678901234567890", count), wanted);
        }
    }

    #[test]
    fn a_clock_may_be_one_step_off_and_no_more() {
        let (secret, now) = (b"12345678901234567890", 1_234_567_890);
        let present = u64::try_from(now / STEP).unwrap();
        for (step, wanted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let step = present.checked_add_signed(step).unwrap();
            let found = matching_step(secret, &code(secret, step), now);
            assert_eq!(found, wanted.then_some(step));
        }
        assert_eq!(matching_step(secret, "", now), None);
        assert_eq!(matching_step(secret, "00592", now), None);
    }

    /// RFC 4648 section 10.
    #[test]
    fn secrets_are_written_in_base32() {
        for (text, wanted) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(text.as_bytes()), wanted);
        }
    }
}
