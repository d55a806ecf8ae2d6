// A login that is over, or a box that is out of reach, takes nothing away: the page stays with all that is typed in it,
// the person logs in on top of it, and what they wanted to do is done then.
"use strict";

(() => {
  const PING_MS = 5 * 60 * 1000;
  const dialog = document.getElementById("over-again");
  const form = dialog.querySelector("form");
  const [name, password] = ["name", "password"].map((one) => form.querySelector(`[name=${one}]`));
  const said = form.querySelector("[role=alert]");
  let wanted = null; // what is done when the person is back

  const lost = () => htmx.trigger(document.body, "htmx:sendError");

  const ask = (then) => {
    wanted = then ?? wanted;
    if (dialog.open) return;
    said.hidden = true;
    dialog.showModal();
    password.focus();
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
  const enter = async () => {
    const csrf = tokenOf(await page(await fetch("/login")));
    const body = new URLSearchParams({ csrf, name: name.value, password: password.value });
    const answer = await fetch("/login", { method: "POST", body, redirect: "manual" });
    if (answer.type !== "opaqueredirect") return (await page(answer)).querySelector(".error").textContent;
    const token = tokenOf(await page(await fetch("/account")));
    for (const field of document.querySelectorAll("[name=csrf]")) field.value = token;
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRF-Token": token }));
    return "";
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      said.textContent = await enter();
    } catch {
      said.textContent = document.body.dataset.lost;
    }
    said.hidden = !said.textContent;
    password.value = "";
    if (said.hidden) dialog.close("in");
    else password.focus();
  });

  form.querySelector("#again-later").addEventListener("click", () => dialog.close("later"));
  dialog.addEventListener("close", () => {
    const then = wanted;
    wanted = null;
    if (dialog.returnValue === "in") then?.();
    dialog.returnValue = "";
  });

  // What htmx sends: a form that is kept while it is typed is sent again, a button is pressed again.
  document.addEventListener("htmx:responseError", ({ detail: { xhr, requestConfig } }) => {
    const { elt } = requestConfig;
    if (xhr.status === 401) ask(elt.matches("form[hx-trigger*=change]") ? () => htmx.trigger(elt, "change") : null);
  });

  // A form that leads to another page is sent when the box is there and knows the person.
  const sure = new WeakSet();
  const asking = new WeakSet();
  const send = (target, submitter) => {
    sure.add(target);
    target.requestSubmit(submitter);
  };
  document.addEventListener("submit", async (event) => {
    const { target, submitter } = event;
    if (event.defaultPrevented || target.method !== "post" || sure.delete(target)) return;
    event.preventDefault();
    if (asking.has(target)) return;
    asking.add(target);
    const how = await standing();
    asking.delete(target);
    if (how === "here") send(target, submitter);
    else if (how === "over") ask(() => send(target, submitter));
    else lost();
  });

  // Who types is there, though the box hears nothing of it: tell it now and then, so that the login lasts.
  let told = Date.now();
  document.addEventListener("input", async () => {
    if (Date.now() - told < PING_MS) return;
    told = Date.now();
    if ((await standing()) === "over") ask();
  });
})();
