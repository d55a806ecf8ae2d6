// A hazard is made noticed (sound, vibration; the flash is of the style sheet), and a form may say where the person is.
"use strict";

(() => {
  const BEEPS = [0, 0.35, 0.7]; // seconds: three of them, as a lorry that goes backwards
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const beep = async () => {
    if (!window.AudioContext) return true;
    const audio = new AudioContext();
    await Promise.race([audio.resume(), new Promise((later) => setTimeout(later, 200))]);
    if (audio.state !== "running") {
      audio.close();
      return false; // the browser wants a touch first
    }
    for (const start of BEEPS) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      const at = audio.currentTime + start;
      tone.type = "square";
      tone.frequency.value = 1000;
      volume.gain.setValueAtTime(0.25, at);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.25);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.25);
    }
    setTimeout(() => audio.close(), 1500);
    return true;
  };

  const touched = () => navigator.userActivation?.hasBeenActive ?? true;
  const vibrate = () => !touched() || calm.matches || navigator.vibrate?.([250, 120, 250, 120, 250]);

  const warn = async (alarm) => {
    const signals = alarm.dataset.signals.split(" ");
    const signal = async () => {
      if (signals.includes("vibrate")) vibrate();
      return !signals.includes("sound") || beep();
    };
    const whole = touched();
    if (!(await signal()) || !whole) addEventListener("pointerdown", signal, { once: true });
  };

  const locate = (button) => {
    const { form } = button;
    const words = button.querySelector("[role=status]");
    if (!navigator.geolocation || !form) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      words.textContent = button.dataset.asking;
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => {
          form.elements.latitude.value = coords.latitude.toFixed(6);
          form.elements.longitude.value = coords.longitude.toFixed(6);
          form.elements.accuracy_m.value = coords.accuracy.toFixed(1);
          words.textContent = button.dataset.got.replace("{metres}", String(Math.ceil(coords.accuracy)));
        },
        () => { words.textContent = button.dataset.refused; },
        { enableHighAccuracy: true, timeout: 20000, maximumAge: 10000 },
      );
    });
  };

  const begin = (part) => {
    for (const alarm of part.querySelectorAll("[data-signals]")) warn(alarm);
    for (const button of part.querySelectorAll("[data-position]")) locate(button);
  };

  // A stop that is opened without leaving the page may be gone: what the box says of that is a page as well.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.boosted && detail.xhr.status >= 400) detail.shouldSwap = true;
  });

  // htmx tells of the page itself too, once it is there, and of what it puts into it.
  document.addEventListener("htmx:load", ({ detail }) => begin(detail.elt));
})();
