// Every flow of the pages but passkeys and QR codes, as somebody walks through it: without JavaScript, or by keyboard only.

import { codeOf, linkOf, ORIGIN, PASSWORD, totp } from "./stage.mjs";

const OTHER = "canary-Harbour-of-thistle-4!";
const pathOf = (url) => url.replace(/^https?:\/\/[^/]+/, "");

/** Says who one is. */
async function name(who, identifier, path = "/login?return_to=%2Fsigned-in") {
  await who.go(path);
  await who.type("identifier", identifier);
  await who.press("#submit");
}

async function password(who, secret = PASSWORD) {
  await who.type("password", secret);
  await who.press("#submit");
}

/** The flows, by name; each leaves nobody signed in. `make` gives a new account; `configure` changes the tenant. */
export const flows = {
  async password({ who, make }) {
    const own = await make();
    await name(who, own);
    await password(who, "canary-Not-the-one-8!");
    await who.at("/login/password", "[role=alert]");
    await password(who);
    await who.at("/signed-in", "#sign-out");
    await who.press("#sign-out");
    await who.at("/logged-out");
  },
  async "code by mail"({ who, make, stage }) {
    const own = await make();
    await name(who, own);
    const before = stage.sent();
    await who.press("#send-code");
    await who.at("/login/code", "#code");
    await who.type("code", codeOf(await stage.letter(own, before)));
    await who.press("#submit");
    await who.at("/signed-in");
  },
  async "link by mail"({ who, make, stage }) {
    const own = await make();
    await name(who, own);
    const before = stage.sent();
    await who.press("#send-link");
    await who.at("/login/link");
    await who.go(pathOf(linkOf(await stage.letter(own, before))));
    await who.press("#submit");
    await who.at("/signed-in");
  },
  async registration({ who, fresh }) {
    const own = fresh();
    await who.go("/login");
    await who.press("a[href*='/register']");
    await who.type("identifier", own);
    await who.type("name", "Somebody New");
    await who.type("password", "short");
    await who.press("#submit");
    await who.at("/register", "[role=alert]");
    await password(who);
    await who.at("/signed-in");
  },
  async "registration by proof"({ who, fresh, stage, configure }) {
    await configure({ registration: { approval_mode: "identifier" } });
    const own = fresh();
    await who.go("/register");
    await who.type("identifier", own);
    await who.type("password", PASSWORD);
    const before = stage.sent();
    await who.press("#submit");
    await who.at("/login/code", "#code");
    await who.type("code", codeOf(await stage.letter(own, before)));
    await who.press("#submit");
    await who.at("/signed-in");
    await configure({ registration: { approval_mode: "none" } });
  },
  async "second factor, set up and asked for"({ who, make, configure, forget }) {
    await configure({ require_mfa: true, allowed_login_methods: ["password", "totp", "webauthn", "email/otp", "magic_link", "oauth", "qr"] });
    const own = await make();
    await name(who, own);
    await password(who);
    await who.at("/login/enrol");
    await who.press("#submit");
    await who.at("/login/enrol", "#totp-secret");
    const secret = await who.tab.locator("#totp-secret").innerText();
    await who.type("code", await totp(secret));
    await who.press("#submit");
    await who.at("/signed-in");
    await forget();
    await name(who, own);
    await password(who);
    await who.at("/login/factor", "#code");
    await who.type("code", "000000");
    await who.press("#submit");
    await who.at("/login/factor", "[role=alert]");
    // Each step of the clock counts once, so it is the next one's.
    await who.type("code", await totp(secret, Date.now() + 30_000));
    await who.press("#submit");
    await who.at("/signed-in");
    await configure({ require_mfa: null, allowed_login_methods: null });
  },
  async "a new password"({ who, make, stage }) {
    const own = await make();
    await name(who, own);
    await who.press("a[href*='/reset-password']");
    const before = stage.sent();
    await who.press("#submit");
    await who.at("/reset-password/sent");
    await who.go(pathOf(linkOf(await stage.letter(own, before))));
    await password(who, OTHER);
    await who.at("/reset-password/done");
    await name(who, own);
    await password(who, OTHER);
    await who.at("/signed-in");
  },
  async "an address is proven"({ who, make, stage }) {
    const own = await make();
    await who.go(`/verify-email?identifier=${encodeURIComponent(own)}`);
    const before = stage.sent();
    await who.press("#submit");
    await who.at("/verify", "#code");
    await who.type("code", codeOf(await stage.letter(own, before)));
    await who.press("#submit");
    await who.at("/verify");
    await who.tab.locator("text=Confirmed").waitFor();
  },
  async "the choice of an account"({ who, make }) {
    const [first, second] = [await make(), await make()];
    for (const own of [first, second]) {
      await name(who, own);
      await password(who);
      await who.at("/signed-in");
    }
    await who.go("/accounts");
    await who.press(`.account:has-text("${first}")`);
    await who.at("/signed-in");
    await who.tab.locator(`.who:has-text("${first}")`).waitFor();
  },
  async "an application is allowed, or not"({ who, make, shop }) {
    const own = await make();
    await who.go(`/oauth/authorize?${shop}`);
    await who.type("identifier", own);
    await who.press("#submit");
    await password(who);
    await who.at("/oauth/consent", "#consent-form");
    await who.press("#deny");
    await who.at("/callback");
    if (!who.tab.url().includes("error=access_denied")) throw new Error("it was not refused");
    await who.go(`/oauth/authorize?${shop}`);
    await who.at("/oauth/consent", "#consent-form");
    await who.press("#allow");
    await who.at("/callback");
    if (!who.tab.url().includes("code=")) throw new Error("it was not allowed");
  },
  async "a device is connected"({ who, make, device }) {
    const own = await make();
    await who.go("/device");
    await who.type("identifier", own);
    await who.press("#submit");
    await password(who);
    await who.at("/device", "#user_code");
    await who.type("user_code", await device());
    await who.press("#submit");
    await who.at("/device", "#scopes");
    await who.press("#submit");
    await who.tab.locator("text=The device is connected").waitFor();
  },
  async "another language"({ who }) {
    await who.go("/login");
    await who.press("a[hreflang=fa]");
    await who.tab.locator("html[dir=rtl]").waitFor();
    await who.press("a[hreflang=en]");
    await who.tab.locator("html[dir=ltr]").waitFor();
  },
};

export { ORIGIN };
