//! Lists return what the caller may see (contract 4.4): the filters of held scopes become part of the query.

use super::permission::Permission;
use kernel::TagMatch;
use protocol::scope::Scope;

/// Most alternatives a query is given; further scopes with filters show nothing more in lists.
const MAX_ALTERNATIVES: usize = 20;

/// What a permission opens of a kind of records: any of these, each all of its tags. None: nothing.
///
/// `fixed` are the attributes every record here has, `tagged` those its tags tell: attribute and tag prefix. A filter on
/// anything else can't be put into a query, and its scope shows nothing in lists.
pub fn visible(
    permission: Permission,
    held: &[String],
    fixed: &[(&str, &str)],
    tagged: &[(&str, &str)],
) -> Option<Vec<Vec<TagMatch>>> {
    let mut alternatives: Vec<Vec<TagMatch>> = Vec::new();
    for scope in held.iter().map(|text| Scope::parse(text)).filter(|scope| permission.is_covered(scope)) {
        let Some(tags) = as_tags(&scope, fixed, tagged) else { continue };
        if tags.is_empty() {
            return Some(vec![Vec::new()]);
        }
        if alternatives.len() < MAX_ALTERNATIVES && !alternatives.contains(&tags) {
            alternatives.push(tags);
        }
    }
    (!alternatives.is_empty()).then_some(alternatives)
}

fn as_tags(scope: &Scope<'_>, fixed: &[(&str, &str)], tagged: &[(&str, &str)]) -> Option<Vec<TagMatch>> {
    let mut tags = Vec::new();
    for (name, pattern) in scope.filters() {
        if let Some(attribute) = fixed.iter().find(|(known, _)| *known == name) {
            if !scope.admits_one(*attribute) {
                return None;
            }
        } else {
            let (_, prefix) = tagged.iter().find(|(known, _)| *known == name)?;
            tags.push(as_tag(prefix, pattern)?);
        }
    }
    Some(tags)
}

fn as_tag(prefix: &str, pattern: &str) -> Option<TagMatch> {
    match pattern.split_once('*') {
        None => Some(TagMatch::Is(format!("{prefix}{pattern}"))),
        Some((start, "")) => Some(TagMatch::StartsWith(format!("{prefix}{start}"))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::permission::Resource;
    use super::*;

    fn seen(held: &[&str]) -> Option<Vec<Vec<TagMatch>>> {
        let held: Vec<String> = held.iter().map(|s| (*s).to_owned()).collect();
        let read = Permission::new("read", Resource::Sessions);
        visible(read, &held, &[("tenant_id", "org_a")], &[("user_id", "user:")])
    }

    #[test]
    fn a_scope_without_filters_shows_everything() {
        assert_eq!(seen(&["read:sessions?user_id=1", "*:*"]), Some(vec![vec![]]));
        assert_eq!(seen(&["read:sessions?tenant_id=org_*"]), Some(vec![vec![]]));
    }

    #[test]
    fn filters_become_tags_and_scopes_alternatives() {
        let is = |t: &str| TagMatch::Is(t.to_owned());
        let two = seen(&["read:sessions?user_id=1", "read:session?user_id=2&tenant_id=org_a"]);
        assert_eq!(two, Some(vec![vec![is("user:1")], vec![is("user:2")]]));
        let starts = TagMatch::StartsWith("user:a".to_owned());
        assert_eq!(seen(&["read:sessions?user_id=a*"]), Some(vec![vec![starts]]));
    }

    #[test]
    fn what_can_not_be_asked_for_shows_nothing() {
        for held in [
            "read:sessions?tenant_id=org_b",
            "read:sessions?color=red",
            "read:sessions?user_id=a*b",
            "read:users",
            "create:keys",
        ] {
            assert_eq!(seen(&[held]), None, "{held}");
        }
    }
}
