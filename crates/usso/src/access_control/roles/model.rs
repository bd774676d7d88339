//! The record of a role, and the form of its slug.

use kernel::{Key, Record, RoleId};
use serde::{Deserialize, Serialize};

/// Most characters of a slug.
const MAX_SLUG: usize = 64;

/// A named set of scopes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// `role_…`.
    pub id: RoleId,
    /// What users and tokens carry; it never changes.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it grants.
    pub scopes: Vec<String>,
    /// Whether it grants anything now.
    pub is_active: bool,
    /// The only workspace it counts in.
    pub workspace_id: Option<String>,
}

impl Record for Role {
    const KIND: &'static str = "role";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        vec![slug_key(&self.slug)]
    }

    fn tags(&self) -> Vec<String> {
        let workspace = self.workspace_id.iter().map(|id| format!("workspace:{id}"));
        workspace.chain([format!("active:{}", self.is_active), name_tag(&self.name)]).collect()
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone())]
    }
}

/// Whether a role that is active or not, of a workspace or of all, counts in this workspace, or outside of any.
pub fn counts_in((is_active, own): (bool, Option<&str>), workspace: Option<&str>) -> bool {
    is_active && own.is_none_or(|own| workspace == Some(own))
}

/// The key a role is found by.
pub fn slug_key(slug: &str) -> Key {
    Key::new("slug", slug)
}

/// The tag roles of a name have.
pub fn name_tag(name: &str) -> String {
    format!("name:{}", name.trim().to_lowercase())
}

/// Whether a text is a slug: 1 to 64 of `a-z`, `0-9`, `_`, `-`, `.`, beginning with a letter or digit.
pub fn is_slug(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    (1..=MAX_SLUG).contains(&text.len())
        && text.bytes().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The slug of a name: lower case, every run of other characters one `_`. None when nothing remains.
pub fn slug_of(name: &str) -> Option<String> {
    let mut slug = String::new();
    for c in name.trim().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(MAX_SLUG);
    let slug = slug.trim_end_matches('_');
    is_slug(slug).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_made_of_a_name() {
        assert_eq!(slug_of("Content Editor").as_deref(), Some("content_editor"));
        assert_eq!(slug_of("  HR – Münster!").as_deref(), Some("hr_m_nster"));
        assert_eq!(slug_of("مدیر"), None);
    }

    #[test]
    fn a_slug_is_lower_case_and_short() {
        assert!(is_slug("content-editor") && is_slug("a") && is_slug("v1.reader"));
        for no in ["", "Editor", "-x", "a b", "a:b", &"a".repeat(65)] {
            assert!(!is_slug(no), "{no:?}");
        }
    }
}
