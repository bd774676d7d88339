//! The `.env` file: `KEY=VALUE` lines, as shells and container tools write them.
//!
//! `export` before the key, comments, single quotes (literal) and double quotes (with `\n \r \t \" \\ \$`) are
//! understood. Variables inside values are not expanded, values end with their line, and the process environment is
//! never changed.

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
    /// Counted from 1.
    pub(super) line: usize,
}

/// Why and where a file isn't one, without its text (which may hold secrets).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) reason: &'static str,
}

/// The assignments in order.
pub(super) fn parse(text: &str) -> Result<Vec<Assignment>, Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let (name, value) = assignment(content).map_err(|reason| Malformed { line, reason })?;
        found.push(Assignment { name: name.to_owned(), value, line });
    }
    Ok(found)
}

fn assignment(content: &str) -> Result<(&str, String), &'static str> {
    let content = match content.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => content,
    };
    let (name, value) = content.split_once('=').ok_or("is not NAME=VALUE")?;
    let name = name.trim_end();
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("the name is not made of letters, digits and underscores");
    }
    let value = value.trim_start();
    let value = match value.chars().next() {
        Some('\'') => {
            let (inside, rest) =
                value.get(1..).and_then(|v| v.split_once('\'')).ok_or("a quote is not closed")?;
            nothing_follows(rest)?;
            inside.to_owned()
        }
        Some('"') => double_quoted(value.get(1..).unwrap_or_default())?,
        _ => unquoted(value).to_owned(),
    };
    Ok((name, value))
}

/// A comment begins at a `#` that is first or follows a space.
fn unquoted(value: &str) -> &str {
    let is_comment = |(at, _): &(usize, &str)| {
        value.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
    };
    let end = value.match_indices('#').find(is_comment).map_or(value.len(), |(at, _)| at);
    value.get(..end).unwrap_or_default().trim_end()
}

fn double_quoted(rest: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                nothing_follows(chars.as_str())?;
                return Ok(value);
            }
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                _ => {
                    return Err(
                        "a backslash in double quotes must be followed by n, r, t, a quote, $ or a backslash",
                    );
                }
            },
            c => value.push(c),
        }
    }
    Err("a quote is not closed")
}

fn nothing_follows(rest: &str) -> Result<(), &'static str> {
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(()) } else { Err("something follows the closing quote") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(line: &str) -> String {
        parse(line).unwrap().pop().unwrap().value
    }

    #[test]
    fn values_are_read_as_shells_write_them() {
        assert_eq!(value_of("A=b"), "b");
        assert_eq!(value_of("export A = b  # comment"), "b");
        assert_eq!(value_of("A=b#c"), "b#c", "a # inside a word is part of it");
        assert_eq!(value_of("A= # nothing"), "");
        assert_eq!(value_of("A='b # $c \\n' # comment"), "b # $c \\n");
        assert_eq!(value_of(r#"A="b # c\n\"d\" \\ \$e""#), "b # c\n\"d\" \\ $e");
        assert_eq!(value_of("A=b=c=="), "b=c==");
        assert_eq!(value_of("exported=1"), "1");
        assert_eq!(value_of("\u{feff}A=ü\r\n"), "ü");
    }

    #[test]
    fn comments_and_empty_lines_count_as_lines() {
        let found = parse("# one\n\nA=1\n  # four\nB=2\n").unwrap();
        let places: Vec<_> = found.iter().map(|a| (a.name.as_str(), a.line)).collect();
        assert_eq!(places, [("A", 3), ("B", 5)]);
    }

    #[test]
    fn malformed_lines_are_refused_by_number() {
        for text in [
            "ok=1\nnot an assignment",
            "ok=1\n1A=2",
            "ok=1\nA='b",
            "ok=1\nA=\"b",
            "ok=1\nA='b' c",
            "ok=1\n=x",
        ] {
            assert_eq!(parse(text).unwrap_err().line, 2, "{text}");
        }
        assert!(parse(r#"A="\x""#).is_err());
    }
}
