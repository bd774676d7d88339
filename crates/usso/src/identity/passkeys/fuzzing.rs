//! The body of the fuzz target for what authenticators answer.
//!
//! Input: a byte that says what the rest is, an attestation object (even) or, behind a byte with its length, authenticator
//! data and a signature (odd).

use super::ceremony::{Assertion, Attestation, Site, authenticate, register};
use super::model::PasskeyData;

const SITE: Site<'static> = Site { rp_id: "localhost", origin: "http://localhost:8000" };
const CHALLENGE: [u8; 56] = [9; 56];
const ID: [u8; 32] = [7; 32];
/// An attestation object with a key whose private half nobody kept.
const KNOWN: &[u8] = include_bytes!("known_attestation.cbor");

fn client_data(kind: &str) -> Vec<u8> {
    let challenge = protocol::b64url::encode(CHALLENGE);
    let (origin, start) = (SITE.origin, r#"{"type":"webauthn."#);
    format!(r#"{start}{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#)
        .into_bytes()
}

fn attestation(object: &[u8]) -> Attestation {
    Attestation {
        raw_id: ID.to_vec(),
        client_data: client_data("create"),
        object: object.to_vec(),
        transports: Vec::new(),
    }
}

/// Checks an answer. A passkey that is taken has the id it is said to have and can be kept; nothing signs in by a key
/// whose private half is gone.
pub fn webauthn(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    if kind % 2 == 0 {
        let Ok(passkey) = register(SITE, &CHALLENGE, &attestation(rest)) else { return };
        assert_eq!(passkey.cred_id().as_slice(), ID);
        let kept = serde_json::to_value(&passkey).ok().and_then(|v| serde_json::from_value(v).ok());
        assert_eq!(kept, Some(passkey));
        return;
    }
    let Ok(passkey) = register(SITE, &CHALLENGE, &attestation(KNOWN)) else { return };
    let known = PasskeyData { passkey, transports: Vec::new(), last_used_at: None, clone_suspected_at: None };
    let Some((&length, rest)) = rest.split_first() else { return };
    let (authenticator_data, signature) = rest.split_at(usize::from(length).min(rest.len()));
    let answer = Assertion {
        raw_id: ID.to_vec(),
        client_data: client_data("get"),
        authenticator_data: authenticator_data.to_vec(),
        signature: signature.to_vec(),
        user_handle: None,
    };
    assert!(authenticate(SITE, &CHALLENGE, (&known, false), &answer).is_err());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_passkey_is_one() {
        assert!(register(SITE, &CHALLENGE, &attestation(KNOWN)).is_ok());
    }
}
