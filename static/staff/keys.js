/* Single keys for the queue of cases and a case's page. Off where a person switches them off, and while something is typed. */
(() => {
  "use strict";
  const dialog = document.getElementById("keys");
  if (!dialog) return;
  const toggle = dialog.querySelector("[data-keys-on]");
  const kept = "staff-keys";
  toggle.checked = localStorage.getItem(kept) !== "off";
  toggle.addEventListener("change", () => localStorage.setItem(kept, toggle.checked ? "on" : "off"));
  const hint = document.querySelector(".keys-hint");
  hint.hidden = false;
  hint.querySelector("[data-keys-show]").addEventListener("click", () => dialog.showModal());

  const rows = [...document.querySelectorAll("#result_list tbody tr")];
  const linkOf = (row) => row.querySelector("th a, td a");
  const here = () => rows.findIndex((row) => row.contains(document.activeElement));
  const move = (by) => {
    const to = Math.min(Math.max(here() + by, 0), rows.length - 1);
    if (rows.length) linkOf(rows[to]).focus();
  };
  // "Mine" from the list is the list's own action on this one row, as if it had been ticked and chosen.
  const take = () => {
    const row = rows[here()];
    const form = document.getElementById("changelist-form");
    const action = form && form.querySelector("select[name=action]");
    if (!row || !action) return;
    for (const box of form.querySelectorAll("input.action-select")) box.checked = row.contains(box);
    action.value = "take";
    form.querySelector("button[name=index]").click();
  };
  const deed = (key) => {
    const it = document.querySelector(`[data-key="${key}"]`);
    if (it) it.tagName === "BUTTON" ? it.click() : it.focus();
    return Boolean(it);
  };
  const deeds = { j: () => move(1), k: () => move(-1), a: () => deed("a") || take(), r: () => deed("r"), "?": () => dialog.showModal() };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (typing || dialog.open || event.ctrlKey || event.metaKey || event.altKey || !deeds[event.key]) return;
    if (!toggle.checked && event.key !== "?") return;
    event.preventDefault();
    deeds[event.key]();
  });
})();
