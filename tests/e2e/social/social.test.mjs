// Social login, end to end: the built binary as a client of two providers in a process of their own, and a browser made of
// fetch and a cookie jar that fills in the providers' forms. The binary is `$USSO_BIN`, by default `target/release/usso`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

const ROOT = resolve(import.meta.dirname, "../../..");
const BINARY = resolve(process.env.USSO_BIN ?? join(ROOT, "target/release/usso"));
const LOGS = process.env.USSO_E2E_LOGS ?? join(ROOT, "target/e2e/logs");
const SYSTEM_PASSWORD = "canary-System-of-walnuts-7!";

let api, issuer, github, directory;
const children = [];

const freePort = () =>
  new Promise((done) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

/** Starts a process; resolves with what a line of it says. */
function start(command, args, options, stream, found) {
  const child = spawn(command, args, options);
  children.push(child);
  const log = createWriteStream(join(LOGS, `social-${children.length}.log`));
  return new Promise((done, failed) => {
    const read = (name) => createInterface({ input: child[name] }).on("line", (line) => {
      log.write(line + "\n");
      const value = name === stream && found(line.replace(/\x1b\[[0-9;]*m/g, ""));
      if (value) done(value);
    });
    read("stdout");
    read("stderr");
    child.on("exit", (code) => failed(new Error(`${command} ended with ${code}`)));
  });
}

before(async () => {
  mkdirSync(LOGS, { recursive: true });
  directory = mkdtempSync(join(tmpdir(), "usso-social-"));
  const port = await freePort();
  const { PATH, HOME, LANG } = process.env;
  const env = { PATH, HOME, LANG: LANG ?? "C", PORT: String(port), SYSTEM_PASSWORD,
    USSO__TENANTS__PROOF_FROM_PRIVATE_ADDRESSES: "1", USSO__LOG__LEVEL: "info,usso=trace" };
  const ready = (line) => /\bready\b.*\bport=(\d+)/.exec(line);
  await start(BINARY, [], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] }, "stderr", ready);
  api = `http://localhost:${port}/api/sso/v1`;
  const script = [join(import.meta.dirname, "providers.mjs"), `${api}/auth/oauth`];
  const told = (line) => line.startsWith("{") && JSON.parse(line);
  ({ issuer, github } = await start(process.execPath, script, { stdio: ["ignore", "pipe", "pipe"] }, "stdout", told));
  await setUp();
});

after(() => {
  for (const child of children) {
    child.removeAllListeners("exit");
    child.kill("SIGTERM");
  }
  rmSync(directory, { recursive: true, force: true });
});

async function setUp() {
  const json = { "content-type": "application/json" };
  const body = JSON.stringify({ identifier: "admin", secret: SYSTEM_PASSWORD });
  const admin = await (await fetch(`${api}/auth/login`, { method: "POST", headers: json, body })).json();
  const secret = { client_id: "usso", client_secret: "canary-client-secret" };
  const hub = { kind: "github", authorize_url: `${github}/login/oauth/authorize`,
    token_url: `${github}/login/oauth/access_token`, userinfo_url: `${github}/user`, emails_url: `${github}/user/emails` };
  const oauth_providers = { corp: { ...secret, issuer }, github: { ...secret, ...hub } };
  const answer = await fetch(`${api}/tenants/org_default`, {
    method: "PATCH",
    headers: { ...json, authorization: `Bearer ${admin.access_token}` },
    body: JSON.stringify({ config: { integration: { oauth_providers } } }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** A browser: cookies by host, no redirects by itself. */
class Browser {
  jar = new Map();

  async go(url, { form, accept = "text/html" } = {}) {
    const { hostname } = new URL(url);
    const own = this.jar.get(hostname) ?? new Map();
    this.jar.set(hostname, own);
    const cookie = [...own].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { accept, ...(cookie && { cookie }) };
    const body = form && new URLSearchParams(form);
    const answer = await fetch(url, { method: form ? "POST" : "GET", headers, body, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(";");
      const at = pair.indexOf("=");
      const value = pair.slice(at + 1);
      if (value) own.set(pair.slice(0, at), value);
      else own.delete(pair.slice(0, at));
    }
    return answer;
  }

  /** Follows a provider's pages, filling in its forms, until it sends the browser back to us. */
  async agree(url, as) {
    for (let step = 0; step < 20; step += 1) {
      const answer = await this.go(url);
      let location = answer.headers.get("location");
      if (!location) {
        const page = await answer.text();
        const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
        const prompt = /name="prompt" value="([^"]+)"/.exec(page)?.[1];
        assert.ok(action && prompt, page);
        const form = prompt === "login" ? { prompt, login: as, password: "any" } : { prompt };
        location = (await this.go(new URL(action, url).href, { form })).headers.get("location");
      }
      url = new URL(location, url).href;
      if (url.startsWith(api)) return url;
    }
    throw new Error("the provider doesn't send the browser back");
  }

  /** To the provider's page: its address. */
  async begin(provider) {
    const answer = await this.go(`${api}/auth/oauth/${provider}/authorize?redirect_url=/home`);
    assert.equal(answer.status, 302);
    return answer.headers.get("location");
  }

  /** What coming back answers to who wants JSON. */
  async back(url) {
    const answer = await this.go(url, { accept: "application/json" });
    return { status: answer.status, ...(await answer.json()) };
  }
}

const changed = (url, name, value) => {
  const changed = new URL(url);
  changed.searchParams.set(name, value);
  return changed.href;
};

test("signs in through the certified provider, and by the same account again", async () => {
  const browser = new Browser();
  const back = await browser.agree(await browser.begin("corp"), "ada");
  const answer = await browser.go(back);
  assert.deepEqual([answer.status, answer.headers.get("location")], [302, "/home"]);
  const me = await (await browser.go(`${api}/me`)).json();
  assert.deepEqual([me.email, me.name, me.amr], ["ada@example.com", "The ada", ["oauth"]]);
  const again = new Browser();
  const second = await again.back(await again.agree(await again.begin("corp"), "ada"));
  assert.equal(second.user.id, me.id);
});

test("signs in through a provider of GitHub's shape", async () => {
  const browser = new Browser();
  const answer = await browser.back(await browser.agree(await browser.begin("github")));
  assert.deepEqual([answer.status, answer.user.email], ["completed", "octo@example.com"]);
  assert.equal(answer.user.credentials[0].external_id, "583231");
});

test("refuses a wrong state, and one of another browser", async () => {
  const browser = new Browser();
  const back = await browser.agree(await browser.begin("corp"), "ada");
  assert.equal((await browser.back(changed(back, "state", "x"))).code, "STATE_INVALID");
  assert.equal((await new Browser().back(back)).code, "STATE_INVALID");
  assert.equal((await browser.back(back)).status, "completed");
  assert.equal((await browser.back(back)).code, "STATE_INVALID");
});

test("refuses a wrong issuer", async () => {
  const browser = new Browser();
  const back = await browser.agree(await browser.begin("corp"), "ada");
  assert.equal((await browser.back(changed(back, "iss", "https://evil.example"))).code, "PROVIDER_REFUSED");
});

test("refuses a wrong nonce", async () => {
  const browser = new Browser();
  const back = await browser.agree(changed(await browser.begin("corp"), "nonce", "another"), "ada");
  assert.equal((await browser.back(back)).code, "PROVIDER_REFUSED");
});

test("refuses a wrong signature", async () => {
  const browser = new Browser();
  await fetch(`${github}/lie?on=1`, { method: "POST" });
  try {
    const back = await browser.agree(await browser.begin("corp"), "ada");
    assert.equal((await browser.back(back)).code, "PROVIDER_REFUSED");
  } finally {
    await fetch(`${github}/lie?on=0`, { method: "POST" });
  }
});

for (const provider of ["corp", "github"]) {
  test(`refuses a replayed code of ${provider}`, async () => {
    const browser = new Browser();
    const first = await browser.agree(await browser.begin(provider), "ada");
    assert.equal((await browser.back(first)).status, "completed");
    const second = await browser.agree(await browser.begin(provider), "ada");
    const code = new URL(first).searchParams.get("code");
    assert.equal((await browser.back(changed(second, "code", code))).code, "PROVIDER_REFUSED");
  });
}
