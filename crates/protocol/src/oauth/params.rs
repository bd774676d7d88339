//! The parameters of a request (RFC 6749 §3.1, §3.2, appendix B).
//!
//! A parameter without a value counts as absent, an unknown one is ignored, and none may come twice. What came twice is
//! readable by nobody: which of two values another reader would have taken is how requests are smuggled.

use std::collections::HashSet;

/// Those that may come more than once (RFC 8707 §2, RFC 8693 §2.1).
const LISTS: [&str; 2] = ["resource", "audience"];

/// The parameters of a request, in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string or a form body.
    #[must_use]
    pub fn parse(encoded: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(encoded).filter(|(_, value)| !value.is_empty());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Of names and values; empty values count as absent here, too.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(_, value): &(String, String)| !value.is_empty()).collect())
    }

    /// The value of a parameter; none when it is absent, or came twice.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Every value of a parameter.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is there, once or more often.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The first parameter that came twice and may not.
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let mut seen = HashSet::new();
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !LISTS.contains(name)).find(|name| !seen.insert(*name))
    }

    /// Names and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_absent_and_an_unknown_one_harmless() {
        let params = Params::parse(b"client_id=a&state=&x=1&=2");
        assert_eq!(
            (params.get("client_id"), params.get("state"), params.has("state")),
            (Some("a"), None, false)
        );
        assert_eq!(params.repeated(), None);
    }

    #[test]
    fn what_came_twice_has_no_value() {
        let params = Params::parse(b"scope=a&client_id=x&client_id=x");
        assert_eq!((params.get("client_id"), params.has("client_id")), (None, true));
        assert_eq!(params.repeated(), Some("client_id"));
    }

    #[test]
    fn an_empty_one_does_not_count_as_the_first_of_two() {
        assert_eq!(Params::parse(b"state=&state=x").get("state"), Some("x"));
    }

    #[test]
    fn resources_and_audiences_may_be_several() {
        let params = Params::parse(b"resource=https%3A%2F%2Fa&resource=https://b&audience=c");
        assert_eq!(params.repeated(), None);
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["https://a", "https://b"]);
    }

    #[test]
    fn values_are_decoded_as_forms_are() {
        assert_eq!(Params::parse(b"state=a+b%26%3D%C3%A9").get("state"), Some("a b&=\u{e9}"));
    }
}
