/* Comfort on shop pages: words said aloud, steps of a quantity, one press per order. Everything works without it. */
(() => {
  "use strict";
  const live = document.querySelector("[role=status]");
  // What the server has to say stands in the page; moved into the empty status region it is read aloud, once.
  setTimeout(() => {
    for (const each of document.querySelectorAll("main > .said:not([role]) > p")) live.append(each);
    for (const each of document.querySelectorAll("[data-say]")) {
      const said = document.createElement("span");
      said.className = "unseen";
      said.textContent = each.textContent;
      live.append(said);
    }
  }, 150);
  for (const button of document.querySelectorAll("[data-step]")) {
    const field = button.parentElement.querySelector("input");
    button.hidden = false;
    button.addEventListener("click", () => {
      const wanted = (Number(field.value) || 0) + Number(button.dataset.step);
      field.value = String(Math.min(Number(field.max), Math.max(Number(field.min), wanted)));
    });
  }
  for (const form of document.querySelectorAll("form.once")) {
    const button = form.querySelector("button.primary");
    const rest = button.textContent;
    form.addEventListener("submit", (event) => {
      if (button.hasAttribute("aria-disabled")) event.preventDefault();
      button.setAttribute("aria-disabled", "true");
      button.textContent = form.dataset.busy;
    });
    addEventListener("pageshow", () => {
      button.removeAttribute("aria-disabled");
      button.textContent = rest;
    });
  }
  document.getElementById("errors")?.focus();
})();
