//! Checking an id token (OpenID Connect Core 1.0 section 3.1.3.7, checklist SOC-02).

use super::error::SocialError;
use crate::identity::Identity;
use crate::tenant::TenantScope;
use kernel::Internet;
use protocol::jose::{Algorithm, JwkSet, Untrusted, VerifyingKey};
use serde_json::Value;

/// Seconds clocks may differ.
const SKEW: i64 = 60;
/// Seconds since an id token was made: it is fetched as soon as somebody agrees.
const MAX_AGE: i64 = 600;

/// What signatures are accepted. Symmetric ones and `none` aren't even read.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Rs512,
    Algorithm::EdDsa,
];

/// What a token must fit.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// The claims of a token that fits.
pub(super) async fn verify(
    identity: &Identity,
    internet: &dyn Internet,
    tenant: &TenantScope,
    (token, issuer): (&str, &str),
    expected: Expected<'_>,
) -> Result<Value, SocialError> {
    let untrusted = Untrusted::parse(token).map_err(|_| SocialError::Invalid("the id token"))?;
    let (algorithm, kid) = (untrusted.header().algorithm, untrusted.header().kid.clone());
    if !ALGORITHMS.contains(&algorithm) {
        return Err(SocialError::Invalid("the id token's algorithm"));
    }
    let keys = identity.social().keys(internet, tenant, (issuer, kid.as_deref())).await?;
    let key = key(&keys, kid.as_deref(), algorithm).ok_or(SocialError::Invalid("the id token's key"))?;
    let verified = untrusted.verify(&key).map_err(|_| SocialError::Invalid("the id token's signature"))?;
    let claims: Value = verified.claims().map_err(|_| SocialError::Invalid("the id token's claims"))?;
    check(&claims, expected, tenant.now().unix_seconds())?;
    Ok(claims)
}

/// The named key; without a name the only one that fits.
fn key(keys: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<VerifyingKey> {
    let mut fitting = keys
        .keys()
        .iter()
        .filter(|key| kid.is_none_or(|kid| key.kid() == Some(kid)))
        .filter_map(|key| VerifyingKey::from_jwk_as(key, algorithm).ok());
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only)
}

fn check(claims: &Value, expected: Expected<'_>, now: i64) -> Result<(), SocialError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    let is_own = |value: &Value| value.as_str() == Some(expected.client_id);
    // A token for several says for whom it was made.
    let (is_audience, is_for_several) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_own), all.len() > 1),
        Some(one) => (is_own(one), false),
        None => (false, false),
    };
    let azp = claims.get("azp");
    let is_party = if is_for_several { azp.is_some_and(is_own) } else { azp.is_none_or(is_own) };
    let is_recent = time("iat").is_some_and(|at| at <= now + SKEW && at > now - MAX_AGE - SKEW);
    let rules = [
        (text("iss") == Some(expected.issuer), "the id token's issuer"),
        (is_audience, "the id token's audience"),
        (is_party, "the id token's authorized party"),
        (time("exp").is_some_and(|at| at > now - SKEW), "the id token has expired"),
        (time("nbf").is_none_or(|at| at <= now + SKEW), "the id token isn't valid yet"),
        (is_recent, "the id token's age"),
        (text("nonce") == Some(expected.nonce), "the id token's nonce"),
    ];
    rules
        .into_iter()
        .try_for_each(|(holds, rule)| if holds { Ok(()) } else { Err(SocialError::Invalid(rule)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn checked(change: Value) -> Result<(), &'static str> {
        let mut claims = json!({"iss": "https://id.example", "aud": "we", "sub": "1", "nonce": "n",
            "iat": NOW, "exp": NOW + 300});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let expected = Expected { issuer: "https://id.example", client_id: "we", nonce: "n" };
        check(&claims, expected, NOW).map_err(|error| match error {
            SocialError::Invalid(rule) => rule,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn soc_02_every_claim_counts() {
        assert_eq!(checked(json!({})), Ok(()));
        for (change, rule) in [
            (json!({"iss": "https://other.example"}), "issuer"),
            (json!({"aud": "others"}), "audience"),
            (json!({"aud": ["we", "others"]}), "authorized party"),
            (json!({"aud": ["we", "others"], "azp": "others"}), "authorized party"),
            (json!({"azp": "others"}), "authorized party"),
            (json!({"aud": null}), "audience"),
            (json!({"exp": NOW - 61}), "expired"),
            (json!({"exp": "soon"}), "expired"),
            (json!({"iat": NOW + 61}), "age"),
            (json!({"iat": NOW - 700}), "age"),
            (json!({"iat": null}), "age"),
            (json!({"nbf": NOW + 90}), "valid yet"),
            (json!({"nonce": "m"}), "nonce"),
            (json!({"nonce": null}), "nonce"),
        ] {
            let found = checked(change.clone()).expect_err("refused");
            assert!(found.contains(rule), "{change}: {found}");
        }
        assert_eq!(checked(json!({"aud": ["we", "others"], "azp": "we"})), Ok(()));
        assert_eq!(checked(json!({"aud": ["we"], "exp": NOW - 30})), Ok(()));
    }
}
