//! Passwords known from breaches, in a file the operator supplies.
//!
//! The file is what collections of breaches publish: the SHA-1 of each password in hexadecimal, one a line, in order, each with
//! or without `:` and a count. It may be many gigabytes; a look-up reads some forty short pieces of it and keeps none.

use super::normalise;
use secrecy::SecretString;
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Digits of a digest.
const DIGITS: usize = 40;
/// The longest line, its end included.
const MAX_LINE: usize = 64;
/// Lines that are looked at before the file is trusted.
const SAMPLES: u64 = 64;

/// The list.
#[derive(Debug)]
pub struct BreachedList {
    file: File,
    length: u64,
}

/// A line: where it begins, where the next one does, and its digest in upper case.
struct Line {
    start: u64,
    next: u64,
    digest: [u8; DIGITS],
}

impl BreachedList {
    /// Opens a list, and looks at some of its lines.
    ///
    /// # Errors
    /// When it can't be read, or isn't one.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let list = Self { file, length };
        let mut last = None;
        for sample in 0..SAMPLES {
            let at = (u128::from(length) * u128::from(sample) / u128::from(SAMPLES)).try_into().unwrap_or(0);
            let line = list.line(at)?;
            if last.is_some_and(|last| last > line.digest) {
                return Err(wrong("is not in order"));
            }
            last = Some(line.digest);
        }
        Ok(list)
    }

    /// Whether a password is in the list. It reads the disk.
    ///
    /// # Errors
    /// When the file can't be read, or isn't what it was.
    pub fn contains(&self, password: &SecretString) -> io::Result<bool> {
        let Some(password) = normalise(password) else { return Ok(false) };
        let wanted = hex(protocol::sha1(password.as_bytes()));
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let line = self.line(low + (high - low) / 2)?;
            match line.digest.cmp(&wanted) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => low = line.next,
                Ordering::Greater => high = line.start,
            }
        }
        Ok(false)
    }

    /// The line that holds a byte of the file.
    fn line(&self, at: u64) -> io::Result<Line> {
        let from = at.saturating_sub(MAX_LINE as u64);
        let mut piece = [0; 2 * MAX_LINE];
        let mut read = 0;
        while let Some(rest) = piece.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, from + read as u64)? {
                0 => break,
                count => read += count,
            }
        }
        let piece = piece.get(..read).unwrap_or_default();
        let place = usize::try_from(at - from).unwrap_or(0).min(read);
        let (before, after) = piece.split_at(place);
        let start = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if from == 0 => 0,
            None => return Err(wrong("has a line that is too long")),
        };
        let end = after.iter().position(|byte| *byte == b'\n').map_or(read, |end| place + end + 1);
        let text = piece.get(start..end).unwrap_or_default();
        let digest = text.get(..DIGITS).filter(|text| text.iter().all(u8::is_ascii_hexdigit));
        let follows = text.get(DIGITS).is_none_or(|byte| matches!(byte, b':' | b'\r' | b'\n'));
        let digest = digest.filter(|_| follows).ok_or_else(|| wrong("has a line that is no SHA-1 digest"))?;
        let mut upper = [0; DIGITS];
        upper.iter_mut().zip(digest).for_each(|(to, from)| *to = from.to_ascii_uppercase());
        Ok(Line { start: from + start as u64, next: from + end as u64, digest: upper })
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the list of breached passwords {what}"))
}

fn hex(bytes: [u8; 20]) -> [u8; DIGITS] {
    const ALPHABET: [u8; 16] = *b"0123456789ABCDEF";
    let digit = |value: u8| ALPHABET.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    let mut text = [0; DIGITS];
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]);
    text.iter_mut().zip(digits).for_each(|(to, from)| *to = from);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("usso-breached-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn list(words: &[String], end: &str) -> String {
        let mut lines: Vec<String> = words
            .iter()
            .map(|word| String::from_utf8(hex(protocol::sha1(word.as_bytes())).to_vec()).unwrap())
            .collect();
        lines.sort();
        lines.iter().map(|line| format!("{line}{end}")).collect()
    }

    #[test]
    fn pw_04_every_password_of_the_list_is_found_and_no_other() {
        let words: Vec<String> = (0..500).map(|n| format!("word-{n}")).collect();
        for (name, end) in [("plain", "\n"), ("counted", ":1234567\r\n")] {
            let path = file(name, &list(&words, end));
            let found = BreachedList::open(&path).unwrap();
            for word in &words {
                assert!(found.contains(&word.as_str().into()).unwrap(), "{word}");
                assert!(!found.contains(&format!("{word}!").into()).unwrap(), "{word}!");
            }
            std::fs::remove_file(path).unwrap();
        }
        // The last line may lack its end, and one line is a list.
        let path = file("one", list(&words[..1], "\n").trim_end());
        assert!(BreachedList::open(&path).unwrap().contains(&"word-0".into()).unwrap());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let words: Vec<String> = (0..200).map(|n| format!("word-{n}")).collect();
        let sorted = list(&words, "\n");
        let reversed: String = sorted.lines().rev().map(|line| format!("{line}\n")).collect();
        for (name, text) in [
            ("empty", ""),
            ("words", "password\n123456\n"),
            ("reversed", &*reversed),
            ("long", &"A".repeat(500)),
        ] {
            let path = file(name, text);
            assert!(BreachedList::open(&path).is_err(), "{name}");
            std::fs::remove_file(path).unwrap();
        }
    }
}
