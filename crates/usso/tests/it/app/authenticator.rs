//! An authenticator app.

use super::{Answer, Requests, TestApp, User};
use protocol::totp;
use serde_json::json;

/// An authenticator app that holds one secret.
#[derive(Clone)]
pub struct Authenticator {
    app: TestApp,
    secret: Vec<u8>,
}

impl Authenticator {
    /// Reads the answer to an enrolment.
    pub fn read(app: &TestApp, answer: &Answer) -> Self {
        let secret = answer.str("secret");
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
        for letter in secret.chars() {
            held = (held << 5) | u32::try_from(alphabet.find(letter).expect("base32")).expect("small");
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from((held >> bits) & 0xff).expect("a byte"));
            }
        }
        Self { app: app.clone(), secret: bytes }
    }

    /// Sets one up for somebody who is signed in.
    pub async fn of(app: &TestApp, user: &User) -> Self {
        let begun = user.post("/credentials", json!({"method": "totp"})).await.expect(201);
        let own = Self::read(app, &begun);
        let path = format!("/credentials/{}/confirm", begun.str("id"));
        user.post(&path, json!({"code": own.code()})).await.expect(200);
        // The next code is a fresh one.
        app.wait(30);
        own
    }

    /// What it shows now.
    pub fn code(&self) -> String {
        self.code_in(0)
    }

    /// What it shows so many steps from now.
    pub fn code_in(&self, steps: i64) -> String {
        let step = self.app.clock_seconds().div_euclid(totp::STEP) + steps;
        totp::code(&self.secret, u64::try_from(step).expect("a step"))
    }
}
