/* The counter: sends a scan once, keeps the charge at hand fresh, and holds the focus where the next thing is typed.
   The server decides everything; without this script the same forms work by loading the page again. */
(() => {
  "use strict";
  const box = document.getElementById("counter");
  const said = document.getElementById("said");
  const tone = document.getElementById("tone");
  if (!box) return;
  const CODE = /^(2[5-9]|30)\d{14,22}$/;
  const EVERY_MS = 1000;
  let sending = false;
  let timer = 0;
  let failures = 0;
  let left = 0;
  let leftAt = 0;

  const charge = () => box.querySelector(".charge");
  const field = (id) => document.getElementById(id);

  async function load(url, options = {}) {
    return fetch(url, { cache: "no-store", ...options, headers: { "X-Part": "1" } });
  }

  async function show(answer, speak = true) {
    if (!(answer.headers.get("Content-Type") || "").startsWith("text/html") || answer.status >= 500) throw new Error(String(answer.status));
    const html = await answer.text();
    if (!html.includes('id="sale"')) { location.reload(); return; }
    box.innerHTML = html;
    failures = 0;
    ready();
    const words = (box.querySelector("[role=alert]") || box.querySelector(".charge .said"))?.innerText.trim();
    if (speak && words) said.textContent = words;
    if (charge()?.dataset.state === "received") sound();
  }

  /* The place for the next keystroke: the amount of a new sale, else the code. */
  function focus() {
    const wrong = box.querySelector("[aria-invalid]");
    (wrong || field("amount") || field("code"))?.focus();
  }

  function ready() {
    const sale = field("sale");
    sale.addEventListener("submit", submitted);
    for (const each of [field("amount"), field("title")]) {
      each?.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || field("code").value) return;
        event.preventDefault();
        if (CODE.test(each.value.trim())) { field("code").value = each.value.trim(); each.value = ""; }
        (field("amount").value ? field("code") : field("amount")).focus();
      });
    }
    box.querySelector("[data-plain]")?.remove();
    box.querySelector("form[data-end]")?.addEventListener("submit", ended);
    left = Number(box.querySelector(".left")?.textContent || 0);
    leftAt = performance.now();
    focus();
    plan();
  }

  async function submitted(event) {
    event.preventDefault();
    const sale = event.currentTarget;
    if ("closed" in sale.dataset) { field("code").value = ""; alertNow(box.dataset.busy); return; }
    if (sending) return;
    sending = true;
    clearTimeout(timer);
    const body = new FormData(sale);
    field("code").value = "";
    const button = sale.querySelector("button");
    button.setAttribute("aria-disabled", "true");
    said.textContent = button.textContent = box.dataset.sending;
    try {
      await show(await load(sale.action, { method: "POST", body }));
    } catch {
      alertNow(box.dataset.unreachable);
      lookAgain();
    } finally {
      sending = false;
    }
  }

  async function ended(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const button = form.querySelector("button");
    if (button.hasAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    try { await show(await load(form.action, { method: "POST", body: new FormData(form) })); } catch { button.removeAttribute("aria-disabled"); }
  }

  /* After a send whose answer got lost: the server knows whether a charge is open. */
  function lookAgain() {
    timer = setTimeout(async () => {
      try { await show(await load(box.dataset.page)); } catch { lookAgain(); }
    }, Math.min(8000, EVERY_MS * 2 ** failures++));
  }

  function plan() {
    clearTimeout(timer);
    if (charge()?.dataset.status) timer = setTimeout(look, EVERY_MS * Math.min(8, 1 + failures));
  }

  async function look() {
    const shown = charge();
    try {
      const answer = await fetch(shown.dataset.status, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const news = await answer.json();
      failures = 0;
      left = news.left;
      leftAt = performance.now();
      if (sending) return;
      if (news.version !== shown.dataset.version) {
        await show(await load(`${box.dataset.page}?charge=${news.version.split("-")[0]}`));
        return;
      }
    } catch {
      failures += 1;
      if (failures === 3) alertNow(box.dataset.unreachable);
    }
    plan();
  }

  function alertNow(words) {
    let note = box.querySelector(".now > .errornote");
    if (!note) {
      note = document.createElement("p");
      note.className = "errornote";
      box.querySelector(".now").prepend(note);
    }
    note.setAttribute("role", "alert");
    note.textContent = words;
  }

  function count() {
    const clock = box.querySelector(".left");
    if (clock) clock.textContent = Math.max(0, Math.ceil(left - (performance.now() - leftAt) / 1000));
  }

  function sound() {
    if (!tone?.checked || !window.AudioContext) return;
    const audio = new AudioContext();
    const volume = new GainNode(audio, { gain: 0.15 });
    const note = new OscillatorNode(audio, { frequency: 880 });
    note.connect(volume).connect(audio.destination);
    note.start();
    note.stop(audio.currentTime + 0.25);
    note.onended = () => audio.close();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") box.querySelector("form[data-end]")?.requestSubmit();
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  if (tone) {
    tone.closest("p").hidden = false;
    tone.checked = localStorage.getItem("counter-tone") === "on";
    tone.addEventListener("change", () => { localStorage.setItem("counter-tone", tone.checked ? "on" : "off"); sound(); focus(); });
  }
  setInterval(count, 250);
  ready();
})();
