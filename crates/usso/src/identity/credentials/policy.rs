//! Which passwords may be set.
//!
//! A minimum length, the classes of characters a tenant asks for, and an estimate of how many guesses an
//! attacker needs (zxcvbn: dictionaries, names, keyboard walks, dates, repeats), which also knows the words
//! close to the user: the parts of the identifier, the tenant, the product. Applied when a password is set,
//! never when it is checked, so that a stricter policy locks nobody out.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// How much of a password is estimated, in characters. The estimator's time grows steeply with the length,
/// and no policy asks for more guesses than this many characters can give.
const ESTIMATED_CHARS: usize = 72;
/// How many words close to the user are considered.
const MAX_WORDS: usize = 24;
/// Shorter words occur in too many good passwords by chance.
const MIN_WORD_CHARS: usize = 3;
/// How much of each word is considered, in characters.
const MAX_WORD_CHARS: usize = 64;

/// The rules of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// The least number of characters (Unicode code points).
    pub min_length: usize,
    /// Whether it needs a character that is neither letter, digit nor blank.
    pub require_special: bool,
    /// Whether it needs a digit.
    pub require_numbers: bool,
    /// Whether it needs an upper-case letter.
    pub require_uppercase: bool,
    /// Whether it needs a lower-case letter.
    pub require_lowercase: bool,
    /// The least number of guesses an attacker should need; 0 turns the estimate off.
    pub min_guesses: u64,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 8,
            require_special: true,
            require_numbers: false,
            require_uppercase: false,
            require_lowercase: false,
            min_guesses: 1_000_000,
        }
    }
}

/// A rule a password can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordRule {
    /// Fewer characters than [`PasswordPolicy::min_length`].
    TooShort,
    /// More than [`super::MAX_PASSWORD_BYTES`].
    TooLong,
    /// No special character.
    SpecialMissing,
    /// No digit.
    NumberMissing,
    /// No upper-case letter.
    UppercaseMissing,
    /// No lower-case letter.
    LowercaseMissing,
    /// Fewer guesses than [`PasswordPolicy::min_guesses`].
    TooGuessable,
    /// Known from a breach.
    Breached,
}

impl PasswordRule {
    /// Its name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::SpecialMissing => "special_missing",
            Self::NumberMissing => "number_missing",
            Self::UppercaseMissing => "uppercase_missing",
            Self::LowercaseMissing => "lowercase_missing",
            Self::TooGuessable => "too_guessable",
            Self::Breached => "breached",
        }
    }
}

/// Why a password may not be set. It never contains the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct PolicyViolation {
    /// Every rule that failed.
    pub rules: Vec<PasswordRule>,
    /// What is wrong, in one or more sentences for the user.
    pub detail: String,
    /// What would help, if the estimator has an idea.
    pub suggestions: Vec<String>,
}

impl PasswordPolicy {
    /// Checks a password that somebody wants to set; `words` are close to the user (parts of the identifier,
    /// the name, the tenant), and a password made of them is easy to guess.
    ///
    /// # Errors
    /// [`PolicyViolation`] with every rule that failed.
    pub fn check(&self, password: &SecretString, words: &[&str]) -> Result<(), PolicyViolation> {
        let Some(password) = super::normalise(password) else {
            return Err(self.violation(vec![PasswordRule::TooLong], None));
        };
        let mut rules = self.failed_classes(&password);
        let weakness = self.weakness(&password, words);
        if weakness.is_some() {
            rules.push(PasswordRule::TooGuessable);
        }
        if rules.is_empty() { Ok(()) } else { Err(self.violation(rules, weakness)) }
    }

    fn failed_classes(&self, password: &str) -> Vec<PasswordRule> {
        let lacks = |class: fn(char) -> bool| !password.chars().any(class);
        let is_special = |c: char| !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control();
        [
            (password.chars().count() < self.min_length, PasswordRule::TooShort),
            (self.require_special && lacks(is_special), PasswordRule::SpecialMissing),
            (self.require_numbers && lacks(char::is_numeric), PasswordRule::NumberMissing),
            (self.require_uppercase && lacks(char::is_uppercase), PasswordRule::UppercaseMissing),
            (self.require_lowercase && lacks(char::is_lowercase), PasswordRule::LowercaseMissing),
        ]
        .into_iter()
        .filter_map(|(failed, rule)| failed.then_some(rule))
        .collect()
    }

    /// What makes it too easy to guess; `None` if it is good enough.
    fn weakness(&self, password: &str, words: &[&str]) -> Option<Weakness> {
        if self.min_guesses == 0 {
            return None;
        }
        let mut estimated = Zeroizing::new(String::with_capacity(password.len()));
        estimated.extend(password.chars().take(ESTIMATED_CHARS));
        let words = relevant_words(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let estimate = zxcvbn::zxcvbn(&estimated, &words);
        if estimate.guesses() >= self.min_guesses {
            return None;
        }
        let feedback = estimate.feedback();
        Some(Weakness {
            warning: feedback.and_then(|feedback| feedback.warning()).map(|warning| warning.to_string()),
            suggestions: feedback
                .map(|feedback| feedback.suggestions().iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        })
    }

    fn violation(&self, rules: Vec<PasswordRule>, weakness: Option<Weakness>) -> PolicyViolation {
        let sentences: Vec<Cow<'static, str>> = rules.iter().map(|rule| self.sentence(*rule)).collect();
        let mut detail = sentences.join(" ");
        let mut suggestions = Vec::new();
        if let Some(weakness) = weakness {
            if let Some(warning) = weakness.warning {
                detail.push(' ');
                detail.push_str(&warning);
            }
            suggestions = weakness.suggestions;
        }
        PolicyViolation { rules, detail, suggestions }
    }

    fn sentence(&self, rule: PasswordRule) -> Cow<'static, str> {
        match rule {
            PasswordRule::TooShort => {
                format!("The password needs at least {} characters.", self.min_length).into()
            }
            PasswordRule::TooLong => {
                format!("The password is longer than {} bytes.", super::MAX_PASSWORD_BYTES).into()
            }
            PasswordRule::SpecialMissing => "The password needs a special character, such as ! or #.".into(),
            PasswordRule::NumberMissing => "The password needs a digit.".into(),
            PasswordRule::UppercaseMissing => "The password needs an upper-case letter.".into(),
            PasswordRule::LowercaseMissing => "The password needs a lower-case letter.".into(),
            PasswordRule::TooGuessable => "The password is too easy to guess.".into(),
            PasswordRule::Breached => BREACHED.into(),
        }
    }
}

const BREACHED: &str = "The password is known from a breach elsewhere; choose another.";

impl PolicyViolation {
    /// A password that is known from a breach.
    pub fn breached() -> Self {
        let rules = vec![PasswordRule::Breached];
        Self { rules, detail: BREACHED.to_owned(), suggestions: Vec::new() }
    }
}

/// The estimator's remarks.
struct Weakness {
    warning: Option<String>,
    suggestions: Vec<String>,
}

/// The words as given and their parts, without those too short to matter, and no more than a sane number.
fn relevant_words(words: &[&str]) -> Vec<String> {
    let whole = words.iter().copied();
    let parts = words.iter().flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    let mut relevant: Vec<String> = Vec::new();
    for word in std::iter::once("usso").chain(whole).chain(parts) {
        let word: String = word.chars().take(MAX_WORD_CHARS).collect();
        if relevant.len() < MAX_WORDS && word.chars().count() >= MIN_WORD_CHARS && !relevant.contains(&word) {
            relevant.push(word);
        }
    }
    relevant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(password: &str, words: &[&str]) -> Vec<PasswordRule> {
        match PasswordPolicy::default().check(&password.into(), words) {
            Ok(()) => Vec::new(),
            Err(violation) => violation.rules,
        }
    }

    #[test]
    fn good_passwords_pass() {
        for password in [
            "SecurePassword123!",
            "correct-horse-battery-staple",
            "kettle orbit, mango window",
            "q7#Lw0zR",
            "پنجره‌ی آبی! کوچه‌ی باران",
        ] {
            assert_eq!(failed(password, &["admin@example.com", "Example"]), [], "{password}");
        }
    }

    #[test]
    fn guessable_passwords_are_refused_although_they_have_every_class() {
        for password in [
            "Password1!",
            "password!",
            "12345678!",
            "Qwerty123!",
            "P@ssw0rd",
            "aaaaaaaa!",
            "abcdefgh!",
            "Admin123!",
            "Welcome1!",
            "iloveyou!",
            "letmein!",
            "!!!!!!!!",
            "2026-11-22",
        ] {
            assert_eq!(failed(password, &[]), [PasswordRule::TooGuessable], "{password}");
        }
    }

    #[test]
    fn words_close_to_the_user_are_refused() {
        let words = ["kowalczyk.teodora@greenfinch.example", "Greenfinch Bakery", "Zanzibarium"];
        for password in ["kowalczyk1!", "Greenfinch!", "zanzibarium#", "Teodora!1"] {
            assert_eq!(failed(password, &words), [PasswordRule::TooGuessable], "{password}");
        }
        assert_eq!(failed("zanzibarium#", &[]), []);
        assert_eq!(failed("UssoUsso!", &[]), [PasswordRule::TooGuessable]);
    }

    #[test]
    fn special_character_is_required_by_default() {
        assert_eq!(failed("SecurePassword123", &[]), [PasswordRule::SpecialMissing]);
        assert_eq!(failed("mango window kettle orbit", &[]), [PasswordRule::SpecialMissing]);
    }

    #[test]
    fn length_counts_code_points() {
        let policy = PasswordPolicy { min_length: 8, min_guesses: 0, ..PasswordPolicy::default() };
        assert!(policy.check(&"éééééé!".into(), &[]).is_err());
        assert!(policy.check(&"ééééééé!".into(), &[]).is_ok());
        // Decomposed, this is nine code points; composed, eight.
        assert!(policy.check(&"abcdefe\u{301}!".into(), &[]).is_ok());
        assert!(policy.check(&"abcdee\u{301}!".into(), &[]).is_err());
    }

    #[test]
    fn password_beyond_1024_bytes_is_refused() {
        let violation = PasswordPolicy::default().check(&"x!".repeat(513).into(), &[]).unwrap_err();
        assert_eq!(violation.rules, [PasswordRule::TooLong]);
        assert_eq!(violation.detail, "The password is longer than 1024 bytes.");
    }

    #[test]
    fn each_required_class_is_checked_when_on() {
        let policy = PasswordPolicy {
            min_length: 8,
            require_special: true,
            require_numbers: true,
            require_uppercase: true,
            require_lowercase: true,
            min_guesses: 0,
        };
        for (password, rule) in [
            ("Abcdef12", PasswordRule::SpecialMissing),
            ("Abcdefg!", PasswordRule::NumberMissing),
            ("abcdef1!", PasswordRule::UppercaseMissing),
            ("ABCDEF1!", PasswordRule::LowercaseMissing),
            ("Abc1!", PasswordRule::TooShort),
        ] {
            assert_eq!(policy.check(&password.into(), &[]).unwrap_err().rules, [rule], "{password}");
        }
        assert_eq!(policy.check(&"SecurePassword123!".into(), &[]), Ok(()));
    }

    #[test]
    fn violation_gives_every_reason_and_a_suggestion_but_never_the_password() {
        let violation = PasswordPolicy::default().check(&"hunter2".into(), &[]).unwrap_err();
        assert_eq!(
            violation.rules,
            [PasswordRule::TooShort, PasswordRule::SpecialMissing, PasswordRule::TooGuessable]
        );
        assert!(violation.detail.starts_with("The password needs at least 8 characters. "));
        assert!(!violation.suggestions.is_empty());
        assert!(!format!("{violation:?}").contains("hunter2"));
        let empty = PasswordPolicy::default().check(&"".into(), &[]).unwrap_err();
        assert_eq!(empty.rules, violation.rules);
    }

    #[test]
    fn rule_names_on_the_wire_are_those_of_as_str() {
        for rule in [PasswordRule::TooShort, PasswordRule::TooGuessable, PasswordRule::Breached] {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
    }

    #[test]
    fn policy_reads_partial_settings_and_refuses_unknown_ones() {
        let policy: PasswordPolicy = serde_json::from_str(r#"{"min_length":15}"#).unwrap();
        assert_eq!(policy, PasswordPolicy { min_length: 15, ..PasswordPolicy::default() });
        assert!(serde_json::from_str::<PasswordPolicy>(r#"{"min_lenght":15}"#).is_err());
    }

    #[test]
    fn many_or_endless_words_are_bounded() {
        let long = "w".repeat(100_000);
        let words: Vec<String> = (0..1_000).map(|number| format!("word{number}")).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.insert(0, &long);
        let relevant = relevant_words(&words);
        assert_eq!(relevant.len(), MAX_WORDS);
        assert!(relevant.iter().all(|word| word.chars().count() <= MAX_WORD_CHARS));
    }
}
