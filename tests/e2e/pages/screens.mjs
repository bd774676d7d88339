// Every page, once, as it looks in the middle of things.

import { codeOf, ORIGIN, PASSWORD } from "./stage.mjs";

/** Leads a tab to each page and calls `look` there with its name. */
export async function screens({ tab, context, stage, make, shop, device, configure }, look) {
  const go = (path) => tab.goto(ORIGIN + path);
  const press = async (selector) => {
    const gone = tab.waitForEvent("framenavigated");
    await tab.locator(selector).first().click();
    await gone;
    await tab.waitForLoadState();
  };
  const name = async (identifier) => {
    await go("/login");
    await tab.locator("#identifier").fill(identifier);
    await press("#submit");
  };
  const own = await make();
  const providers = { google: { client_id: "a", client_secret: "canary-of-google" }, github: { client_id: "b", client_secret: "canary-of-github" } };
  await configure({ integration: { oauth_providers: providers } });

  await go("/login");
  await look("login");
  await name("a@b@c");
  await look("login-wrong");
  await name(own);
  await look("password");
  await tab.locator("#password").fill("canary-Not-the-one-8!");
  await press("#submit");
  await look("password-wrong");
  await press("#send-code");
  await look("code");
  await name(own);
  const before = stage.sent();
  await press("#send-link");
  await look("link-sent");
  const link = /https?:\/\/\S+/.exec(await stage.letter(own, before))[0].replace(/^https?:\/\/[^/]+/, "");
  await go(link);
  await look("magic-link");
  await go("/register");
  await look("register");
  await tab.locator("#identifier").fill("someone@example.com");
  await tab.locator("#password").fill("short");
  await press("#submit");
  await look("register-wrong");
  await go("/reset-password");
  await look("reset");
  const sent = stage.sent();
  await tab.locator("#identifier").fill(own);
  await press("#submit");
  await look("reset-sent");
  await go(/https?:\/\/\S+/.exec(await stage.letter(own, sent))[0].replace(/^https?:\/\/[^/]+/, ""));
  await look("new-password");
  await go("/verify-email");
  await look("verify");
  await go("/oauth/failed?error=access_denied");
  await look("provider-failed");
  await go("/nothing");
  await look("error");
  await go("/login/qr");
  await look("qr");

  await configure({ require_mfa: true, allowed_login_methods: ["password", "totp", "webauthn", "qr"] });
  await name(own);
  await tab.locator("#password").fill(PASSWORD);
  await press("#submit");
  await look("enrol");
  await press("#submit");
  await look("enrol-app");
  await configure({ require_mfa: null, allowed_login_methods: ["password", "totp", "webauthn", "qr", "email/otp", "magic_link", "oauth"] });

  await context.clearCookies({ name: /^usso-(login|access-token|refresh-token)$/ });
  for (const who of [await make(), own]) {
    await name(who);
    await tab.locator("#password").fill(PASSWORD);
    await press("#submit");
  }
  await look("signed-in");
  await go("/accounts");
  await look("accounts");
  const { body } = await stage.ask("GET", "/auth/qr");
  await go(body.url.replace(/^https?:\/\/[^/]+/, ""));
  await look("approve");
  await press("#refuse");
  await look("refused");
  await go(`/oauth/authorize?${shop}`);
  await look("consent");
  await go("/device");
  await look("device");
  await tab.locator("#user_code").fill(await device());
  await press("#submit");
  await look("connect");
  await press("#submit");
  await look("connected");
  await go("/logout");
  await look("sign-out");
  await press("#submit");
  await look("signed-out");

  const proven = await make();
  await name(proven);
  await tab.locator("#password").fill(PASSWORD);
  await press("#submit");
  const first = stage.sent();
  await go(`/verify-email?identifier=${encodeURIComponent(proven)}`);
  await press("#submit");
  await tab.locator("#code").fill(codeOf(await stage.letter(proven, first)));
  await press("#submit");
  await look("verified");
  await context.clearCookies({ name: /^usso-(access|refresh)-token$/ });
  await configure({ auth: { login_flow: { allowed_identifiers: ["email"], steps: [{ methods: ["password"] }, { methods: ["email/otp", "totp"] }] } } });
  await name(proven);
  await tab.locator("#password").fill(PASSWORD);
  await press("#submit");
  await look("factor-send");
  await press("#send-code");
  await look("factor-code");
  await configure({ auth: { login_flow: null }, allowed_login_methods: null, captcha: { mode: "always", max_number: 1_000 } });
  await context.clearCookies();
  await name(proven);
  await look("captcha");
  await configure({ captcha: { mode: "off" }, integration: { oauth_providers: null } });
}
