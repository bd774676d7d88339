//! The puzzle itself. Pure.
//!
//! `challenge` is the hex SHA-256 of the salt followed by the decimal number, `signature` the hex HMAC-SHA-256 of the
//! challenge. The salt ends with `&`: otherwise digits could move from its expiry to the number, and an old solution would
//! become a new one.

use super::CaptchaError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Timestamp;
use protocol::jose::strict_json;
use protocol::seal::MacKey;
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// The only hash there is.
pub const ALGORITHM: &str = "SHA-256";

/// Most characters of a solution, and how deep it may nest.
const MAX_PAYLOAD: usize = 2_048;
const MAX_DEPTH: usize = 4;
const NONCE: usize = 16;

/// A puzzle, without its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Puzzle {
    /// The hash to find the number of.
    pub challenge: String,
    /// What it begins with.
    pub salt: String,
    /// The tenant's signature.
    pub signature: String,
}

impl Puzzle {
    /// The puzzle with this number.
    pub fn new(key: &MacKey, nonce: [u8; NONCE], expires_at: Timestamp, number: u64) -> Self {
        let salt = format!("{}?expires={}&", hex(&nonce), expires_at.unix_seconds());
        let challenge = hash(&salt, number);
        let signature = hex(&key.tag(challenge.as_bytes()));
        Self { challenge, salt, signature }
    }
}

/// A solution, as the widget sends it.
#[derive(Debug, Clone, Deserialize)]
pub struct Solution {
    algorithm: String,
    /// The puzzle's hash.
    pub challenge: String,
    number: u64,
    salt: String,
    signature: String,
}

impl Solution {
    /// Reads base64 of JSON.
    ///
    /// # Errors
    /// [`CaptchaError::Invalid`].
    pub fn read(payload: &str) -> Result<Self, CaptchaError> {
        let unreadable = CaptchaError::Invalid("it can't be read");
        if payload.len() > MAX_PAYLOAD {
            return Err(unreadable);
        }
        let Ok(json) = STANDARD.decode(payload.trim()) else { return Err(unreadable) };
        strict_json::from_slice(&json, MAX_DEPTH).map_err(|_| unreadable)
    }

    /// Checks it; tells until when it counts.
    ///
    /// # Errors
    /// [`CaptchaError::Invalid`].
    pub fn check(&self, key: &MacKey, max_number: u64, now: Timestamp) -> Result<Timestamp, CaptchaError> {
        if self.algorithm != ALGORITHM {
            return Err(CaptchaError::Invalid("another algorithm"));
        }
        if self.number > max_number {
            return Err(CaptchaError::Invalid("the number is too large"));
        }
        let wanted = hash(&self.salt, self.number);
        if !bool::from(wanted.as_bytes().ct_eq(self.challenge.as_bytes())) {
            return Err(CaptchaError::Invalid("the number is wrong"));
        }
        let tag = unhex(&self.signature).ok_or(CaptchaError::Invalid("the signature is wrong"))?;
        if !key.verify(self.challenge.as_bytes(), &tag) {
            return Err(CaptchaError::Invalid("the signature is wrong"));
        }
        let expires_at = expiry(&self.salt).ok_or(CaptchaError::Invalid("it never ends"))?;
        if now < expires_at { Ok(expires_at) } else { Err(CaptchaError::Invalid("it took too long")) }
    }
}

fn expiry(salt: &str) -> Option<Timestamp> {
    let seconds = salt.split_once("?expires=")?.1.strip_suffix('&')?;
    let is_number = (1..=12).contains(&seconds.len()) && seconds.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| seconds.parse().ok().map(Timestamp::from_unix_seconds)).flatten()
}

fn hash(salt: &str, number: u64) -> String {
    hex(&protocol::sha256(format!("{salt}{number}").as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    (0..32).map(|n| u8::from_str_radix(text.get(n * 2..n * 2 + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> MacKey {
        MacKey::from_secret(b"a tenant's")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn solution(puzzle: &Puzzle, number: u64) -> Solution {
        Solution {
            algorithm: ALGORITHM.into(),
            challenge: puzzle.challenge.clone(),
            number,
            salt: puzzle.salt.clone(),
            signature: puzzle.signature.clone(),
        }
    }

    #[test]
    fn a_solution_counts_until_the_puzzle_ends() {
        let puzzle = Puzzle::new(&key(), [7; 16], at(1_000), 42);
        assert_eq!(solution(&puzzle, 42).check(&key(), 100, at(999)).unwrap(), at(1_000));
        assert!(solution(&puzzle, 42).check(&key(), 100, at(1_000)).is_err());
    }

    #[test]
    fn digits_can_not_move_between_salt_and_number() {
        let puzzle = Puzzle::new(&key(), [7; 16], at(1_000), 42);
        let moved = |salt: &str, number| Solution { salt: salt.into(), ..solution(&puzzle, number) };
        let (salt, longer) = (puzzle.salt.trim_end_matches('&'), format!("{}4", puzzle.salt));
        for other in [moved(salt, 42), moved(&longer, 2), moved(&format!("{longer}2"), 0)] {
            assert!(other.check(&key(), 100, at(1)).is_err(), "{other:?}");
        }
        // Signed, but with an end that isn't one: as if digits had moved.
        for salt in ["aa?expires=10004", "aa?expires=1000&4", "aa?expires=&", "aa", "aa?expires=-1&"] {
            let challenge = hash(salt, 2);
            let signature = hex(&key().tag(challenge.as_bytes()));
            let signed = Puzzle { challenge, salt: salt.into(), signature };
            assert!(solution(&signed, 2).check(&key(), 100, at(1)).is_err(), "{salt}");
        }
    }

    #[test]
    fn every_other_solution_is_refused() {
        let puzzle = Puzzle::new(&key(), [7; 16], at(1_000), 42);
        let good = solution(&puzzle, 42);
        let other = MacKey::from_secret(b"another's");
        assert!(good.check(&other, 100, at(1)).is_err(), "another tenant's");
        assert!(good.check(&key(), 41, at(1)).is_err(), "a number too large");
        assert!(solution(&puzzle, 41).check(&key(), 100, at(1)).is_err(), "a wrong number");
        for wrong in [
            Solution { algorithm: "SHA-1".into(), ..good.clone() },
            Solution { signature: puzzle.signature.to_uppercase(), ..good.clone() },
            Solution { signature: String::new(), ..good.clone() },
            Solution { challenge: puzzle.challenge.replace('a', "b"), ..good.clone() },
            Solution { challenge: String::new(), ..good },
        ] {
            assert!(wrong.check(&key(), 100, at(1)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_base64_of_json_is_refused() {
        let good = json!({"algorithm": "SHA-256", "challenge": "", "number": 1, "salt": "", "signature": "", "took": 9});
        assert!(Solution::read(&STANDARD.encode(good.to_string())).is_ok());
        let mut bad = vec!["".to_owned(), "====".to_owned(), STANDARD.encode("[]"), "A".repeat(4_096)];
        for number in [json!("1"), json!(-1), json!(1.5), json!(null), json!(1e30)] {
            let mut wrong = good.clone();
            wrong["number"] = number;
            bad.push(STANDARD.encode(wrong.to_string()));
        }
        bad.push(STANDARD.encode(good.to_string().replace("\"took\"", "\"number\"")));
        for payload in bad {
            assert!(Solution::read(&payload).is_err(), "{payload}");
        }
    }
}
