// Dials that are typed one after the other: a digit goes on, backspace goes back, a scanner's Enter sends nothing.
"use strict";

(() => {
  const form = document.getElementById("reading");
  if (!form) return;
  const faces = [...form.querySelectorAll("[data-face]")];
  const dialsOf = (face) => [...face.querySelectorAll(".dial")];
  const all = faces.flatMap(dialsOf);
  const changed = (dial) => dial.dispatchEvent(new Event("change", { bubbles: true }));

  const go = (dial, step) => {
    const to = all[all.indexOf(dial) + step];
    to?.focus();
    to?.select();
    return to;
  };

  const fill = (dial, digits) => {
    const from = all.indexOf(dial);
    const last = dialsOf(dial.closest("[data-face]")).at(-1);
    let at = from;
    for (const digit of digits) {
      all[at].value = digit;
      if (all[at] === last) break;
      at += 1;
    }
    return at;
  };

  form.addEventListener("focusin", ({ target }) => {
    if (target.matches(".dial")) target.select();
  });

  form.addEventListener("input", (event) => {
    const dial = event.target;
    if (!dial.matches(".dial")) return;
    dial.value = dial.value.replace(/[^0-9]/g, "").slice(-1);
    if (dial.value && dial !== all.at(-1)) go(dial, 1);
  });

  form.addEventListener("paste", (event) => {
    const dial = event.target;
    if (!dial.matches(".dial")) return;
    event.preventDefault();
    const digits = (event.clipboardData?.getData("text") ?? "").replace(/[^0-9]/g, "");
    if (!digits) return;
    all[fill(dial, digits)].focus();
    changed(dial);
  });

  form.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (!target.matches("input:not([type=checkbox])")) return;
    if (target.matches(".dial")) {
      if (key === "Backspace" && !target.value) {
        const before = go(target, -1);
        if (before) {
          before.value = "";
          changed(before);
          event.preventDefault();
        }
      } else if (key === "ArrowLeft" || key === "ArrowRight") {
        go(target, key === "ArrowLeft" ? -1 : 1);
        event.preventDefault();
      }
    }
    if (key === "Enter") {
      event.preventDefault(); // a bar code ends with it: the reading is taken by its button
      const nameplate = form.querySelector("#nameplate");
      const waiting = [...all, nameplate].find((one) => one && one !== target && !one.value);
      (waiting ?? form.querySelector("button[type=submit]")).focus();
    }
  });

  // A warning is felt too: the eyes are on the meter.
  document.addEventListener("htmx:oobAfterSwap", ({ detail }) => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!calm && detail.target?.querySelector(".warning")) navigator.vibrate?.([150, 80, 150]);
  });
})();
