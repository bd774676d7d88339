//! What a server in development mode sent: the files in its outbox.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory of its own for each server, gone with it.
#[derive(Debug)]
pub struct DataDirectory(pub PathBuf);

impl DataDirectory {
    /// A directory nobody else has. It is made when something is written.
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("usso-test-data-{}-{number}", std::process::id())))
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which.
    pub template: String,
    /// `email` or `sms`.
    pub channel: String,
    /// To whom.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// Its words.
    pub text: String,
}

impl Letter {
    /// Reads every message, the oldest first.
    pub fn all(directory: &DataDirectory) -> Vec<Self> {
        let Ok(files) = std::fs::read_dir(directory.0.join("outbox")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &std::path::Path) -> Self {
        let file = std::fs::read_to_string(path).expect("a message");
        let (head, text) = file.split_once("\n\n").expect("a head and a text");
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a field").trim_start_matches(": ").to_owned()
        };
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        Self {
            template: name.split_once('-').expect("a template").1.to_owned(),
            channel: field("Channel"),
            to: field("To"),
            subject: field("Subject"),
            text: text.to_owned(),
        }
    }

    /// The code it tells.
    pub fn code(&self) -> String {
        let is_code = |word: &&str| word.len() >= 6 && word.bytes().all(|b| b.is_ascii_digit());
        self.text.split_whitespace().find(is_code).expect("a code").to_owned()
    }

    /// The link it holds.
    pub fn link(&self) -> String {
        self.text.split_whitespace().find(|word| word.starts_with("http")).expect("a link").to_owned()
    }

    /// The token in its link.
    pub fn token(&self) -> String {
        self.link().split_once("token=").expect("a token").1.to_owned()
    }
}
