// The hosted pages in a real browser: every flow without JavaScript and by keyboard only, passkeys and QR codes with it,
// pictures of every page, and none with a serious finding of axe.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { flows } from "./flows.mjs";
import { Keys, open, ORIGIN, PASSWORD, Plain, SYSTEM_PASSWORD } from "./stage.mjs";
import { screens } from "./screens.mjs";

const ROOT = resolve(import.meta.dirname, "../../..");
const SCREENS = join(ROOT, "target/e2e/screens");
const packages = createRequire(join(ROOT, "target/browser/package.json"));
const AXE = readFileSync(packages.resolve("axe-core/axe.min.js"), "utf8");
const jsQR = packages("jsqr");

let stage;
let token;
let tenant;
let shop;
let television;
let made = 0;

const fresh = () => `person${(made += 1)}@example.com`;

async function make() {
  const identifier = fresh();
  const answer = await stage.ask("POST", "/auth/register", { body: { identifier, secret: PASSWORD, name: "Alex Example" } });
  assert.ok([200, 201].includes(answer.status), JSON.stringify(answer.body));
  return identifier;
}

async function change(body) {
  const answer = await stage.ask("PATCH", `/tenants/${tenant}`, { body, host: "sso.test", bearer: token });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

// One hook, for node doesn't wait for one before it begins the next.
before(async () => {
  stage = await open();
  const admin = await stage.ask("POST", "/auth/login", { host: "sso.test", body: { identifier: "admin", secret: SYSTEM_PASSWORD } });
  assert.equal(admin.status, 200, JSON.stringify(admin.body));
  token = admin.body.access_token;
  const body = { name: "Northwind", domains: ["one.test", "two.test"], admin: { identifier: "owner@one.test", password: PASSWORD } };
  const answer = await stage.ask("POST", "/tenants", { host: "sso.test", bearer: token, body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  tenant = answer.body.id;
  const logo = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 180 40"><circle cx="20" cy="20" r="16" fill="#0f766e"/>' +
    '<path d="M13 27V13l14 14V13" fill="none" stroke="#fff" stroke-width="3"/><text x="46" y="27" font-family="sans-serif" ' +
    'font-size="20" font-weight="700" fill="#0f766e">Northwind</text></svg>';
  await change({
    branding: { company_name: "Northwind", logo_url: `data:image/svg+xml;base64,${Buffer.from(logo).toString("base64")}`,
      primary_color: "#0f766e", secondary_color: "#99f6e4", support_email: "help@one.test" },
    config: { legal: { terms_url: "https://one.test/terms", privacy_url: "https://one.test/privacy" } },
  });
  const owner = await stage.ask("POST", "/auth/login", { body: { identifier: "owner@one.test", secret: PASSWORD } });
  const client = async (body) => {
    const answer = await stage.ask("POST", "/oauth/clients", { bearer: owner.body.access_token, body });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.client_id;
  };
  const callback = "https://two.test/callback";
  const scope = "openid profile email offline_access";
  const id = await client({ client_name: "Corner Shop", redirect_uris: [callback], token_endpoint_auth_method: "none", scope,
    is_first_party: false });
  shop = String(new URLSearchParams({ client_id: id, response_type: "code", redirect_uri: callback, scope, state: "s",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" }));
  television = await client({ client_name: "Television", token_endpoint_auth_method: "none", scope: "openid profile",
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code"] });
});

/** A code as a device shows it. */
async function device() {
  const form = String(new URLSearchParams({ client_id: television, scope: "openid profile" }));
  const answer = await stage.ask("POST", "/oauth/device_authorization", { form });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body.user_code;
}

// A test that failed midway leaves nothing to the next.
afterEach(async () => {
  if (!tenant) return;
  await change({ config: { require_mfa: null, allowed_login_methods: null, registration: { approval_mode: "none" },
    captcha: { mode: "off" }, auth: { login_flow: null }, integration: { oauth_providers: null } } });
});

after(() => stage?.close());

for (const [how, Person] of [["without JavaScript", Plain], ["by keyboard only", Keys]]) {
  for (const [what, flow] of Object.entries(flows)) {
    test(`${what}, ${how}`, async () => {
      const context = await stage.somebody(Person.options);
      const who = new Person(await context.newPage());
      const forget = () => context.clearCookies();
      const configure = (config) => change({ config });
      try {
        await flow({ who, make, fresh, stage, configure, forget, shop, device });
      } finally {
        await context.close();
      }
    });
  }
}

/** A tab with an authenticator of its own. `touch` says whether somebody answers it, also when a page only offers it. */
async function withAuthenticator(context) {
  const tab = await context.newPage();
  const client = await context.newCDPSession(tab);
  await client.send("WebAuthn.enable");
  const { authenticatorId } = await client.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true },
  });
  const touch = (enabled) => client.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled });
  return { tab, touch };
}

/** Somebody whose passkey was set up as second factor, in a tab that is signed in. */
async function enrolled(context) {
  await change({ config: { require_mfa: true } });
  const own = await make();
  const { tab, touch } = await withAuthenticator(context);
  const keys = new Keys(tab);
  await keys.go("/login?return_to=%2Fsigned-in");
  await keys.type("identifier", own);
  await keys.press("#submit");
  await keys.type("password", PASSWORD);
  await keys.press("#submit");
  await keys.at("/login/enrol");
  await keys.press("#passkey-button");
  await keys.at("/signed-in", "#sign-out");
  await change({ config: { require_mfa: null } });
  return { own, tab, keys, touch };
}

test("a passkey is set up by the page, and signs in from it", async () => {
  const context = await stage.somebody();
  const { own, tab, keys, touch } = await enrolled(context);
  await keys.press("#sign-out");
  // With who it is.
  await touch(false);
  await keys.go("/login?return_to=%2Fsigned-in");
  await keys.type("identifier", own);
  await keys.press("#submit");
  await keys.at("/login/password", "#passkey-button");
  await touch(true);
  await keys.press("#passkey-button");
  await keys.at("/signed-in", "#sign-out");
  assert.ok((await tab.locator(".who").innerText()).includes(own));
  await keys.press("#sign-out");
  // Without: the browser offers it in the field.
  await keys.go("/login?return_to=%2Fsigned-in");
  await keys.at("/signed-in", "#sign-out");
  assert.ok((await tab.locator(".who").innerText()).includes(own));
  // As second factor.
  await touch(false);
  await context.clearCookies();
  await change({ config: { require_mfa: true, auth: { login_flow: { allowed_identifiers: ["email"],
    steps: [{ methods: ["password"] }, { methods: ["webauthn"] }] } } } });
  await keys.go("/login?return_to=%2Fsigned-in");
  await keys.type("identifier", own);
  await keys.press("#submit");
  await keys.type("password", PASSWORD);
  await keys.press("#submit");
  await keys.at("/login/factor", "#passkey-button");
  await touch(true);
  await keys.press("#passkey-button");
  await keys.at("/signed-in", "#sign-out");
  await change({ config: { require_mfa: null, auth: { login_flow: null } } });
  await context.close();
});

test("a phone signs a browser in", async () => {
  const phone = await stage.somebody({ viewport: { width: 390, height: 844 } });
  const desk = await stage.somebody();
  const own = await make();
  const holder = new Keys(await phone.newPage());
  await holder.go("/login?return_to=%2Fsigned-in");
  await holder.type("identifier", own);
  await holder.press("#submit");
  await holder.type("password", PASSWORD);
  await holder.press("#submit");
  const screen = await desk.newPage();
  // What a camera would read is what the page asks the server for.
  const asker = new Keys(screen);
  await asker.go("/login?return_to=%2Fsigned-in");
  await asker.press("a[href*='/login/qr']");
  await asker.at("/login/qr", "#qr-number");
  const number = await screen.locator("#qr-number").innerText();
  const code = await readPicture(screen);
  await holder.go(code);
  await holder.at("/qr", "#approve-form");
  await screen.locator("#qr-status:has-text('Scanned')").waitFor();
  await holder.press(`.number-choice[value="${number}"]`);
  await holder.tab.locator("text=Approved").waitFor();
  await asker.at("/signed-in", "#sign-out");
  assert.ok((await screen.locator(".who").innerText()).includes(own));
  await phone.close();
  await desk.close();
});

/** Reads the QR code of a page. */
async function readPicture(tab) {
  const shot = await tab.locator("img.qr").evaluate(async (image) => {
    const size = 480;
    const canvas = new OffscreenCanvas(size, size);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, size, size);
    pen.drawImage(image, 20, 20, size - 40, size - 40);
    // As text, for a list of numbers takes ten seconds on its way.
    let bytes = "";
    for (const byte of pen.getImageData(0, 0, size, size).data) bytes += String.fromCharCode(byte);
    return { size, data: btoa(bytes) };
  });
  const found = jsQR(Uint8ClampedArray.from(Buffer.from(shot.data, "base64")), shot.size, shot.size);
  assert.ok(found, "the picture can't be read");
  return found.data.replace(/^https?:\/\/[^/]+/, "");
}

test("a captcha is solved by the page", async () => {
  const identifier = await make();
  await change({ config: { captcha: { mode: "always", max_number: 5_000 } } });
  const context = await stage.somebody();
  const keys = new Keys(await context.newPage());
  await keys.go("/login?return_to=%2Fsigned-in");
  await keys.type("identifier", identifier);
  await keys.press("#submit");
  await keys.tab.locator("#captcha[data-state=done]").waitFor();
  await keys.type("password", PASSWORD);
  await keys.press("#submit");
  await keys.at("/signed-in", "#sign-out");
  await change({ config: { captcha: { mode: "off" } } });
  await context.close();
});

test("a page is in no frame", async () => {
  const context = await stage.somebody();
  const tab = await context.newPage();
  await tab.route("https://evil.test/", (route) => route.fulfill({ contentType: "text/html",
    body: `<iframe src="${ORIGIN}/login"></iframe>` }));
  const answered = tab.waitForResponse(`${ORIGIN}/login`);
  await tab.goto("https://evil.test/");
  // It was asked for and answered; only the browser keeps it from the frame.
  assert.equal((await answered).status(), 200);
  const frame = tab.frames().find((own) => own !== tab.mainFrame());
  assert.ok(!(await frame.content()).includes("login-form"));
  await context.close();
});

/** What axe doesn't see, in the page: pictures nobody sees, and what is wider than the window. */
function faults() {
  const found = [];
  for (const image of document.images) {
    const { width, height } = image.getBoundingClientRect();
    if (!image.naturalWidth || width < 8 || height < 8) found.push(`not seen: img.${image.className}, ${width} by ${height}`);
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) found.push(`wider than the window: ${scrollWidth} of ${clientWidth}`);
  return found;
}

test("every page has its picture and no serious finding", { timeout: 400_000 }, async () => {
  mkdirSync(SCREENS, { recursive: true });
  const findings = [];
  const lesser = new Set();
  let pictures = 0;
  const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };
  for (const language of ["en", "fa"]) {
    const context = await stage.somebody({ locale: language, bypassCSP: true });
    await context.addInitScript(AXE);
    const tab = await context.newPage();
    await screens({ tab, context, stage, make, shop, device, configure: (config) => change({ config }) }, async (name) => {
      for (const theme of ["light", "dark"]) {
        await tab.emulateMedia({ colorScheme: theme });
        for (const [size, viewport] of Object.entries(sizes)) {
          await tab.setViewportSize(viewport);
          await tab.screenshot({ path: join(SCREENS, `${name}-${language}-${theme}-${size}.png`), fullPage: true });
          pictures += 1;
          for (const own of await tab.evaluate(faults)) findings.push(`${name} ${language} ${size}: ${own}`);
        }
        // The colours are the same in every language.
        if (language !== "en" && theme === "dark") continue;
        const { violations } = await tab.evaluate(() => window.axe.run());
        for (const { id, impact, nodes } of violations) lesser.add(`${id} (${impact}): ${nodes[0].html}`);
        for (const own of violations.filter(({ impact }) => ["serious", "critical"].includes(impact))) {
          findings.push(`${name} ${language} ${theme}: ${own.id}: ${own.nodes.map((node) => node.html).join(" ")}`);
        }
      }
    });
    await context.close();
  }
  console.log(`${pictures} pictures in ${SCREENS}`);
  if (lesser.size > 0) console.log(`axe, of any impact:\n${[...lesser].join("\n")}`);
  assert.equal(findings.length, 0, [...new Set(findings)].join("\n"));
});
