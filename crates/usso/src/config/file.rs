//! The configuration file: TOML, whose tables are the sections.

use crate::config::ALL;
use crate::config::error::{ConfigError, Source};
use crate::config::setting::{Raw, Section};
use crate::config::sources::{Entry, TextFile};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the file says.
pub(super) fn entries(file: &TextFile) -> Result<Vec<Entry>, ConfigError> {
    let place = |offset: usize| Source::File { path: file.path.clone(), line: line_of(&file.text, offset) };
    let document = DeTable::parse(&file.text).map_err(|error| ConfigError::Syntax {
        origin: place(error.span().map_or(0, |span| span.start)),
        // Only the parser's own words: its full text would repeat the line, which may hold a secret.
        reason: error.message().replace('\n', ", "),
    })?;
    let mut found = Vec::new();
    for (name, value) in document.get_ref() {
        let origin = place(name.span().start);
        let Some(section) = ALL.iter().find(|section| section.name == name.get_ref().as_ref()) else {
            return Err(ConfigError::UnknownKey {
                what: format!("section {:?}", name.get_ref()),
                origin,
                known: list(ALL.iter().map(|section| section.name)),
            });
        };
        let DeValue::Table(table) = value.get_ref() else {
            return Err(ConfigError::Value {
                key: section.name.to_owned(),
                origin,
                reason: format!("must be a section, written [{}]", section.name),
            });
        };
        for (name, value) in table {
            found.push(entry(section, name.get_ref(), value, place(name.span().start))?);
        }
    }
    Ok(found)
}

fn entry(
    section: &Section,
    name: &str,
    value: &Spanned<DeValue<'_>>,
    origin: Source,
) -> Result<Entry, ConfigError> {
    let Some(key) = section.keys.iter().find(|key| key.name == name) else {
        return Err(ConfigError::UnknownKey {
            what: format!("key {name:?} in [{}]", section.name),
            origin,
            known: list(section.keys.iter().map(|key| key.name)),
        });
    };
    match raw(value.get_ref()) {
        Some(raw) => Ok(Entry { key, raw, origin }),
        None => Err(ConfigError::Value {
            key: key.path.to_owned(),
            origin,
            reason: "must be a string, a whole number, true or false, or a list of strings".to_owned(),
        }),
    }
}

fn raw(value: &DeValue<'_>) -> Option<Raw> {
    match value {
        DeValue::String(text) => Some(Raw::One(text.to_string())),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(Raw::One(number.to_string()))
        }
        DeValue::Boolean(truth) => Some(Raw::One(truth.to_string())),
        DeValue::Array(items) => {
            let item = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            items.iter().map(item).collect::<Option<_>>().map(Raw::Many)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
