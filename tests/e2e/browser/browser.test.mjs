// Passkeys and the captcha in a real browser. See stage.mjs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, open, page, PASSWORD, SYSTEM_PASSWORD } from "./stage.mjs";

let stage;

before(async () => {
  stage = await open();
  const { tab } = await page(stage.context, "sso.test");
  const admin = await ask(tab, "POST", "/auth/login", { body: { identifier: "admin", secret: SYSTEM_PASSWORD } });
  assert.equal(admin.status, 200);
  const tenant = { name: "Both", domains: ["one.test", "two.test"], admin: { identifier: "owner@one.test", password: PASSWORD } };
  const made = await ask(tab, "POST", "/tenants", { token: admin.body.access_token, body: tenant });
  assert.equal(made.status, 201);
  await tab.close();
});

after(() => stage.close());

/** Somebody new on a page of a host, with a passkey. */
async function owner(name, host = "one.test") {
  const opened = await page(stage.context, host);
  const identifier = `${name}@example.com`;
  const made = await ask(opened.tab, "POST", "/auth/register", { body: { identifier, secret: PASSWORD } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const token = made.body.access_token;
  const kept = await opened.tab.evaluate((who) => register(who), { token, name: "Test key" });
  assert.equal(kept.status, 200, JSON.stringify(kept.body));
  assert.equal(kept.body.method, "webauthn");
  assert.equal(kept.body.name, "Test key");
  return { ...opened, identifier, token, id: made.body.user.id };
}

const sign = (who, how = {}) => who.tab.evaluate((how) => window.sign(how), how);
const submit = (who, signed) => who.tab.evaluate((signed) => window.submit(signed), signed);

function refused(answer) {
  assert.equal(answer.status, 401, JSON.stringify(answer.body));
  assert.equal(answer.body.code, "INVALID_CREDENTIALS");
}

test("a passkey is registered and signs in by user name", async () => {
  const alice = await owner("alice");
  const login = await submit(alice, await sign(alice, { identifier: alice.identifier }));
  assert.equal(login.status, 200, JSON.stringify(login.body));
  assert.equal(login.body.user.id, alice.id);
  assert.deepEqual(login.body.amr, ["webauthn"]);
  const me = await ask(alice.tab, "GET", "/me", { token: login.body.access_token });
  assert.equal(me.status, 200);
});

test("a discoverable passkey signs in without a user name", async () => {
  const bob = await owner("bob");
  const signed = await sign(bob);
  assert.equal(atob(signed.response.userHandle.replace(/-/g, "+").replace(/_/g, "/")), bob.id);
  const login = await submit(bob, signed);
  assert.equal(login.status, 200, JSON.stringify(login.body));
  assert.equal(login.body.user.id, bob.id);
});

test("the browser offers a passkey in the field for the user name", async () => {
  const heidi = await owner("heidi");
  assert.ok(await heidi.tab.evaluate(() => PublicKeyCredential.isConditionalMediationAvailable()));
  const login = await submit(heidi, await sign(heidi, { mediation: "conditional" }));
  assert.equal(login.status, 200, JSON.stringify(login.body));
  assert.equal(login.body.user.id, heidi.id);
});

test("an authenticator makes no second passkey for one user", async () => {
  const carol = await owner("carol");
  const again = carol.tab.evaluate((who) => register(who), { token: carol.token });
  await assert.rejects(again, /InvalidStateError/);
});

test("a sign-in that was used is refused", async () => {
  const dave = await owner("dave");
  const signed = await sign(dave);
  assert.equal((await submit(dave, signed)).status, 200);
  refused(await submit(dave, signed));
});

test("a flipped bit is refused wherever it is", async () => {
  const erin = await owner("erin");
  const signed = await sign(erin);
  let tried = 0;
  for (const part of ["signature", "authenticatorData", "clientDataJSON"]) {
    const bytes = Buffer.from(signed.response[part], "base64url");
    // One bit of each byte: all of them are flipped in the tests of the server.
    for (let n = 0; n < bytes.length; n += 1) {
      const flipped = Buffer.from(bytes);
      flipped[n] ^= 1 << (n % 8);
      const other = structuredClone(signed);
      other.response[part] = flipped.toString("base64url");
      refused(await submit(erin, other));
      tried += 1;
    }
  }
  assert.ok(tried > 200);
  assert.equal((await submit(erin, signed)).status, 200);
});

test("the user must be verified", async () => {
  const frank = await owner("frank");
  await frank.client.send("WebAuthn.setUserVerified", { authenticatorId: frank.authenticatorId, isUserVerified: false });
  // As it was asked, the browser itself refuses; a page that asks for less is refused by the server.
  await assert.rejects(sign(frank), /NotAllowedError/);
  refused(await submit(frank, await sign(frank, { userVerification: "discouraged" })));
  await frank.client.send("WebAuthn.setUserVerified", { authenticatorId: frank.authenticatorId, isUserVerified: true });
  assert.equal((await submit(frank, await sign(frank))).status, 200);
});

test("a passkey signs in at the tenant's other domain, and nowhere else", async () => {
  const grace = await owner("grace");
  await grace.tab.goto("https://two.test/page");
  const related = await grace.tab.evaluate(() => fetch("/.well-known/webauthn").then((answer) => answer.json()));
  assert.deepEqual(related, { origins: ["https://one.test", "https://two.test"] });
  const signed = await sign(grace);
  const data = JSON.parse(Buffer.from(signed.response.clientDataJSON, "base64url"));
  assert.equal(data.origin, "https://two.test");
  const login = await submit(grace, signed);
  assert.equal(login.status, 200, JSON.stringify(login.body));
  assert.equal(login.body.user.id, grace.id);
  // A site that isn't the tenant's: the browser finds it in no list.
  const options = await ask(grace.tab, "GET", "/auth/passkey");
  await grace.tab.goto("https://evil.test/page");
  const elsewhere = grace.tab.evaluate((options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return navigator.credentials.get({ publicKey });
  }, options.body.publicKey);
  await assert.rejects(elsewhere, /SecurityError/);
});

test("the captcha widget solves a puzzle and submits its proof", async () => {
  const tab = await stage.context.newPage();
  await tab.goto("https://one.test/captcha");
  const verified = tab.waitForResponse((answer) => answer.url().endsWith("/captcha/verify"));
  await tab.locator("altcha-widget input[type=checkbox]").click();
  const answer = await verified;
  assert.equal(answer.status(), 200);
  const { payload } = await answer.json();
  await tab.locator("altcha-widget [data-state=verified]").waitFor();
  const cookies = await stage.context.cookies("https://one.test/");
  const cookie = cookies.find((own) => own.name === "usso-captcha");
  assert.equal(cookie?.value, payload);
  assert.ok(cookie.httpOnly && cookie.secure);
  // The form is submitted with the server's proof, not with the solution.
  await tab.route("https://one.test/submitted", (route) => route.fulfill({ contentType: "text/html", body: "<p>Sent" }));
  const submitted = tab.waitForRequest("https://one.test/submitted");
  await tab.locator("button", { hasText: "Send" }).click();
  assert.equal(new URLSearchParams((await submitted).postData()).get("altcha"), payload);
});
