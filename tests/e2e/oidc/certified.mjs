// The certified `oidc-provider`, set up as USSO is in the differential test and the benchmarks: the same features, the same
// clients.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

/** Starts it with these clients, from the directory that has `node_modules`; gives its issuer. */
export async function start(packages, clients, more = {}) {
  const { Provider } = await import(createRequire(join(resolve(packages), "package.json")).resolve("oidc-provider"));
  let handle = (_, response) => response.writeHead(503).end();
  const server = createServer((request, response) => handle(request, response));
  await new Promise((done) => server.listen(0, "localhost", done));
  const issuer = `http://localhost:${server.address().port}`;
  const claims = (sub) => ({ sub, email: `${sub}@example.com`, email_verified: true, name: `The ${sub}` });
  const provider = new Provider(issuer, {
    clients,
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    allowOmittingSingleRegisteredRedirectUri: false,
    cookies: { keys: ["only-a-test"], long: { sameSite: "none" } },
    enableHttpPostMethods: true,
    enabledJWA: {
      idTokenSigningAlgValues: ["RS256", "EdDSA"],
      clientAuthSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"],
      dPoPSigningAlgValues: ["ES256", "EdDSA"],
    },
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      claimsParameter: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      registration: { enabled: true },
      revocation: { enabled: true },
    },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => claims(sub) }),
    issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
    pkce: { required: (_, client) => client.clientAuthMethod === "none" },
    responseTypes: ["code"],
    scopes: ["openid", "offline_access", "profile", "email"],
    ...more,
  });
  provider.on("server_error", (_, error) => console.error(error));
  handle = provider.callback();
  return issuer;
}

// On its own: `node certified.mjs PACKAGES CLIENTS` prints its address as JSON.
if (resolve(process.argv[1]) === import.meta.filename) {
  const [packages, clients] = process.argv.slice(2);
  console.log(JSON.stringify({ issuer: await start(packages, JSON.parse(clients)) }));
}
