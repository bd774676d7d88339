//! Where a page may lead to: paths of its own origin (RFC 9700 section 4.11).

/// The longest target.
const MAX: usize = 4_096;

/// A path of this origin, with whatever follows it; none for anything that a browser could read as another site.
///
/// Browsers take backslashes for slashes and skip control characters, and proxies decode what is encoded: what follows the
/// first slash must be plain.
pub fn own_path(target: &str) -> Option<&str> {
    let is_plain = target.len() <= MAX && target.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let rest = target.strip_prefix('/')?;
    let begins = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'?');
    let is_path = rest.bytes().next().is_none_or(begins);
    (is_plain && is_path).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_of_this_origin() {
        for fine in
            ["/", "/welcome", "/t/org_a/oauth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fb", "/?a=b"]
        {
            assert_eq!(own_path(fine), Some(fine));
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/%5cevil",
            "/.//evil",
            "/\t/evil",
        ] {
            assert_eq!(own_path(bad), None, "{bad}");
        }
    }
}
