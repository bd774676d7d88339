// What the OpenID Connect tests play on: the built binary on a free port, tenants on host names of their own, a browser made of
// fetch and a cookie jar that fills in the real forms, and a server that gets logout tokens.
//
// The binary is `$USSO_BIN`, by default `target/release/usso`; npm's packages are in `target/oidc`. Every `*.test` host leads
// to this machine, for this process only.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import dns from "node:dns";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createServer as createProbe } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const ROOT = resolve(import.meta.dirname, "../../..");
const BINARY = resolve(process.env.USSO_BIN ?? join(ROOT, "target/release/usso"));
const LOGS = process.env.USSO_E2E_LOGS ?? join(ROOT, "target/e2e/logs");
const require = createRequire(join(ROOT, "target/oidc/package.json"));

/** A package of `target/oidc`. */
export const load = (name) => import(require.resolve(name));

export const SYSTEM_PASSWORD = process.env.SYSTEM_PASSWORD ?? "canary-System-of-walnuts-7!";
export const PASSWORD = "canary-Lantern-of-cactus-9!";

const lookup = dns.lookup;
dns.lookup = (host, options, done) => lookup(host.endsWith(".test") ? "127.0.0.1" : host, options, done);

export const freePort = () =>
  new Promise((done) => {
    const probe = createProbe();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

/** Starts the server; resolves once it is ready. */
export async function open(name) {
  mkdirSync(LOGS, { recursive: true });
  const directory = mkdtempSync(join(tmpdir(), "usso-oidc-"));
  const port = await freePort();
  const { PATH, HOME, LANG } = process.env;
  const env = { PATH, HOME, LANG: LANG ?? "C", PORT: String(port), SYSTEM_PASSWORD,
    // Everybody signs in at once, on a machine that may be busy: they may queue for the hash of their password.
    USSO__HASHING__QUEUE_WAIT_MS: "60000",
    USSO__OUTBOUND__ALLOW_HOSTS: "127.0.0.1", TRUSTED_PROXIES: "127.0.0.1,::1", USSO__LOG__LEVEL: "info,usso=trace" };
  const child = spawn(BINARY, [], { cwd: directory, env, stdio: ["ignore", "ignore", "pipe"] });
  const log = createWriteStream(join(LOGS, `${name}.log`));
  await new Promise((done, failed) => {
    const lines = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.write(line + "\n");
      lines.push(line);
      if (/\bready\b.*\bport=\d+/.test(line.replace(/\x1b\[[0-9;]*m/g, ""))) done();
    });
    child.on("exit", (code) => failed(new Error(`the server ended with ${code}: ${lines.join("\n")}`)));
    child.on("error", failed);
  });
  const close = async () => {
    child.removeAllListeners("exit");
    const ended = new Promise((done) => child.on("exit", done));
    child.kill("SIGTERM");
    const code = await ended;
    rmSync(directory, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the server ended with ${code}`);
  };
  return new Site(port, close);
}

/** Asks for JSON and insists on a status. */
async function ask(status, method, url, { token, body } = {}) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.equal(answer.status, status, `${method} ${url}: ${text}`);
  return text && JSON.parse(text);
}

/** The installation, seen by its administrator. */
export class Site {
  constructor(port, close) {
    Object.assign(this, { port, close, origin: `http://localhost:${port}` });
  }

  async system() {
    const body = { identifier: "admin", secret: SYSTEM_PASSWORD };
    return (await ask(200, "POST", `${this.origin}/api/sso/v1/auth/login`, { body })).access_token;
  }

  /** The installation's own tenant. */
  async own() {
    return new Tenant(this.origin, "org_default", { identifier: "admin", password: SYSTEM_PASSWORD }, this).signIn();
  }

  /** A tenant with an administrator, on a host name of its own, or else below `/t/…`. */
  async tenant(name, host) {
    const admin = { identifier: `admin@${name}.example`, password: PASSWORD };
    const body = { name, domains: host ? [host] : [], admin };
    const { id } = await ask(201, "POST", `${this.origin}/api/sso/v1/tenants`, { token: await this.system(), body });
    const issuer = host ? `http://${host}:${this.port}` : `${this.origin}/t/${id}`;
    return new Tenant(issuer, id, admin, this).signIn();
  }

  async configure(id, config) {
    const url = `${this.origin}/api/sso/v1/tenants/${id}`;
    return ask(200, "PATCH", url, { token: await this.system(), body: { config } });
  }
}

/** A tenant, seen by its administrator. */
class Tenant {
  constructor(issuer, id, admin, site) {
    Object.assign(this, { issuer, id, admin, site, api: `${issuer}/api/sso/v1` });
  }

  async signIn() {
    const body = { identifier: this.admin.identifier, secret: this.admin.password };
    this.token = (await ask(200, "POST", `${this.api}/auth/login`, { body })).access_token;
    return this;
  }

  async client(metadata) {
    return ask(201, "POST", `${this.api}/oauth/clients`, { token: this.token, body: metadata });
  }

  /** Somebody who is signed in answers the request of a device. */
  async answerDevice(user, user_code, approve) {
    const body = { identifier: user.identifier, secret: user.password };
    const token = (await ask(200, "POST", `${this.api}/auth/login`, { body })).access_token;
    return ask(200, "POST", `${this.api}/oauth/device`, { token, body: { user_code, approve } });
  }

  /** Somebody who may sign in. */
  async user(name) {
    const identifier = `${name}@people.example`;
    const body = { identifier, secret: PASSWORD, name: `The ${name}` };
    const { user } = await ask(201, "POST", `${this.api}/auth/register`, { body });
    return { id: user.id, identifier, password: PASSWORD };
  }
}

const unescape = (text) =>
  text.replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16)))
    .replace(/&#(\d+);/g, (_, number) => String.fromCodePoint(Number(number)))
    .replace(/&quot;/g, '"').replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

const attributes = (tag) =>
  Object.fromEntries([...tag.matchAll(/([a-z][a-z0-9-]*)(?:="([^"]*)"|='([^']*)'|=([^\s"'>]+))?/gi)].slice(1)
    .map(([, name, a, b, c]) => [name.toLowerCase(), unescape(a ?? b ?? c ?? "")]));

/** The forms of a page: where they lead, what they hold, and their buttons. */
export function forms(html) {
  return [...html.matchAll(/(<form\b[^>]*>)([\s\S]*?)<\/form>/gi)].map(([, tag, inside]) => {
    const inputs = [...inside.matchAll(/<input\b[^>]*>/gi)].map(([input]) => attributes(input));
    const buttons = [...inside.matchAll(/(<button\b[^>]*>)([\s\S]*?)<\/button>/gi)]
      .map(([, button, text]) => ({ ...attributes(button), text: unescape(text.replace(/<[^>]*>/g, "")).trim() }))
      .filter((button) => (button.type ?? "submit") === "submit");
    return { ...attributes(tag), inputs, buttons };
  });
}

/** A browser without JavaScript: cookies by host and path, no redirects by itself. */
export class Browser {
  jar = new Map();

  async go(url, { form, from } = {}) {
    const cookie = this.cookies(url);
    const own = this.jar.get(new URL(url).host);
    const origin = from && new URL(from).origin;
    const headers = { accept: "text/html", ...(cookie && { cookie }), ...(form && { origin }) };
    const body = form && new URLSearchParams(form);
    const answer = await fetch(url, { method: form ? "POST" : "GET", headers, body, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) this.#keep(own, line);
    return answer;
  }

  /** The cookies for an address, as they are sent. */
  cookies(url) {
    const { host, pathname } = new URL(url);
    if (!this.jar.has(host)) this.jar.set(host, []);
    const isBelow = (path) => pathname === path || pathname.startsWith(path.replace(/\/$/, "") + "/");
    return this.jar.get(host).filter((c) => isBelow(c.path)).map((c) => `${c.name}=${c.value}`).join("; ");
  }

  #keep(own, line) {
    const [pair, ...rest] = line.split(";").map((part) => part.trim());
    const at = pair.indexOf("=");
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    const option = (wanted) => rest.find((part) => part.toLowerCase().startsWith(wanted))?.split("=")[1];
    const path = option("path=") ?? "/";
    const old = own.findIndex((c) => c.name === name && c.path === path);
    if (old >= 0) own.splice(old, 1);
    if (value && option("max-age=") !== "0") own.push({ name, value, path });
  }

  /**
   * Follows redirects and fills in the forms of the pages, as `user`, until it is sent to an address that begins with `until`, or
   * until a page has nothing more to fill in. Gives that address, or the page.
   */
  async walk(url, user, { until, says = "yes", code } = {}) {
    let form, from, seen = [];
    for (let step = 0; step < 20; step += 1) {
      const answer = await this.go(url, { form, from });
      seen.push(`${form ? "POST" : "GET"} ${answer.status} ${new URL(url).pathname}`);
      const location = answer.headers.get("location");
      if (location) {
        const next = new URL(location, url).href;
        if (until && next.startsWith(until)) return { url: next, seen };
        [url, form, from] = [next, undefined, undefined];
        continue;
      }
      const page = await answer.text();
      assert.ok(answer.status < 500, `${seen.join("\n")}\n${page}`);
      const filled = fill(forms(page), { user, says, code, seen });
      if (!filled) return { page, status: answer.status, url, seen };
      [from, form] = [url, filled.fields];
      url = new URL(filled.action || url, url).href;
      if (until && url.startsWith(until)) return { url, form, seen };
    }
    throw new Error(`it never ends:\n${seen.join("\n")}`);
  }
}

const YES = /allow|approve|accept|yes|continue|confirm|grant|next|sign|log/i;
const NO = /deny|cancel|reject|refuse|decline|\bno\b/i;

/** What somebody does with a page's forms: the fields of the one they submit. */
function fill(all, { user, says, code }) {
  const own = all.filter((form) => form.method?.toLowerCase() === "post");
  const has = (form, pattern) => form.inputs.find((i) => i.type !== "hidden" && pattern.test(i.name ?? ""));
  const form = own.find((f) => f.inputs.some((i) => i.type === "password"))
    ?? own.find((f) => has(f, /user_code/)) ?? own.find((f) => has(f, /identifier/))
    ?? own.find((f) => f.buttons.length && !f.inputs.some((i) => /language|locale|theme/.test(i.name ?? "")));
  if (!form) return undefined;
  const fields = {};
  for (const { name, type = "text", value = "", checked } of form.inputs) {
    if (!name) continue;
    if (type === "password") fields[name] = user.password;
    else if (type === "hidden") fields[name] = value;
    else if (/user_code/.test(name)) fields[name] = code ?? value;
    else if (/identifier|email|username|^login$/.test(name)) fields[name] = user.identifier;
    else if (type === "checkbox" || type === "radio") {
      if (checked !== undefined) fields[name] = value || "on";
    } else if (type !== "submit") fields[name] = value;
  }
  const words = (button) => `${button.name ?? ""} ${button.value ?? ""} ${button.text}`;
  const wanted = form.buttons.filter((b) => NO.test(`${b.value ?? ""} ${b.text}`) === (says === "no"));
  const button = wanted.find((b) => says === "no" || YES.test(words(b))) ?? form.buttons[0];
  if (button?.name) fields[button.name] = button.value ?? "";
  return { action: button?.formaction ?? form.action, fields };
}

/** A client's own server: it gets logout tokens. Each path is another inbox. */
export async function inbox() {
  const letters = new Map(), waiting = new Map();
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const letter = { type: request.headers["content-type"], form: new URLSearchParams(body) };
    letters.set(request.url, [...(letters.get(request.url) ?? []), letter]);
    waiting.get(request.url)?.(letter);
    response.writeHead(200).end();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const first = (path) => letters.get(path)?.[0] ?? new Promise((done) => waiting.set(path, done));
  return { origin: `http://127.0.0.1:${server.address().port}`, first, close: () => server.close() };
}
