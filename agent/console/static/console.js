// What every page does: errors and a lost connection are said, and nothing that was typed is lost for it.
"use strict";

(() => {
  const said = () => document.getElementById("said");

  const say = (text) => {
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = text;
    said()?.replaceChildren(line);
  };

  // An answer of the console that is an error has its part ready (HX-Retarget); htmx is to show it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status === 401) {
      event.detail.shouldSwap = false; // again.js asks the person in
    } else if (xhr.getResponseHeader("HX-Retarget") === "#said" || xhr.status === 422) {
      event.detail.shouldSwap = true;
    } else if (xhr.status < 400) {
      said()?.replaceChildren();
    }
  });

  // The box is out of reach: say so, and take it back when it answers again.
  const lost = () => say(document.body.dataset.lost);
  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:timeout", lost);

  // A page that comes from the browser's memory after a logout or on "back" may be old: ask for it again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
