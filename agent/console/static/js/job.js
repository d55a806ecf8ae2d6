// A job that is followed: a stream that breaks is said, a question is felt, a bar code is read by the camera.
"use strict";

(() => {
  const LOOK_EVERY_MS = 200;
  const job = document.getElementById("job");
  if (!job) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const vibrate = (pattern) => calm.matches || !navigator.userActivation?.hasBeenActive || navigator.vibrate?.(pattern);
  const idle = () => [document.body, document.getElementById("main"), null].includes(document.activeElement);

  // The browser connects again by itself while the box is out of reach, and htmx after an answer that is no stream: the
  // login is over, or the job is not known any more.
  let lost = false;
  job.addEventListener("htmx:sseError", async ({ detail }) => {
    if (!lost) htmx.trigger(document.body, "htmx:sendError");
    lost = true;
    if (detail.source.readyState !== EventSource.CLOSED) return;
    const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
    if (answer?.status === 404) location.reload();
    if (answer?.type !== "opaqueredirect") return;
    const over = { xhr: { status: 401 }, requestConfig: { elt: job } };
    htmx.trigger(document.body, "htmx:responseError", over); // again.js asks the person in
  });
  job.addEventListener("htmx:sseOpen", () => {
    if (lost) document.getElementById("said").replaceChildren();
    lost = false;
  });

  let scanning = null;
  const stopScanning = () => {
    scanning?.();
    scanning = null;
  };

  const scan = async (button) => {
    const { form } = button;
    const place = form.querySelector("[data-scanned]");
    const video = place.querySelector("video");
    const said = place.querySelector("[role=status]");
    const label = button.querySelector("span");
    const input = form.querySelector(`#${button.dataset.into}`);
    const before = label.textContent;
    let camera = null;
    let timer = 0;
    let over = false;
    scanning = () => {
      over = true;
      clearTimeout(timer);
      for (const track of camera?.getTracks() ?? []) track.stop();
      video.srcObject = null;
      video.hidden = true;
      label.textContent = before;
    };
    place.hidden = false;
    video.hidden = false;
    said.textContent = button.dataset.looking;
    label.textContent = button.dataset.scanStop;
    try {
      camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      if (over) return camera.getTracks().forEach((track) => track.stop());
      video.srcObject = camera;
      await video.play();
      const detector = new BarcodeDetector();
      const look = async () => {
        const [found] = await detector.detect(video).catch(() => []);
        if (over) return;
        if (!found) {
          timer = setTimeout(look, LOOK_EVERY_MS);
          return;
        }
        stopScanning();
        input.value = found.rawValue.trim().slice(0, input.maxLength);
        said.textContent = input.value;
        vibrate([120]);
        input.focus();
      };
      look();
    } catch {
      stopScanning();
      said.textContent = button.dataset.refused;
      input.focus();
    }
  };

  // htmx tells of the page itself, once it is there, and of each part that it puts into it.
  document.addEventListener("htmx:load", ({ detail }) => {
    for (const button of detail.elt.querySelectorAll("[data-scan]")) {
      if (!("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) continue;
      button.hidden = false;
      button.addEventListener("click", () => (scanning ? stopScanning() : scan(button)));
    }
    if (detail.elt === document.body && idle()) job.querySelector("#answer")?.focus();
  });

  document.addEventListener("htmx:afterSwap", ({ target }) => {
    if (target.id === "question") {
      stopScanning();
      const input = target.querySelector("#answer");
      const number = target.querySelector("[name=number]")?.value ?? "0";
      const [path] = job.getAttribute("sse-connect").split("?");
      job.setAttribute("sse-connect", `${path}?asked=${number}`); // a new stream leaves this question alone
      if (input && idle()) input.focus();
      if (input) vibrate([200, 100, 200]);
      else if (idle()) document.getElementById("main").focus();
    } else if (target === job) {
      stopScanning();
      vibrate(target.querySelector(".over.ok") ? [150] : [150, 100, 150, 100, 150]);
      if (idle()) target.querySelector("#over")?.focus();
    }
  });
  addEventListener("pagehide", stopScanning);
})();
