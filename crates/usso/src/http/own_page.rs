//! Where a browser may be sent: to the tenant's own pages and nowhere else (RFC 9700 section 4.11).

use crate::http::{Tenant, csrf};
use crate::tenant::domain::normalise_host;

/// Whether it is a path of this host or a page on one of the tenant's domains. Browsers read backslashes as slashes and skip
/// control characters, so nothing but plain visible ASCII passes.
pub fn is_own(tenant: &Tenant, target: &str) -> bool {
    let is_plain = target.len() <= 2_048 && target.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_path = target.starts_with('/') && !target.starts_with("//");
    is_plain && (is_path || is_own_site(tenant, target))
}

/// Whether a web address lies on one of the tenant's hosts, on whatever port.
fn is_own_site(tenant: &Tenant, url: &str) -> bool {
    let Some(origin) = csrf::origin_of(url) else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let host = normalise_host(authority);
    matches!(scheme, "http" | "https") && host.is_ok_and(|h| tenant.scope.profile().issuers.is_own_host(&h))
}
