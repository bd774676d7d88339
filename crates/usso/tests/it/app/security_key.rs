//! A security key and the browser around it, made of the `passkey` crates; and what a forger could make of its key.

use super::{Answer, ORIGIN, Requests};
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::coset::CborSerializable;
use passkey::crypto::rust_crypto::{RustCryptoBackend, RustCryptoSecretKey};
use passkey::crypto::{CryptoBackend, PublicKeyT, SecretKeyT, iana};
use passkey::types::Passkey;
use passkey::types::ctap2::{Aaguid, Ctap2Error};
use passkey::types::webauthn::{CredentialCreationOptions, CredentialRequestOptions};
use protocol::jose::SigningKey;
use protocol::{b64url, sha256};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use webauthn_rs::prelude::Url;

/// User present.
pub const UP: u8 = 0x01;
/// User verified.
pub const UV: u8 = 0x04;
/// Backup eligible.
pub const BE: u8 = 0x08;
/// Backup state.
pub const BS: u8 = 0x10;
/// Attested credential data included.
pub const AT: u8 = 0x40;

/// Who sits before it.
struct Person {
    can_be_verified: bool,
}

impl UserValidationMethod for Person {
    type PasskeyItem = Passkey;

    // As `#[async_trait]` writes it.
    fn check_user<'hint, 'life, 'out>(
        &'life self,
        _hint: UiHint<'hint, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Pin<Box<dyn Future<Output = Result<UserCheck, Ctap2Error>> + Send + 'out>>
    where
        'hint: 'out,
        'life: 'out,
        Self: 'out,
    {
        let verification = verification && self.can_be_verified;
        Box::pin(async move { Ok(UserCheck { presence, verification }) })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        self.can_be_verified.then_some(true)
    }
}

/// A security key with room for one passkey, in a browser on a page of an origin.
pub struct SecurityKey {
    passkey: Option<Passkey>,
    can_be_verified: bool,
    origin: Url,
}

/// The client around it. A macro, for nobody can name its type.
macro_rules! client {
    ($own:ident) => {{
        let person = Person { can_be_verified: $own.can_be_verified };
        let mut token =
            Authenticator::new(Aaguid::new_empty(), $own.passkey.clone(), person, RustCryptoBackend);
        token.set_make_credentials_with_signature_counter(true);
        Client::new(token).allows_insecure_localhost(true)
    }};
}

impl SecurityKey {
    /// One that verifies its user, on a page of the default tenant.
    pub fn new() -> Self {
        Self::at(ORIGIN)
    }

    /// One on a page of an origin.
    pub fn at(origin: &str) -> Self {
        Self { passkey: None, can_be_verified: true, origin: Url::parse(origin).expect("an origin") }
    }

    /// Makes a passkey for these options.
    pub async fn create(&mut self, options: &Value) -> Value {
        let options: CredentialCreationOptions =
            serde_json::from_value(json!({"publicKey": options["publicKey"]})).expect("creation options");
        let mut client = client!(self);
        let made = client.register(&self.origin, options, DefaultClientData).await.expect("a passkey");
        self.passkey = client.authenticator().store().clone();
        encoded(&serde_json::to_value(&made).expect("JSON"))
    }

    /// Signs a challenge.
    pub async fn get(&mut self, options: &Value) -> Value {
        let mut options = options["publicKey"].clone();
        if options["allowCredentials"].as_array().is_some_and(Vec::is_empty) {
            options.as_object_mut().expect("options").remove("allowCredentials");
        }
        let options: CredentialRequestOptions =
            serde_json::from_value(json!({"publicKey": options})).expect("request options");
        let mut client = client!(self);
        let signed = client.authenticate(&self.origin, options, DefaultClientData).await;
        self.passkey = client.authenticator().store().clone();
        encoded(&serde_json::to_value(signed.expect("an assertion")).expect("JSON"))
    }

    /// Registers a passkey of somebody who is signed in.
    pub async fn register(&mut self, who: &impl Requests) -> Answer {
        let options = who.get("/credentials/webauthn").await.expect(200);
        let made = self.create(&options.json).await;
        who.post("/credentials/webauthn", made).await
    }

    /// Signs in without a user name.
    pub async fn sign_in(&mut self, who: &impl Requests) -> Answer {
        let options = who.get("/auth/passkey").await.expect(200);
        let signed = self.get(&options.json).await;
        who.post("/auth/passkey", signed).await
    }

    /// What it holds.
    pub fn passkey(&self) -> Passkey {
        self.passkey.clone().expect("a passkey")
    }

    /// Whoever has its private key.
    pub fn forger(&self) -> Forger {
        let passkey = self.passkey();
        Forger {
            id: passkey.credential_id.to_vec(),
            handle: passkey.user_handle.as_ref().map(|handle| handle.to_vec()),
            rp_id: passkey.rp_id.clone(),
            origin: self.origin.origin().ascii_serialization(),
            flags: UP | UV | BE | BS,
            counter: passkey.counter.unwrap_or(0) + 1,
            extra: Value::Null,
            key: PrivateKey::Usual(Box::new(
                RustCryptoSecretKey::from_cose_key(&passkey.key).expect("a key"),
            )),
        }
    }
}

/// Bytes are lists of numbers in the library's JSON, and base64url in everybody else's.
fn encoded(value: &Value) -> Value {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_u64) => {
            let bytes: Vec<u8> =
                items.iter().filter_map(|n| n.as_u64().and_then(|n| u8::try_from(n).ok())).collect();
            b64url::encode(bytes).into()
        }
        Value::Array(items) => items.iter().map(encoded).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), encoded(value))).collect()
        }
        other => other.clone(),
    }
}

/// Whoever has a private key, and signs whatever they like with it.
pub struct Forger {
    /// The credential's id.
    pub id: Vec<u8>,
    /// The user handle.
    pub handle: Option<Vec<u8>>,
    /// The RP id.
    pub rp_id: String,
    /// The origin.
    pub origin: String,
    /// The flags.
    pub flags: u8,
    /// The counter.
    pub counter: u32,
    /// Further members of the client data.
    pub extra: Value,
    /// The private key.
    pub key: PrivateKey,
}

/// A private key.
pub enum PrivateKey {
    /// One the library makes.
    Usual(Box<RustCryptoSecretKey>),
    /// RSA, which it doesn't.
    Rsa(Box<SigningKey>),
}

impl PrivateKey {
    fn sign(&mut self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Usual(key) => key.sign(message),
            Self::Rsa(key) => key.sign(message).expect("a signature"),
        }
    }

    /// The public key as COSE has it (RFC 9052 section 7, RFC 8230 section 4).
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Usual(key) => key.public_key().to_cose_key().to_vec().expect("CBOR"),
            Self::Rsa(key) => {
                let jwk = serde_json::to_value(key.public_jwk("k").expect("a JWK")).expect("JSON");
                let part =
                    |name: &str| b64url::decode(jwk[name].as_str().expect("a part")).expect("base64url");
                let (n, e) = (part("n"), part("e"));
                // {1: 3, 3: -257, -1: n, -2: e}
                let mut cose = vec![0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59];
                cose.extend_from_slice(&u16::try_from(n.len()).expect("a length").to_be_bytes());
                cose.extend_from_slice(&n);
                cose.extend_from_slice(&[0x21, 0x40 + u8::try_from(e.len()).expect("a length")]);
                cose.extend_from_slice(&e);
                cose
            }
        }
    }
}

impl Forger {
    /// One with a new key of this algorithm.
    pub fn new(algorithm: iana::Algorithm) -> Self {
        Self {
            id: vec![7; 32],
            handle: None,
            rp_id: "localhost".to_owned(),
            origin: ORIGIN.to_owned(),
            flags: UP | UV,
            counter: 0,
            extra: Value::Null,
            key: PrivateKey::Usual(Box::new(RustCryptoBackend.generate_key(algorithm).expect("a key"))),
        }
    }

    /// One with a new RSA key.
    pub fn rsa() -> Self {
        let key = SigningKey::generate(protocol::jose::Algorithm::Rs256).expect("a key");
        Self { key: PrivateKey::Rsa(Box::new(key)), ..Self::new(iana::Algorithm::ES256) }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let mut data =
            json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        if let Some(extra) = self.extra.as_object() {
            data.as_object_mut().expect("an object").extend(extra.clone());
        }
        data.to_string().into_bytes()
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = sha256(self.rp_id.as_bytes()).to_vec();
        data.push(flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    /// An assertion for these options.
    pub fn get(&mut self, options: &Value) -> Value {
        self.assertion("webauthn.get", options["challenge"].as_str().expect("a challenge"))
    }

    /// An assertion over client data of any type.
    pub fn assertion(&mut self, kind: &str, challenge: &str) -> Value {
        let client_data = self.client_data(kind, challenge);
        let authenticator_data = self.authenticator_data(self.flags);
        let message = [authenticator_data.as_slice(), &sha256(&client_data)].concat();
        let id = b64url::encode(&self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {}, "response": {
            "clientDataJSON": b64url::encode(&client_data),
            "authenticatorData": b64url::encode(&authenticator_data),
            "signature": b64url::encode(self.key.sign(&message)),
            "userHandle": self.handle.as_ref().map(b64url::encode),
        }})
    }

    /// A registration for these options.
    pub fn create(&self, options: &Value) -> Value {
        self.attestation("webauthn.create", options["challenge"].as_str().expect("a challenge"))
    }

    /// A registration over client data of any type.
    pub fn attestation(&self, kind: &str, challenge: &str) -> Value {
        let mut data = self.authenticator_data(self.flags | AT);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&u16::try_from(self.id.len()).expect("a length").to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend_from_slice(&self.key.public());
        self.attestation_of(kind, challenge, &data)
    }

    /// A registration with any authenticator data.
    pub fn attestation_of(&self, kind: &str, challenge: &str, data: &[u8]) -> Value {
        // {"fmt": "none", "attStmt": {}, "authData": bytes} (RFC 8949).
        let mut object = vec![0xa3, 0x63];
        object.extend_from_slice(b"fmt\x64none\x67attStmt\xa0\x68authData\x59");
        object.extend_from_slice(&u16::try_from(data.len()).expect("a length").to_be_bytes());
        object.extend_from_slice(data);
        let id = b64url::encode(&self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {}, "response": {
            "clientDataJSON": b64url::encode(self.client_data(kind, challenge)),
            "attestationObject": b64url::encode(&object),
            "transports": ["internal"],
        }})
    }
}
