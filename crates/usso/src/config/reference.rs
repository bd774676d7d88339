//! `docs/configuration.md` and `usso.example.toml`, written from the list of keys.

use crate::config::setting::Key;
use crate::config::{ALL, Config};

const INTRODUCTION: &str = "\
# Configuration

This page is generated from the list the server itself reads. Every key has a default; `usso` starts without any
configuration.

Later sources replace earlier ones: the defaults, the file (`usso.toml` in the working directory, or the one named by
`--config FILE`), a `.env` file in the working directory, the environment, flags.

* In the file a key stands in its section: `port = 8000` under `[server]`. `usso.example.toml` shows all of them.
* In the environment every key has the name `USSO__SECTION__KEY` (`USSO__SERVER__PORT=8000`) besides any short one that
  the tables show. An empty variable counts as not set. Lists are separated by commas.
* A variable marked *or file* may instead be given as `NAME_FILE`, the path of a file with the value.
* Booleans are `1 0 true false yes no on off`.
* Unknown sections, keys, flags and `USSO__` variables are refused, as are two names of one key beside each other.
* `usso config print` shows the effective values, each with its source, secrets as asterisks.
";

/// The text of `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = INTRODUCTION.to_owned();
    for section in &ALL {
        out.push_str(&format!("\n## `[{}]`\n\n{}\n\n", section.name, section.about.trim()));
        out.push_str("| key | flag | environment | default | meaning |\n|---|---|---|---|---|\n");
        for key in section.keys {
            let cells = [
                format!("`{}`", key.name),
                key.flag.map(|flag| format!("`--{flag}`")).unwrap_or_default(),
                environment(key),
                default(key),
                key.meaning.trim().to_owned(),
            ];
            out.push_str(&format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")));
        }
    }
    out
}

fn environment(key: &Key) -> String {
    let short = key.environment.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ");
    let names = if short.is_empty() { format!("`{}`", key.variable()) } else { short };
    if key.secret { format!("{names} *or file*") } else { names }
}

fn default(key: &Key) -> String {
    let value = || (key.show)(&Config::default()).unwrap_or_else(|| "none".to_owned());
    match key.shown {
        Some(words) if words.contains(['{', '/']) => format!("`{words}`"),
        Some(words) => words.to_owned(),
        None => format!("`{}`", value()),
    }
}

/// The text of `usso.example.toml`: every key commented out with its default.
pub fn example() -> String {
    let mut out = "\
# The configuration of USSO. Every key is shown with its default, or with an example where the default is none.
# Remove the first `#` of a line to set it. docs/configuration.md says more.
"
    .to_owned();
    for section in &ALL {
        out.push_str(&format!("\n{}[{}]\n", comment(section.about), section.name));
        for key in section.keys {
            let words = key.shown.map(|words| format!(" Default: {words}.")).unwrap_or_default();
            let value = key.example.map(str::to_owned).or_else(|| (key.show)(&Config::default()));
            let value = value.unwrap_or_else(|| "\"********\"".to_owned());
            let sentence = comment(&format!("{}{words}", key.meaning));
            out.push_str(&format!("\n{sentence}#{} = {value}\n", key.name));
        }
    }
    out
}

/// Comment lines of at most 110 characters.
fn comment(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        if width == 0 || width + word.len() >= 110 {
            out.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + word.len();
    }
    out.push('\n');
    out
}
