/* Follows a bulk refund while it is at work, or its money on the way: asks how far it is, swaps the figures, and loads the page anew when it is over. */
(() => {
  "use strict";
  const far = document.getElementById("far");
  const said = document.getElementById("said");
  if (!far || !["asking", "approving", "stopping", "returning"].includes(far.dataset.state)) return;
  const GIVE_UP_MS = 8000;
  const MOST_MS = 30000;
  const every = Number(far.dataset.every);
  let failures = 0;

  async function ask() {
    try {
      const answer = await fetch(far.dataset.news, { signal: AbortSignal.timeout(GIVE_UP_MS), cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect") return location.reload(); // the session is over: the page says so
      if (!answer.ok) throw new Error(String(answer.status));
      if (answer.headers.get("X-State") !== far.dataset.state) return location.reload();
      const news = await answer.text();
      const held = far.contains(document.activeElement);
      if (!held) far.innerHTML = news;
      if (failures) said.textContent = "";
      failures = 0;
    } catch {
      failures += 1;
      if (failures === 2) said.textContent = far.dataset.lost;
    }
    plan();
  }

  function plan() {
    const wait = every * 2 ** Math.min(failures, 4);
    setTimeout(ask, document.hidden ? MOST_MS : Math.min(wait, MOST_MS));
  }

  plan();
})();
