// USSO as an OpenID provider for a certified client library, npm's `openid-client`, unmodified: two tenants on host names of their
// own and one below `/t/…`, each with id tokens by EdDSA and by RS256, all at once. People are a browser made of fetch that fills
// in the real forms.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser, inbox, load, open } from "./stage.mjs";

const client = await load("openid-client");
const jose = await load("jose");

const BACK = "https://rp.example/back";
const LEFT = "https://rp.example/left";
const SCOPE = "openid profile email offline_access";

let site, letters;
const tenants = {};

before(async () => {
  site = await open("oidc-server");
  letters = await inbox();
  tenants.one = await site.tenant("one", "one.test");
  tenants.two = await site.tenant("two", "two.test");
  tenants.three = await site.tenant("three");
});

after(async () => {
  letters?.close();
  await site?.close();
});

/** What the library knows about the provider and a client. */
const configuration = (tenant, own, authentication, algorithm = "oidc") =>
  client.discovery(new URL(tenant.issuer), own.client_id, own, authentication, {
    algorithm,
    execute: [client.allowInsecureRequests],
  });

const plain = (alg, more = {}) => ({
  client_name: `Shop by ${alg}`,
  redirect_uris: [BACK],
  post_logout_redirect_uris: [LEFT],
  grant_types: ["authorization_code", "refresh_token", "client_credentials"],
  response_types: ["code"],
  token_endpoint_auth_method: "client_secret_basic",
  id_token_signed_response_alg: alg,
  scope: SCOPE,
  ...more,
});

/** What the library is told about a client. */
const known = (created, alg) => ({
  client_id: created.client_id,
  client_secret: created.client_secret,
  id_token_signed_response_alg: alg,
});

/** Code, PKCE, nonce and state: what the token endpoint answers. */
async function signIn(config, user, { browser = new Browser(), par = false, options, parameters = {} } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedNonce, expectedState] = [client.randomNonce(), client.randomState()];
  const asked = {
    redirect_uri: BACK,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    nonce: expectedNonce,
    state: expectedState,
    ...parameters,
  };
  const url = par
    ? await client.buildAuthorizationUrlWithPAR(config, asked, options)
    : client.buildAuthorizationUrl(config, asked);
  const { url: back, page } = await browser.walk(url.href, user, { until: BACK });
  assert.ok(back, page);
  const checks = { pkceCodeVerifier, expectedNonce, expectedState, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(config, new URL(back), checks, undefined, options);
  return { tokens, browser, back };
}

describe("three tenants at once", { concurrency: true }, () => {
  for (const place of ["one", "two", "three"]) {
    for (const alg of ["EdDSA", "RS256"]) {
      describe(`tenant ${place}, id tokens by ${alg}`, { concurrency: true }, () => {
        let tenant, user, shop, config;

        before(async () => {
          tenant = tenants[place];
          user = await tenant.user(`ada-${alg.toLowerCase()}`);
          shop = await tenant.client(plain(alg));
          config = await configuration(tenant, known(shop, alg), client.ClientSecretBasic(shop.client_secret));
        });

        test("discovery", async () => {
          const metadata = config.serverMetadata();
          assert.equal(metadata.issuer, tenant.issuer);
          assert.ok(metadata.id_token_signing_alg_values_supported.includes(alg));
          // RFC 8414 puts the well-known part between the host and the path of the issuer.
          const other = await configuration(tenant, known(shop, alg), undefined, "oauth2");
          const plain = (value) => JSON.parse(JSON.stringify(value));
          assert.deepEqual(plain(other.serverMetadata()), plain(metadata));
        });

        test("code, PKCE and nonce; userinfo", async () => {
          const { tokens } = await signIn(config, user);
          const claims = tokens.claims();
          assert.deepEqual([claims.iss, claims.sub, claims.aud], [tenant.issuer, user.id, shop.client_id]);
          assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, alg);
          const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
          await jose.jwtVerify(tokens.id_token, keys, { issuer: tenant.issuer, audience: shop.client_id });
          const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
          assert.deepEqual([info.sub, info.email], [user.id, user.identifier]);
        });

        test("refresh", async () => {
          const { tokens } = await signIn(config, user);
          const again = await client.refreshTokenGrant(config, tokens.refresh_token);
          assert.equal(again.claims().sub, user.id);
          assert.equal(again.claims().auth_time, tokens.claims().auth_time);
          await client.fetchUserInfo(config, again.access_token, user.id);
          assert.ok((await client.refreshTokenGrant(config, again.refresh_token)).access_token);
        });

        test("client credentials", async () => {
          const tokens = await client.clientCredentialsGrant(config);
          assert.equal(jose.decodeJwt(tokens.access_token).sub, shop.client_id);
          assert.deepEqual([tokens.refresh_token, tokens.id_token], [undefined, undefined]);
        });

        test("introspection and revocation", async () => {
          const { tokens } = await signIn(config, user);
          const told = await client.tokenIntrospection(config, tokens.access_token);
          assert.deepEqual([told.active, told.sub, told.client_id], [true, user.id, shop.client_id]);
          await client.tokenRevocation(config, tokens.refresh_token);
          assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false });
          await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
        });

        test("pushed authorization requests", async () => {
          const { tokens } = await signIn(config, user, { par: true });
          assert.equal(tokens.claims().sub, user.id);
        });

        test("DPoP", async () => {
          const pair = await client.randomDPoPKeyPair("ES256");
          const options = { DPoP: client.getDPoPHandle(config, pair) };
          const { tokens } = await signIn(config, user, { options });
          assert.equal(tokens.token_type, "dpop");
          const thumbprint = await jose.calculateJwkThumbprint(await jose.exportJWK(pair.publicKey));
          assert.equal(jose.decodeJwt(tokens.access_token).cnf.jkt, thumbprint);
          assert.equal((await client.fetchUserInfo(config, tokens.access_token, user.id, options)).sub, user.id);
          await assert.rejects(client.fetchUserInfo(config, tokens.access_token, user.id));
          assert.ok((await client.refreshTokenGrant(config, tokens.refresh_token, undefined, options)).access_token);
        });

        test("private_key_jwt, with PAR and DPoP together", async () => {
          const { publicKey, privateKey } = await jose.generateKeyPair("EdDSA", { extractable: true });
          const jwk = { ...(await jose.exportJWK(publicKey)), kid: "mine", use: "sig", alg: "EdDSA" };
          const created = await tenant.client(plain(alg, {
            token_endpoint_auth_method: "private_key_jwt", token_endpoint_auth_signing_alg: "EdDSA", jwks: { keys: [jwk] },
          }));
          const own = { client_id: created.client_id, id_token_signed_response_alg: alg };
          const assertion = client.PrivateKeyJwt({ key: privateKey, kid: "mine" });
          const config = await configuration(tenant, own, assertion);
          const options = { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256")) };
          const { tokens } = await signIn(config, user, { par: true, options });
          assert.equal(tokens.claims().sub, user.id);
        });

        test("a public client", async () => {
          const created = await tenant.client(plain(alg, {
            token_endpoint_auth_method: "none", grant_types: ["authorization_code", "refresh_token"],
          }));
          const own = { client_id: created.client_id, id_token_signed_response_alg: alg };
          const config = await configuration(tenant, own, client.None());
          const { tokens } = await signIn(config, user);
          const again = await client.refreshTokenGrant(config, tokens.refresh_token);
          assert.notEqual(again.refresh_token, tokens.refresh_token);
        });

        test("device grant", async () => {
          const created = await tenant.client(plain(alg, {
            grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"], redirect_uris: [], response_types: [],
          }));
          const config = await configuration(tenant, known(created, alg), client.ClientSecretBasic(created.client_secret));
          const device = await client.initiateDeviceAuthorization(config, { scope: SCOPE });
          const polling = client.pollDeviceAuthorizationGrant(config, device);
          await tenant.answerDevice(user, device.user_code, true);
          const tokens = await polling;
          assert.equal(tokens.claims().sub, user.id);
          const refused = await client.initiateDeviceAuthorization(config, { scope: SCOPE });
          const waiting = assert.rejects(client.pollDeviceAuthorizationGrant(config, refused), { error: "access_denied" });
          await tenant.answerDevice(user, refused.user_code, false);
          await waiting;
        });

        test("logout, told to the client behind the browser's back", async () => {
          const path = `/logout/${place}/${alg}`;
          const created = await tenant.client(plain(alg, {
            backchannel_logout_uri: letters.origin + path, backchannel_logout_session_required: true,
          }));
          const config = await configuration(tenant, known(created, alg), client.ClientSecretBasic(created.client_secret));
          const { tokens, browser } = await signIn(config, user);
          const claims = tokens.claims();
          const end = client.buildEndSessionUrl(config, {
            id_token_hint: tokens.id_token, post_logout_redirect_uri: LEFT, state: "bye",
          });
          const { url, page } = await browser.walk(end.href, user, { until: LEFT });
          assert.equal(url, `${LEFT}?state=bye`, page);
          const letter = await letters.first(path);
          assert.equal(letter.type, "application/x-www-form-urlencoded");
          const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
          const token = await jose.jwtVerify(letter.form.get("logout_token"), keys, {
            issuer: tenant.issuer, audience: created.client_id, typ: "logout+jwt",
            requiredClaims: ["iat", "exp", "jti", "events"],
          });
          assert.deepEqual(token.payload.events, { "http://schemas.openid.net/event/backchannel-logout": {} });
          assert.deepEqual([token.payload.sid, token.payload.nonce], [claims.sid, undefined]);
          // Who is signed out is nobody to `prompt=none` (OpenID Connect Core §3.1.2.6).
          const quiet = { redirect_uri: BACK, scope: "openid", prompt: "none", state: "s" };
          const asked = client.buildAuthorizationUrl(config, quiet);
          const silent = await browser.walk(asked.href, user, { until: BACK });
          assert.equal(new URL(silent.url).searchParams.get("error"), "login_required");
        });

        test("nobody of another tenant gets anything for these tokens", async () => {
          const { tokens } = await signIn(config, user);
          const strangers = Object.values(tenants).filter((other) => other !== tenant);
          for (const other of strangers) {
            const foreign = await other.client(plain(alg));
            const secret = client.ClientSecretBasic(foreign.client_secret);
            const theirs = await configuration(other, known(foreign, alg), secret);
            assert.deepEqual(await client.tokenIntrospection(theirs, tokens.access_token), { active: false });
            await client.tokenRevocation(theirs, tokens.refresh_token);
            await assert.rejects(client.refreshTokenGrant(theirs, tokens.refresh_token), { error: "invalid_grant" });
            await assert.rejects(client.fetchUserInfo(theirs, tokens.access_token, user.id));
            const stolen = await configuration(other, known(shop, alg), client.ClientSecretBasic(shop.client_secret));
            const refused = await client.clientCredentialsGrant(stolen).catch((error) => error);
            // The library stops at the challenge that RFC 6749 §5.2 asks for, and leaves the body to whoever wants it.
            assert.deepEqual([refused.status, refused.cause?.map(({ scheme }) => scheme)], [401, ["basic"]]);
            assert.equal((await refused.response.json()).error, "invalid_client");
          }
          assert.ok((await client.refreshTokenGrant(config, tokens.refresh_token)).access_token);
        });
      });
    }
  }
});

test("dynamic registration by the library itself, in a tenant that has no other clients", async () => {
  const tenant = await site.tenant("four", "four.test");
  await site.configure(tenant.id, { oauth: { registration: "open" } });
  const config = await client.dynamicClientRegistration(
    new URL(tenant.issuer),
    { redirect_uris: [BACK], token_endpoint_auth_method: "client_secret_post", client_name: "By itself" },
    undefined,
    { execute: [client.allowInsecureRequests] },
  );
  const { client_id, client_secret } = config.clientMetadata();
  assert.ok(client_id && client_secret);
  const user = await tenant.user("self");
  const { tokens } = await signIn(config, user, { parameters: { scope: "openid" } });
  // What asks for no algorithm gets OpenID's own (OpenID Connect Registration §2).
  assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, "RS256");
});
