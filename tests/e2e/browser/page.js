// What a sign-in page does with passkeys.

const PASSKEYS = "/api/sso/v1";

/** Asks the server; gives the status and the body. */
window.ask = async ({ method, path, token, body }) => {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
};

/** Registers a passkey of whoever has the token. */
window.register = async ({ token, name }) => {
  const options = await ask({ method: "GET", path: `${PASSKEYS}/credentials/webauthn`, token });
  if (options.status !== 200) return options;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.body.publicKey);
  const made = (await navigator.credentials.create({ publicKey })).toJSON();
  return ask({ method: "POST", path: `${PASSKEYS}/credentials/webauthn`, token, body: { ...made, name } });
};

/** Has a challenge signed, without submitting it. */
window.sign = async ({ identifier, userVerification, mediation }) => {
  const query = identifier ? `?identifier=${encodeURIComponent(identifier)}` : "";
  const { body } = await ask({ method: "GET", path: `${PASSKEYS}/auth/passkey${query}` });
  const options = userVerification ? { ...body.publicKey, userVerification } : body.publicKey;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({ publicKey, mediation })).toJSON();
};

/** Signs in with what was signed. */
window.submit = (signed) => ask({ method: "POST", path: `${PASSKEYS}/auth/passkey`, body: signed });
