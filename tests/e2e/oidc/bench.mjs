// For the benchmarks: the certified `oidc-provider` in memory, and as many people as asked for, signed in there and at a running
// USSO, with the same client and by the same flow. Prints what a load generator needs as one line of JSON, and goes on serving.
//
//   SYSTEM_PASSWORD=… node bench.mjs PACKAGES USSO COUNT

import { generateKeyPairSync } from "node:crypto";
import { start } from "./certified.mjs";
import { CHALLENGE } from "./cases.mjs";
import { Browser, PASSWORD, Site } from "./stage.mjs";

const [packages, origin, count] = process.argv.slice(2);
const BACK = "https://rp.example/back";
// The example of RFC 7636, appendix B.
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const shape = { client_name: "The bench", redirect_uris: [BACK], response_types: ["code"],
  grant_types: ["authorization_code", "refresh_token", "client_credentials"], token_endpoint_auth_method: "client_secret_basic",
  id_token_signed_response_alg: "EdDSA", scope: "openid profile email offline_access" };

const key = (type, alg, options) =>
  ({ ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), kid: alg, alg, use: "sig" });
const keys = [key("ed25519", "EdDSA"), key("rsa", "RS256", { modulusLength: 2048 })];

/** Signs everybody in at a provider. */
async function side(issuer, { client_id, client_secret }, users) {
  const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const path = (endpoint) => new URL(metadata[endpoint]).pathname;
  const basic = `Basic ${btoa(`${client_id}:${client_secret}`)}`;
  const usual = { client_id, redirect_uri: BACK, response_type: "code", scope: "openid offline_access", state: "s", nonce: "n",
    code_challenge: CHALLENGE, code_challenge_method: "S256" };
  const url = (more) => `${metadata.authorization_endpoint}?${new URLSearchParams({ ...usual, ...more })}`;
  const sessions = [];
  for (const user of users) {
    const browser = new Browser();
    const { url: back, page } = await browser.walk(url({ prompt: "consent" }), user, { until: BACK });
    if (!back) throw new Error(page);
    const body = new URLSearchParams({ grant_type: "authorization_code", code: new URL(back).searchParams.get("code"),
      redirect_uri: BACK, code_verifier: VERIFIER });
    const answer = await fetch(metadata.token_endpoint, { method: "POST", headers: { authorization: basic }, body });
    const { access_token: access, refresh_token: refresh, id_token } = await answer.json();
    if (!access || !refresh || !id_token) throw new Error(`no tokens of ${issuer}`);
    sessions.push({ cookie: browser.cookies(metadata.authorization_endpoint), access, refresh });
  }
  return { port: Number(new URL(issuer).port), basic, verifier: VERIFIER, redirect_uri: encodeURIComponent(BACK),
    ask: new URL(url({ response_mode: "form_post", prompt: "none" })).href.slice(new URL(issuer).origin.length),
    token: path("token_endpoint"), introspection: path("introspection_endpoint"), userinfo: path("userinfo_endpoint"), sessions };
}

const site = new Site(Number(new URL(origin).port), () => {});
const tenant = await site.own();
const users = [];
for (let number = 0; number < Number(count); number += 1) users.push(await tenant.user(`bench${number}`));
const client = { client_id: "bench", client_secret: "canary-of-the-bench", ...shape };
const issuer = await start(packages, [client], { jwks: { keys } });
const certified = await side(issuer, client, users.map(({ identifier }) => ({ identifier, password: PASSWORD })));
const usso = await side(origin, await tenant.client(shape), users);
console.log(JSON.stringify({ usso, certified }));
