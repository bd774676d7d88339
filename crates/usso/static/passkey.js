// Signing in with a passkey, or setting one up. The page says what to ask and where to go; see its `#passkey`.
(() => {
  const box = document.getElementById("passkey");
  if (!box || !window.PublicKeyCredential) return;
  box.hidden = false;
  const button = document.getElementById("passkey-button");
  const status = document.getElementById("passkey-status");
  const { options, submit, identifier, next, more, failed, register, conditional } = box.dataset;
  let waiting = null;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const ask = async () => {
    const url = identifier ? `${options}?identifier=${encodeURIComponent(identifier)}` : options;
    const answer = await fetch(url, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error("options");
    const key = (await answer.json()).publicKey;
    key.challenge = bytes(key.challenge);
    if (key.user) key.user.id = bytes(key.user.id);
    for (const list of [key.allowCredentials, key.excludeCredentials]) {
      for (const credential of list ?? []) credential.id = bytes(credential.id);
    }
    return key;
  };

  const json = (credential) => {
    const { response } = credential;
    const parts = { clientDataJSON: text(response.clientDataJSON) };
    if (response.attestationObject) {
      parts.attestationObject = text(response.attestationObject);
      parts.transports = response.getTransports?.() ?? [];
    } else {
      parts.authenticatorData = text(response.authenticatorData);
      parts.signature = text(response.signature);
      if (response.userHandle) parts.userHandle = text(response.userHandle);
    }
    return { id: credential.id, rawId: credential.id, type: credential.type, response: parts };
  };

  const send = async (credential) => {
    const answer = await fetch(submit, {
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/json" },
      body: JSON.stringify(json(credential)),
    });
    if (!answer.ok) throw new Error("refused");
    const { status: state } = await answer.json();
    location.assign(state === "completed" ? next : more);
  };

  const run = async (mediation) => {
    const publicKey = await ask();
    waiting = new AbortController();
    const { signal } = waiting;
    const credential = register
      ? await navigator.credentials.create({ publicKey, signal })
      : await navigator.credentials.get({ publicKey, mediation, signal });
    if (credential) await send(credential);
  };

  button.addEventListener("click", async () => {
    waiting?.abort();
    status.textContent = "";
    button.disabled = true;
    try {
      await run();
    } catch {
      status.textContent = failed;
    }
    button.disabled = false;
  });

  // Offered in the field for the user name, where browsers can.
  if (conditional && PublicKeyCredential.isConditionalMediationAvailable) {
    PublicKeyCredential.isConditionalMediationAvailable()
      .then((can) => (can ? run("conditional") : undefined))
      .catch((error) => {
        if (error.message === "refused") status.textContent = failed;
      });
  }
})();
