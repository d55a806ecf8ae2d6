// What every page does: a login that is over and a lost connection are said, and nothing that was typed is lost for it.
"use strict";

(() => {
  const said = () => document.getElementById("said");

  const say = (text, address) => {
    const place = said();
    if (!place) return;
    const line = document.createElement(address ? "a" : "p");
    line.className = "error";
    line.textContent = text;
    if (address) line.href = address;
    place.replaceChildren(line);
  };

  // An answer of the console that is an error has its part ready (HX-Retarget); htmx is to show it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status === 401) {
      say(document.body.dataset.over, "/login?next=" + encodeURIComponent(location.pathname));
      event.detail.shouldSwap = false;
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

  // Who types is there, though the box hears nothing of it: tell it now and then, so that the login lasts.
  const EVERY_MS = 5 * 60 * 1000;
  let told = Date.now();
  document.addEventListener("input", () => {
    if (Date.now() - told < EVERY_MS) return;
    told = Date.now();
    fetch("/account/here").catch(() => {});
  });

  // A page that comes from the browser's memory after a logout or on "back" may be old: ask for it again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
