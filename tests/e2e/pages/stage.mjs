// What the tests of the hosted pages play on: the built binary in development mode, whose messages are files, and headless
// Chromium. See ../browser/stage.mjs.

import { request } from "node:https";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { certificate, chromium, HOSTS, PASSWORD, serve, SYSTEM_PASSWORD } from "../browser/stage.mjs";

export { PASSWORD, SYSTEM_PASSWORD };
export const ORIGIN = "https://one.test";
export const API = "/api/sso/v1";

/** The server, the browser, and what was sent. */
export async function open() {
  const directory = mkdtempSync(join(tmpdir(), "usso-pages-"));
  const tls = certificate(directory);
  // The tests are a proxy in front, so that each person has an address of their own.
  const { child, port } = await serve(directory, tls, { DEBUG: "1", TRUSTED_PROXIES: "127.0.0.1" });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--force-color-profile=srgb",
      `--host-resolver-rules=${HOSTS.map((host) => `MAP ${host} 127.0.0.1:${port}`).join(",")},MAP * ~NOTFOUND`,
      `--ignore-certificate-errors-spki-list=${tls.digest}`,
      // Or Chromium itself keeps what is on this machine from the pages of others, whatever the server says.
      `--ip-address-space-overrides=127.0.0.1:${port}=public`,
    ],
  });
  const outbox = join(directory, "data", "outbox");
  const letters = () => {
    try {
      return readdirSync(outbox).filter((name) => !name.startsWith(".")).sort();
    } catch {
      return [];
    }
  };
  /** The newest message to somebody, once there are more than there were. */
  const letter = async (to, before) => {
    for (let tries = 0; tries < 100; tries += 1) {
      const texts = letters().slice(before).map((name) => readFileSync(join(outbox, name), "utf8"));
      const found = texts.filter((text) => text.includes(`To: ${to}\n`)).pop();
      if (found) return found;
      await wait(100);
    }
    throw new Error(`no message to ${to}`);
  };
  let people = 0;
  /** A browser of somebody at an address of their own. */
  const somebody = async (options = {}) => {
    people += 1;
    const extraHTTPHeaders = { "x-forwarded-for": `203.0.113.${people}` };
    const context = await browser.newContext({ locale: "en", extraHTTPHeaders, ...options });
    context.setDefaultTimeout(30_000);
    return context;
  };
  /** Asks the API, as a program does. */
  const ask = (method, path, { body, form, host = "one.test", bearer } = {}) =>
    new Promise((done, failed) => {
      const headers = { host, "x-forwarded-for": "203.0.113.200" };
      if (bearer) headers.authorization = `Bearer ${bearer}`;
      if (body !== undefined) headers["content-type"] = "application/json";
      if (form !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
      const options = { host: "127.0.0.1", port, servername: host, ca: readFileSync(tls.cert), method, path: API + path, headers };
      const asked = request(options, async (answer) => {
        const parts = await answer.toArray();
        const text = Buffer.concat(parts).toString();
        done({ status: answer.statusCode, body: text ? JSON.parse(text) : null });
      });
      asked.on("error", failed);
      asked.end(body === undefined ? form : JSON.stringify(body));
    });
  const close = async () => {
    await browser.close();
    child.removeAllListeners("exit");
    const ended = new Promise((done) => child.on("exit", done));
    child.kill("SIGTERM");
    const code = await ended;
    rmSync(directory, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the server ended with ${code}`);
  };
  return { somebody, ask, close, letter, sent: () => letters().length };
}

/** The code or link of a message. */
export const codeOf = (letter) => /\b(\d{6,10})\b/.exec(letter.split("\n\n").slice(1).join("\n"))[1];
export const linkOf = (letter) => /https?:\/\/\S+/.exec(letter)[0];

/** What an authenticator app shows for a secret in base32 (RFC 6238). */
export async function totp(secret, now = Date.now()) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replace(/[\s=]/g, "")].map((c) => letters.indexOf(c).toString(2).padStart(5, "0")).join("");
  const bytes = Uint8Array.from(bits.match(/.{8}/g), (byte) => Number.parseInt(byte, 2));
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-1" }, false, ["sign"]);
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(Math.floor(now / 30_000)));
  const tag = new DataView(await crypto.subtle.sign("HMAC", key, counter.buffer));
  const at = tag.getUint8(19) & 15;
  return String((tag.getUint32(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** Somebody without JavaScript, with a mouse. */
export class Plain {
  constructor(tab) {
    this.tab = tab;
  }
  static options = { javaScriptEnabled: false };
  go(path) {
    return this.tab.goto(path.startsWith("http") ? path : ORIGIN + path);
  }
  type(id, text) {
    return this.tab.locator(`#${id}`).fill(text);
  }
  async press(selector) {
    const gone = this.tab.waitForEvent("framenavigated");
    await this.tab.locator(selector).first().click();
    await gone;
    await this.tab.waitForLoadState();
  }
  async at(path, selector) {
    try {
      await this.tab.waitForURL((url) => url.pathname === path);
      await this.tab.locator(selector ?? "main").first().waitFor();
    } catch (error) {
      const { pathname } = new URL(this.tab.url());
      throw new Error(`at ${pathname}, not ${path}: ${await this.tab.locator("main").innerText()}`, { cause: error });
    }
  }
}

/** Somebody with a keyboard and nothing else. */
export class Keys extends Plain {
  static options = {};
  /** Goes from one thing to the next until it has come to this one. */
  async reach(selector) {
    const wanted = this.tab.locator(selector).first();
    await wanted.waitFor();
    for (let steps = 0; steps < 60; steps += 1) {
      if (await wanted.evaluate((element) => element === document.activeElement)) {
        const ring = await wanted.evaluate((element) => getComputedStyle(element).outlineStyle);
        if (ring === "none") throw new Error(`${selector} doesn't show that it is where the keyboard is`);
        return;
      }
      await this.tab.keyboard.press("Tab");
    }
    throw new Error(`the keyboard doesn't come to ${selector}`);
  }
  async type(id, text) {
    await this.reach(`#${id}`);
    await this.tab.keyboard.press("Control+A");
    await this.tab.keyboard.type(text);
  }
  async press(selector) {
    await this.reach(selector);
    const gone = this.tab.waitForEvent("framenavigated");
    await this.tab.keyboard.press("Enter");
    await gone;
    await this.tab.waitForLoadState();
  }
}
