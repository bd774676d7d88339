//! Standard claims (OpenID Connect Core §5.1) and which word of `scope` opens which (§5.4).

use crate::identity::identifiers::IdentifierKind;
use crate::identity::users::model::User;
use kernel::Stored;
use serde_json::{Map, Value};

/// What a user says of themself, in their profile's data.
const SAID: [&str; 11] = [
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "profile",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "picture",
];

/// Every claim there is, by the word that opens it.
const OPENED: [(&str, &[&str]); 3] = [
    (
        "profile",
        &[
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The word of `scope` that opens a claim; none if a user has no such claim here.
pub fn word_of(name: &str) -> Option<&'static str> {
    OPENED.iter().find(|(_, claims)| claims.contains(&name)).map(|(word, _)| *word)
}

/// Every claim, for discovery.
pub fn names() -> Vec<&'static str> {
    OPENED.iter().flat_map(|(_, claims)| claims.iter().copied()).collect()
}

/// The claims that these words of `scope` open, and single ones that were asked for.
pub fn words<'a>(scope: &[String], single: &'a [String]) -> Vec<&'a str> {
    let by_scope = OPENED.iter().filter(|(word, _)| scope.iter().any(|own| own == word));
    let opened = by_scope.flat_map(|(_, claims)| claims.iter().copied());
    opened.chain(single.iter().map(String::as_str)).collect()
}

/// These claims of a user, as far as they have them.
pub fn claims_of(user: &Stored<User>, names: &[&str]) -> Map<String, Value> {
    let mut claims = Map::new();
    for name in names {
        if let Some(value) = claim(user, name) {
            claims.insert((*name).to_owned(), value);
        }
    }
    claims
}

fn claim(user: &Stored<User>, name: &str) -> Option<Value> {
    let is_verified = |kind| user.value_of(kind).map(|own| Value::Bool(own.verified_at.is_some()));
    let value = |kind| user.value_of(kind).map(|own| Value::String(own.value.clone()));
    match name {
        "name" => user.name.clone().map(Value::String),
        "preferred_username" => value(IdentifierKind::Username),
        "picture" => user.avatar_url.clone().map(Value::String).or_else(|| said(user, name)),
        "updated_at" => Some(user.updated_at.unix_seconds().into()),
        "email" => value(IdentifierKind::Email),
        "email_verified" => is_verified(IdentifierKind::Email),
        "phone_number" => value(IdentifierKind::Phone),
        "phone_number_verified" => is_verified(IdentifierKind::Phone),
        name if SAID.contains(&name) => said(user, name),
        _ => None,
    }
}

fn said(user: &User, name: &str) -> Option<Value> {
    let value = user.profile.as_ref()?.data.get(name)?;
    value.as_str().filter(|text| !text.is_empty()).map(Value::from)
}
