/* Passkeys: hands the server's question to the browser and the browser's answer to a form. */
(() => {
  "use strict";
  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential) return;
  const { passkey: ceremony, begin, domain } = form.dataset;
  const here = location.hostname;
  const say = (text) => { document.querySelector("[role=status]").textContent = text; };
  if (here !== domain && !here.endsWith("." + domain)) return; // the browser would refuse it here
  form.hidden = false;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const ids = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

  async function ask(options) {
    const publicKey = { ...options, challenge: bytes(options.challenge) };
    if (ceremony === "create") {
      publicKey.user = { ...options.user, id: bytes(options.user.id) };
      publicKey.excludeCredentials = ids(options.excludeCredentials);
      return navigator.credentials.create({ publicKey });
    }
    publicKey.allowCredentials = ids(options.allowCredentials);
    return navigator.credentials.get({ publicKey });
  }

  function plain(credential) {
    const { response } = credential;
    const parts = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) parts[name] = text(response[name]);
    }
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response: parts,
      clientExtensionResults: credential.getClientExtensionResults() };
  }

  form.addEventListener("submit", async (event) => {
    if (form.credential.value) return;
    event.preventDefault();
    say("");
    try {
      const body = new URLSearchParams({ csrfmiddlewaretoken: form.csrfmiddlewaretoken.value });
      const answer = await fetch(begin, { method: "POST", body, headers: { Accept: "application/json" } });
      const options = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : {};
      if (!answer.ok) return say(options.problem || form.dataset.failed);
      form.credential.value = JSON.stringify(plain(await ask(options)));
    } catch {
      return say(form.dataset.failed); // given up by the person, or no key here
    }
    form.requestSubmit();
  });
})();
