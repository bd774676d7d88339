//! Calls to a tenant's own servers, signed so that they know who asks.
//!
//! `X-USSO-Signature` is `sha256=` and the base64url of HMAC-SHA-256, under the secret agreed on, over `X-USSO-Timestamp`, a full
//! stop and the body. Who checks it refuses old timestamps, too.

use kernel::WebRequest;
use protocol::b64url;
use protocol::seal::MacKey;
use serde_json::Value;

/// The header with the time of the call in Unix seconds.
pub const TIMESTAMP: &str = "x-usso-timestamp";
/// The header with the signature.
pub const SIGNATURE: &str = "x-usso-signature";

/// A POST of JSON. `now`: Unix seconds.
pub fn post(url: &str, secret: &str, body: &Value, now: i64) -> WebRequest {
    let body = body.to_string();
    let tag = MacKey::from_secret(secret.as_bytes()).tag(format!("{now}.{body}").as_bytes());
    WebRequest {
        method: "POST",
        url: url.to_owned(),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            (TIMESTAMP, now.to_string()),
            (SIGNATURE, format!("sha256={}", b64url::encode(tag))),
        ],
        body: body.into_bytes(),
    }
}

/// What is wrong with the address of a server that a tenant names, if anything. Where it may lie is for who connects.
///
/// # Errors
/// In words for the administrator.
pub fn check_address(url: &str) -> Result<(), &'static str> {
    const WRONG: &str = "must be an address that begins with https://";
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or(WRONG)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let is_plain = url.len() <= 2_048
        && !authority.is_empty()
        && !authority.contains('@')
        && !url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#' || !c.is_ascii());
    if is_plain { Ok(()) } else { Err(WRONG) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wh_01_a_call_is_signed_with_its_time() {
        let request = post("https://gw.example/x", "s", &json!({"a": 1}), 1_800_000_000);
        let header = |name: &str| request.headers.iter().find(|(own, _)| *own == name).unwrap().1.clone();
        let tag = MacKey::from_secret(b"s").tag(b"1800000000.{\"a\":1}");
        assert_eq!(header(SIGNATURE), format!("sha256={}", b64url::encode(tag)));
        assert_eq!(header(TIMESTAMP), "1800000000");
    }

    #[test]
    fn an_address_is_one_of_the_web_and_holds_no_password() {
        for good in ["https://a.example", "https://a.example:8443/x?y=1", "http://10.0.0.1:9/x"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in
            ["", "a.example", "ftp://a", "https://", "https://u:p@a.example/", "https://a b", "https://a/#x"]
        {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }
}
