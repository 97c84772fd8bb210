/* Keeps a paying page fresh. The server decides everything; this only asks, swaps, and says when it can't reach anyone. */
(() => {
  "use strict";
  const box = document.getElementById("state");
  const said = document.getElementById("said");
  const line = document.getElementById("line");
  if (!box) return;
  const WAITS = [1, 2, 4, 8, 15];
  const GIVE_UP_MS = 8000;
  const HIDDEN_MS = 30000;
  const OPENS_MS = 3000;
  let version = box.dataset.version;
  let next = Number(box.dataset.next);
  let checked = box.dataset.at;
  let left = null;
  let leftAt = 0;
  let failures = 0;
  let timer = 0;
  let asking = null;
  let spoken = new Set();

  async function fetched(url) {
    const stop = new AbortController();
    const giveUp = setTimeout(() => stop.abort(), GIVE_UP_MS);
    try {
      return await fetch(url, { signal: stop.signal, cache: "no-store", headers: { Accept: "application/json, text/html" } });
    } finally {
      clearTimeout(giveUp);
    }
  }

  function plan(ms) {
    clearTimeout(timer);
    if (ms > 0) timer = setTimeout(ask, document.hidden ? Math.max(ms, HIDDEN_MS) : ms);
  }

  function ask() {
    if (asking) return asking;
    clearTimeout(timer);
    asking = once().finally(() => { asking = null; });
    return asking;
  }

  async function once() {
    let wait = 0;
    try {
      const answer = await fetched(box.dataset.status);
      wait = Number(answer.headers.get("Retry-After")) * 1000 || 0;
      if (!answer.ok) throw new Error(String(answer.status));
      const news = await answer.json();
      if (typeof news.version !== "string") throw new Error("no version");
      if (news.version !== version) await swap(news.version);
      failures = 0;
      checked = news.at;
      if (line.contains(document.activeElement)) box.querySelector("h2").focus();
      line.hidden = true;
      left = news.left;
      leftAt = performance.now();
      next = news.next;
      plan(next);
    } catch {
      failures += 1;
      if (failures > 1) tell(navigator.onLine ? box.dataset.unreachable : box.dataset.offline);
      const pause = WAITS[Math.min(failures, WAITS.length) - 1] * 1000;
      plan(Math.max(wait, pause * (0.8 + 0.4 * Math.random())));
    }
  }

  async function swap(wanted) {
    const answer = await fetched(box.dataset.block);
    if (!answer.ok) throw new Error(String(answer.status));
    const shown = answer.headers.get("X-Version");
    const html = await answer.text();
    if (!shown || !html.includes("data-state")) throw new Error("not the state block");
    const held = box.contains(document.activeElement) && document.activeElement !== box;
    const before = box.querySelector("[data-state]")?.dataset.state;
    box.innerHTML = html;
    version = shown;
    ready();
    const heading = box.querySelector("h2");
    if (box.querySelector("[data-state]")?.dataset.state !== before || wanted !== shown) said.textContent = title();
    if (held) heading.focus();
    document.title = document.title.replace(/^[^·]*/, title() + " ");
  }

  /* The heading as it is seen here: a phone and a desktop may read different words. */
  function title() {
    return box.querySelector("h2").innerText.trim();
  }

  function tell(what) {
    const words = line.querySelector("span");
    const text = `${what} ${box.dataset.checked.replace("{time}", checked)}`;
    if (!line.hidden && words.textContent === text) return;
    words.textContent = text;
    line.hidden = false;
    said.textContent = text;
  }

  /* The server's seconds, counted on a clock that no one can set. */
  function count() {
    const clock = box.querySelector(".timer");
    if (!clock) return;
    if (left === null) { left = Number(clock.dataset.left); leftAt = performance.now(); }
    const now = Math.max(0, left - (performance.now() - leftAt) / 1000);
    const minutes = Math.floor(now / 60);
    const text = minutes < 1 ? clock.dataset.less : minutes === 1 ? clock.dataset.one : clock.dataset.many.replace("{n}", minutes);
    if (clock.textContent !== text) clock.textContent = text;
    if ((minutes === 5 || minutes === 1) && !spoken.has(minutes)) { spoken.add(minutes); said.textContent = text; }
  }

  function ready() {
    for (const form of box.querySelectorAll("form")) {
      form.addEventListener("submit", (event) => {
        const button = form.querySelector("button");
        if (button.hasAttribute("aria-disabled")) event.preventDefault();
        button.setAttribute("aria-disabled", "true");
        if (form.dataset.busy) cover(form.dataset.busy);
        if ("opens" in form.dataset) setTimeout(notOpened, OPENS_MS);
      });
    }
    for (const button of box.querySelectorAll("[data-copy]")) {
      button.hidden = !navigator.clipboard;
      button.addEventListener("click", () => navigator.clipboard.writeText(button.dataset.copy).then(() => {
        said.textContent = button.textContent = button.dataset.copied;
      }));
    }
    count();
  }

  /* While a new code is made, nobody should scan the old one. */
  function cover(text) {
    box.querySelector(".code")?.remove();
    box.querySelector("h2").textContent = text;
    version = "";
  }

  /* Still to be seen after the button was pressed: the app is missing, or its opening was blocked. */
  function notOpened() {
    const hint = box.querySelector("[data-not-opened]");
    if (hint && !document.hidden) hint.hidden = false;
  }

  function back() {
    for (const button of box.querySelectorAll("button[aria-disabled]")) button.removeAttribute("aria-disabled");
    if (next > 0) ask();
  }

  ready();
  if (location.hash === "#now") box.querySelector("h2").focus();
  plan(next);
  setInterval(count, 1000);
  addEventListener("pageshow", (event) => { if (event.persisted) back(); });
  line.querySelector("button").addEventListener("click", () => ask());
  addEventListener("online", () => ask());
  addEventListener("offline", () => tell(box.dataset.offline));
  addEventListener("focus", () => { if (next > 0) ask(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && next > 0) ask(); });
})();
