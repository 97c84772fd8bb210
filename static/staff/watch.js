/* While somebody is at a bill day: look again every few seconds, and show the newest state. Without script the page says the same. */
(() => {
  "use strict";
  const live = document.querySelector("[role=status]");
  const first = document.getElementById("progress");
  if (!first || !("watch" in first.dataset)) return;
  const state = first.dataset.state;
  let wait = 2000;
  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(8000) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("progress");
      if (answer.ok && now && now.dataset.state !== state) {
        live.textContent = live.dataset.told;
        location.reload();
        return;
      }
    } catch {
      wait = Math.min(wait * 2, 30000);
    }
    setTimeout(look, wait);
  };
  setTimeout(look, wait);
})();
