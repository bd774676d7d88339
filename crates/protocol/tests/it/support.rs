//! Keys and published examples used by several tests.

use std::sync::LazyLock;

use protocol::b64url;
use protocol::jose::{Algorithm, PreparedHeader, SigningKey, VerifyingKey};
use serde_json::{Value, json};

/// RFC 7515 §A.2.1.
pub const RFC7515_A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
/// RFC 7515 §A.2.1.
pub const RFC7515_A2_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
/// RFC 7515 §A.3.1.
pub const RFC7515_A3_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// RFC 8037 §A.4.
pub const RFC8037_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
/// RFC 7638 §3.1.
pub const RFC7638_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

/// RFC 8037 §A.2.
pub fn rfc8037_jwk() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

/// RFC 7515 §A.3.1.
pub fn rfc7515_a3_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

/// One RSA key for all tests, since making one is slow.
pub static RSA_PKCS8: LazyLock<Vec<u8>> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8().unwrap().to_vec());

/// A fresh key of the algorithm, the RSA ones sharing their material.
pub fn signing_key(algorithm: Algorithm) -> SigningKey {
    if algorithm.is_rsa() {
        SigningKey::from_pkcs8(algorithm, &RSA_PKCS8).unwrap()
    } else {
        SigningKey::generate(algorithm).unwrap()
    }
}

/// A signer under the id `key_1` with its public half.
pub struct Pair {
    pub header: PreparedHeader,
    pub signing: SigningKey,
    pub verifying: VerifyingKey,
}

impl Pair {
    pub fn new(algorithm: Algorithm) -> Self {
        Self::named(algorithm, "key_1")
    }

    pub fn named(algorithm: Algorithm, kid: &str) -> Self {
        let signing = signing_key(algorithm);
        let verifying = VerifyingKey::from_jwk(&signing.public_jwk(kid).unwrap()).unwrap();
        Self { header: PreparedHeader::new(algorithm, "JWT", kid).unwrap(), signing, verifying }
    }

    pub fn token(&self, claims: &Value) -> String {
        protocol::jose::sign_compact(&self.header, claims, &self.signing).unwrap()
    }

    /// A correctly signed token with any header and payload text.
    pub fn token_with(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", b64url::encode(header), b64url::encode(payload));
        let signature = self.signing.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", b64url::encode(signature))
    }
}

/// The private key of RFC 8037 §A.1, wrapped in PKCS#8 as RFC 8410 §7 does.
pub fn rfc8037_key() -> SigningKey {
    let seed = b64url::decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    SigningKey::from_pkcs8(Algorithm::EdDsa, &[&prefix, seed.as_slice()].concat()).unwrap()
}

/// A compact token of any header and claims under any key.
pub fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let input = format!("{}.{}", b64url::encode(header.to_string()), b64url::encode(claims.to_string()));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", b64url::encode(signature))
}
