// A login that is over, or a box that is out of reach, takes nothing away: the page stays with all that is typed in it,
// the person logs in on top of it, and what they wanted to do is done then.
"use strict";

(() => {
  const PING_MS = 5 * 60 * 1000;
  let wanted = null; // what is done when the person is back

  const part = (name) => document.querySelector(`#over-again ${name}`); // looked up anew: the page may be another one now
  const lost = () => htmx.trigger(document.body, "htmx:sendError");

  const say = (text) => {
    const place = part("[role=alert]");
    place.textContent = text;
    place.hidden = !text;
  };

  const ask = (then) => {
    const dialog = document.getElementById("over-again");
    wanted = then ?? wanted;
    if (dialog.open) return;
    say("");
    dialog.showModal();
    part("[name=password]").focus();
  };

  // Whether the box answers and knows the person: "here", "over", "lost". It is a sign of the person too.
  const standing = async () => {
    try {
      const { type, status } = await fetch("/account/here", { redirect: "manual" });
      return type === "opaqueredirect" || status === 401 ? "over" : "here";
    } catch {
      return "lost";
    }
  };

  const page = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
  const tokenOf = (found) => found.querySelector("[name=csrf]").value;

  // Log in as the login page does; return why not, in the console's words, or nothing.
  const enter = async (name, password) => {
    const csrf = tokenOf(await page(await fetch("/login")));
    const body = new URLSearchParams({ csrf, name, password });
    const answer = await fetch("/login", { method: "POST", body, redirect: "manual" });
    if (answer.type !== "opaqueredirect") return (await page(answer)).querySelector(".error").textContent;
    const token = tokenOf(await page(await fetch("/account")));
    for (const field of document.querySelectorAll("[name=csrf]")) field.value = token;
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRF-Token": token }));
    return "";
  };

  const logIn = async () => {
    const password = part("[name=password]");
    try {
      say(await enter(part("[name=name]").value, password.value));
    } catch {
      say(document.body.dataset.lost);
    }
    password.value = "";
    if (part("[role=alert]").hidden) document.getElementById("over-again").close("in");
    else password.focus();
  };

  document.addEventListener("click", ({ target }) => {
    if (target.id === "again-later") document.getElementById("over-again").close("later");
  });

  document.addEventListener("close", ({ target }) => {
    if (target.id !== "over-again") return;
    const then = wanted;
    wanted = null;
    if (target.returnValue === "in") then?.();
    target.returnValue = "";
  }, { capture: true }); // it does not bubble

  // What htmx sends: a form that is kept while it is typed is sent again, a button is pressed again.
  document.addEventListener("htmx:responseError", ({ detail: { xhr, requestConfig } }) => {
    const { elt } = requestConfig;
    if (xhr.status === 401) ask(elt.matches("form[hx-trigger*=change]") ? () => htmx.trigger(elt, "change") : null);
  });

  // A form that leads to another page is sent when the box is there and knows the person.
  const sure = new WeakSet();
  const asking = new WeakSet();
  const send = (form, submitter) => {
    sure.add(form);
    form.requestSubmit(submitter);
  };
  document.addEventListener("submit", async (event) => {
    const { target, submitter } = event;
    if (event.defaultPrevented || target.method !== "post" || sure.delete(target)) return;
    event.preventDefault();
    if (asking.has(target)) return;
    asking.add(target);
    if (target.closest("#over-again")) await logIn();
    else {
      const how = await standing();
      if (how === "here") send(target, submitter);
      else if (how === "over") ask(() => send(target, submitter));
      else lost();
    }
    asking.delete(target);
  });

  // Who types is there, though the box hears nothing of it: tell it now and then, so that the login lasts.
  let told = Date.now();
  document.addEventListener("input", async () => {
    if (Date.now() - told < PING_MS) return;
    told = Date.now();
    if ((await standing()) === "over") ask();
  });
})();
