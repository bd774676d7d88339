// Malformed requests to USSO and to the certified `oidc-provider`, set up alike: the same status and the same error, or the
// difference stands in `docs/differences.md` with its reason. A difference that isn't there fails, and so does one that is there
// and no longer true. `USSO_DIFFERENCES=print` prints the rows as they are now.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { cases } from "./cases.mjs";
import { open } from "./stage.mjs";

const ROOT = resolve(import.meta.dirname, "../../..");
const BACK = "https://rp.example/back";
const FORM = "application/x-www-form-urlencoded";

let site, usso, certified, child;

const started = (clients) =>
  new Promise((done, failed) => {
    const script = [join(import.meta.dirname, "certified.mjs"), join(ROOT, "target/oidc"), JSON.stringify(clients)];
    child = spawn(process.execPath, script, { stdio: ["ignore", "pipe", "ignore"] });
    createInterface({ input: child.stdout }).on("line", (line) => line.startsWith("{") && done(JSON.parse(line).issuer));
    child.on("error", failed);
  });

/** What is known of a provider: its metadata, and the two clients. */
async function known(issuer, confidential, open) {
  const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const provider = { metadata, words: { id: confidential.client_id, secret: confidential.client_secret, public: open.client_id } };
  const form = { grant_type: "client_credentials" };
  const answer = await fetch(metadata.token_endpoint, { method: "POST", headers: { authorization: basic(provider) },
    body: new URLSearchParams(form) });
  assert.equal(answer.status, 200, await answer.clone().text());
  provider.words.token = (await answer.json()).access_token;
  return provider;
}

before(async () => {
  site = await open("oidc-differential");
  const tenant = await site.tenant("differential", "differential.test");
  await site.configure(tenant.id, { oauth: { registration: "open" } });
  const shape = { redirect_uris: [BACK], response_types: ["code"], grant_types: ["authorization_code", "refresh_token"] };
  const secret = { ...shape, grant_types: [...shape.grant_types, "client_credentials"],
    token_endpoint_auth_method: "client_secret_basic", post_logout_redirect_uris: ["https://rp.example/left"] };
  const none = { ...shape, token_endpoint_auth_method: "none" };
  const registered = [await tenant.client({ client_name: "Secret", ...secret }), await tenant.client({ client_name: "Open", ...none })];
  usso = await known(tenant.issuer, ...registered);
  const clients = [{ client_id: "confidential", client_secret: "canary-of-a-client", ...secret }, { client_id: "public", ...none }];
  certified = await known(await started(clients), ...clients);
});

after(async () => {
  child?.kill("SIGTERM");
  await site?.close();
});

const basic = ({ words }) => `Basic ${btoa(`${words.id}:${words.secret}`)}`;

/** Sends a case, and says in one line what came of it. */
async function outcome(provider, { endpoint, name, method, pairs, text, type, json, auth = "none", headers = {} }) {
  const fill = (value) => value.replace(/\$(id|secret|public|token)\b/g, (_, name) => provider.words[name]);
  const filled = pairs.map(([key, value]) => [key, fill(value)]);
  let url = provider.metadata[endpoint];
  assert.ok(url, `no ${endpoint}`);
  const isPage = /^(authorization|end_session)_/.test(endpoint);
  const sent = { accept: isPage ? "text/html" : "application/json" };
  let body;
  if (method === "GET" && filled.length) url += `?${new URLSearchParams(filled)}`;
  if (!["GET", "DELETE"].includes(method)) {
    sent["content-type"] = type ?? (json ? "application/json" : FORM);
    body = text ?? (json ? JSON.stringify(Object.fromEntries(filled)) : new URLSearchParams(filled).toString());
  }
  const { words } = provider;
  if (auth === "basic") sent.authorization = basic(provider);
  if (auth === "wrong") sent.authorization = basic({ words: { ...words, secret: "canary-wrong" } });
  if (auth === "unknown") sent.authorization = basic({ words: { id: "client_nobody", secret: "canary-wrong" } });
  // Each from an address of its own: what is counted here is not how often somebody failed.
  sent["x-forwarded-for"] = `198.51.100.${1 + (cases.findIndex((c) => c.name === name && c.endpoint === endpoint) % 250)}`;
  for (const [header, value] of Object.entries(headers)) sent[header] = fill(value);
  const answer = await fetch(url, { method, headers: sent, body, redirect: "manual" });
  const location = answer.headers.get("location");
  if (location) {
    const to = new URL(location, url);
    if (!to.href.startsWith("https://rp.example/")) return to.href.startsWith("https://") ? `sent to ${to.host}` : "goes on";
    const given = new URLSearchParams(to.search || to.hash.slice(1));
    return `told the client ${given.get("error") ?? "nothing"}`;
  }
  const said = await answer.text();
  if ((answer.headers.get("content-type") ?? "").startsWith("text/html")) {
    return answer.status < 400 ? "goes on" : `${answer.status} page`;
  }
  const { error } = said.startsWith("{") ? JSON.parse(said) : {};
  return `${answer.status}${answer.status >= 400 && error ? ` ${error}` : ""}`;
}

/** The rows of the table: by endpoint and name, both outcomes and the reason. */
function explained() {
  const rows = new Map();
  for (const line of readFileSync(join(ROOT, "docs/differences.md"), "utf8").split("\n")) {
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (cells.length !== 5 || !/^`?[a-z_]+_endpoint`?$/.test(cells[0])) continue;
    const [endpoint, name, ours, theirs, reason] = cells.map((cell) => cell.replaceAll("`", ""));
    const key = `${endpoint}: ${name}`;
    assert.ok(reason.length > 10, `no reason: ${key}`);
    assert.ok(!rows.has(key), `twice: ${key}`);
    rows.set(key, `${ours} / ${theirs}`);
  }
  return rows;
}

test("malformed requests are answered as the certified provider does, or the difference is explained", async () => {
  assert.ok(cases.length >= 200, `${cases.length} cases`);
  assert.equal(new Set(cases.map(({ endpoint, name }) => `${endpoint}: ${name}`)).size, cases.length);
  const found = new Map();
  let same = 0;
  for (const one of cases) {
    const [ours, theirs] = [await outcome(usso, one), await outcome(certified, one)];
    assert.ok(!/^5/.test(ours), `${one.endpoint}: ${one.name}: ${ours}`);
    if (ours === theirs) same += 1;
    else found.set(`${one.endpoint}: ${one.name}`, `${ours} / ${theirs}`);
  }
  if (process.env.USSO_DIFFERENCES === "print") {
    for (const [key, both] of found) console.log(`| ${[...key.split(": "), ...both.split(" / ")].join(" | ")} | |`);
  }
  const rows = explained();
  const unexplained = [...found].filter(([key, both]) => rows.get(key) !== both);
  const vanished = [...rows.keys()].filter((key) => !found.has(key));
  console.log(`differential: ${cases.length} requests, ${same} answered alike, ${found.size} otherwise, ${rows.size} explained`);
  assert.deepEqual(unexplained, [], "differences without an explanation");
  assert.deepEqual(vanished, [], "explained differences that are none any more");
});
