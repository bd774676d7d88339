// Two providers that people sign in with, in a process of their own: the certified `oidc-provider`, and a server of the
// shape of GitHub's. Prints their addresses. `POST /lie` at the second makes the first spoil the signatures of its id tokens.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const PACKAGES = resolve(import.meta.dirname, "../../../target/social");
const { Provider } = await import(createRequire(join(PACKAGES, "package.json")).resolve("oidc-provider"));
const [callback] = process.argv.slice(2);

const listen = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));

let lies = false;

function openid(issuer) {
  const provider = new Provider(issuer, {
    clients: [{ client_id: "usso", client_secret: "canary-client-secret", redirect_uris: [`${callback}/corp/callback`] }],
    claims: { email: ["email", "email_verified"], profile: ["name"] },
    cookies: { keys: ["only-a-test"] },
    pkce: { required: () => true },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, email: `${sub}@example.com`, email_verified: true, name: `The ${sub}` }),
    }),
  });
  provider.use(async (context, next) => {
    await next();
    if (!lies || context.path !== "/token" || !context.body?.id_token) return;
    const [header, claims, signature] = context.body.id_token.split(".");
    const spoilt = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
    context.body.id_token = [header, claims, spoilt].join(".");
  });
  return provider.callback();
}

let handle = (_, response) => response.writeHead(503).end();
const first = createServer((request, response) => handle(request, response));
const issuer = `http://127.0.0.1:${await listen(first)}`;
handle = openid(issuer);

const codes = new Set();
const second = createServer(async (request, response) => {
  const url = new URL(request.url, "http://127.0.0.1");
  const json = (status, body) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  let body = "";
  for await (const part of request) body += part;
  const form = new URLSearchParams(body);
  const isBearer = request.headers.authorization === "Bearer canary-gho";
  switch (url.pathname) {
    case "/lie":
      lies = url.searchParams.get("on") === "1";
      return json(200, {});
    case "/login/oauth/authorize": {
      const code = `code-${codes.size + 1}-${Date.now()}`;
      codes.add(code);
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.searchParams.set("code", code);
      back.searchParams.set("state", url.searchParams.get("state"));
      return response.writeHead(302, { location: back.href }).end();
    }
    case "/login/oauth/access_token":
      // GitHub answers mistakes with 200.
      if (form.get("client_secret") !== "canary-client-secret" || !codes.delete(form.get("code"))) {
        return json(200, { error: "bad_verification_code" });
      }
      return json(200, { access_token: "canary-gho", token_type: "bearer", scope: "user:email" });
    case "/user":
      return isBearer ? json(200, { id: 583231, login: "octocat", name: "Octo Cat", email: null }) : json(401, {});
    case "/user/emails":
      return isBearer ? json(200, [{ email: "octo@example.com", primary: true, verified: true }]) : json(401, {});
    default:
      return json(404, {});
  }
});
const github = `http://127.0.0.1:${await listen(second)}`;
console.log(JSON.stringify({ issuer, github }));
