// What the browser tests play on: the built binary with TLS, and headless Chromium with a virtual authenticator.
//
// Every host of the tests leads to the one server. Pages are the files of this directory, put in front of it; all that
// they ask the server is real. The binary is `$USSO_BIN`, by default `target/release/usso`; npm's packages are in
// `target/browser`.

import { execFileSync, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../../..");
const BINARY = resolve(process.env.USSO_BIN ?? join(ROOT, "target/release/usso"));
const LOGS = process.env.USSO_E2E_LOGS ?? join(ROOT, "target/e2e/logs");
const PACKAGES = join(ROOT, "target/browser");
export const { chromium } = createRequire(join(PACKAGES, "package.json"))("playwright-core");

export const API = "/api/sso/v1";
export const SYSTEM_PASSWORD = "canary-System-of-walnuts-7!";
export const PASSWORD = "canary-Lantern-of-cactus-9!";
export const HOSTS = ["sso.test", "one.test", "two.test", "evil.test"];

const FILES = {
  "/page": ["text/html", join(HERE, "page.html")],
  "/page.js": ["text/javascript", join(HERE, "page.js")],
  "/captcha": ["text/html", join(HERE, "captcha.html")],
  "/altcha.js": ["text/javascript", join(PACKAGES, "node_modules/altcha/dist/altcha.js")],
};

/** A certificate for all hosts, and the digest of its key by which Chromium trusts it. */
export function certificate(directory) {
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const names = HOSTS.map((host) => `DNS:${host}`).join(",");
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
    "2", "-subj", "/CN=tests", "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", cert], { stdio: "pipe" });
  const spki = new X509Certificate(readFileSync(cert)).publicKey.export({ type: "spki", format: "der" });
  return { key, cert, digest: createHash("sha256").update(spki).digest("base64") };
}

/** Starts the server on a free port; resolves once it is ready. */
export function serve(directory, { key, cert }, more = {}) {
  mkdirSync(LOGS, { recursive: true });
  const { PATH, HOME, LANG, TMPDIR } = process.env;
  const settings = { PORT: "0", BASE_URL: "https://sso.test", TLS_CERT: cert, TLS_KEY: key, SYSTEM_PASSWORD,
    USSO__LOG__LEVEL: "info,usso=trace", USSO__LOG__ACCESS: "1", ...more };
  const given = Object.fromEntries(Object.entries({ PATH, HOME, LANG, TMPDIR }).filter(([, value]) => value));
  const child = spawn(BINARY, [], { cwd: directory, env: { ...given, ...settings }, stdio: ["ignore", "ignore", "pipe"] });
  const log = createWriteStream(join(LOGS, `browser-server-${process.pid}.log`));
  return new Promise((done, failed) => {
    const lines = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.write(line + "\n");
      lines.push(line);
      const found = /\bready\b.*\bport=(\d+)/.exec(line.replace(/\x1b\[[0-9;]*m/g, ""));
      if (found) done({ child, port: Number(found[1]) });
    });
    child.on("exit", (code) => failed(new Error(`the server ended with ${code}: ${lines.join("\n")}`)));
    child.on("error", failed);
  });
}

/** The server and the browser. */
export async function open() {
  const directory = mkdtempSync(join(tmpdir(), "usso-browser-"));
  const tls = certificate(directory);
  const { child, port } = await serve(directory, tls);
  const context = await chromium.launchPersistentContext(join(directory, "profile"), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      `--host-resolver-rules=${HOSTS.map((host) => `MAP ${host} 127.0.0.1:${port}`).join(",")},MAP * ~NOTFOUND`,
      `--ignore-certificate-errors-spki-list=${tls.digest}`,
    ],
  });
  context.setDefaultTimeout(30_000);
  await context.route((url) => url.pathname in FILES, (route) => {
    const [contentType, path] = FILES[new URL(route.request().url()).pathname];
    return route.fulfill({ contentType, body: readFileSync(path) });
  });
  const close = async () => {
    await context.close();
    child.removeAllListeners("exit");
    const ended = new Promise((done) => child.on("exit", done));
    child.kill("SIGTERM");
    const code = await ended;
    rmSync(directory, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the server ended with ${code}`);
  };
  return { context, close };
}

/** A page of a host, with an authenticator of its own. */
export async function page(context, host) {
  const tab = await context.newPage();
  await tab.goto(`https://${host}/page`);
  const client = await context.newCDPSession(tab);
  await client.send("WebAuthn.enable");
  const { authenticatorId } = await client.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true },
  });
  return { tab, client, authenticatorId };
}

/** Asks the API from a page. */
export function ask(tab, method, path, { token, body } = {}) {
  return tab.evaluate((request) => window.ask(request), { method, path: API + path, token, body });
}
