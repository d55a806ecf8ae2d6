// The van's list, kept up to date: all meters are in memory, one page of them is in the document.
"use strict";

(() => {
  const van = document.getElementById("van");
  const list = document.getElementById("meters");
  if (!van || !list) return;
  const SETTLE_MS = 5000; // an order holds at least so long: a finger that is on its way finds what it went for
  const AWAY_MS = 15000; // after that, whoever has the focus in the list is taken to have gone
  const TOLD_MS = 10000;
  const HERE_M = 20; // nearer than that, a direction says nothing
  const EARTH_M = 6371008.8;
  const rows = Number(list.dataset.rows);
  const blank = document.getElementById("blank").content.firstElementChild;
  const undo = document.getElementById("undo");
  const heading = document.getElementById("list");
  const { points, ...words } = { ...list.dataset, points: list.dataset.points.split(" ") };
  const say = (form, values) => form.replace(/\{([a-z]+)\}/g, (whole, name) => values[name] ?? whole);
  const count = (number) => number.toLocaleString("en-US");

  let all = new Map(); // by message and number
  let order = []; // keys of the list that is shown, as they stand
  let page = 0;
  let show = list.dataset.show;
  let nearest = list.dataset.order === "near";
  let sought = [];
  let here = null; // the van
  let ahead = 0; // the box's clock less this one's, in seconds
  let settled = 0;
  let touched = 0;
  let stream = null;
  const nodes = new Map(); // of the rows in the document

  const keyOf = (row) => `${row.message} ${row.meter}`;
  const now = () => Date.now() / 1000 + ahead;
  const titleOf = (row) => row.place || row.meter;
  const isHeard = (row) => ["unconfirmed", "confirmed", "delivered"].includes(row.state);
  const isListed = (row) => (show === "all" || (show === "heard" ? isHeard(row) : row.state === show)) && sought.every((word) => row.text.includes(word));

  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) return `${whole} s`;
    return whole < 3600 ? `${Math.floor(whole / 60)} min` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  };

  // Metres and the point of the compass, as the box itself reckons.
  const away = (row) => {
    if (!here || !row.latitude) return null;
    const radians = (degrees) => (Number(degrees) * Math.PI) / 180;
    const [lat, lon, toLat, toLon] = [here[0], here[1], row.latitude, row.longitude].map(radians);
    const east = toLon - lon;
    const chord = Math.sin((toLat - lat) / 2) ** 2 + Math.cos(lat) * Math.cos(toLat) * Math.sin(east / 2) ** 2;
    const north = Math.cos(lat) * Math.sin(toLat) - Math.sin(lat) * Math.cos(toLat) * Math.cos(east);
    const bearing = Math.atan2(Math.sin(east) * Math.cos(toLat), north);
    return { metres: 2 * EARTH_M * Math.asin(Math.sqrt(Math.min(1, chord))), point: points[(Math.round(bearing / (Math.PI / 4)) + 8) % 8] };
  };

  const farOf = (row) => {
    const found = away(row);
    if (!found) return "";
    const { metres, point } = found;
    const near = `${Math.floor(metres / 10) * 10} m`;
    const distance = metres < 1000 ? near : `${(metres / 1000).toFixed(metres < 100000 ? 1 : 0)} km`;
    return say(row.about ? words.farAbout : words.far, { distance, point: metres < HERE_M ? "" : point }).trim();
  };

  const put = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };

  // What can change in a row. The button stays the same one: it may have the focus.
  const fill = (item, row) => {
    const slot = (name) => item.querySelector(`[data-slot=${name}]`);
    const chip = slot("state");
    const gaveUp = row.state === "unreachable";
    const form = item.querySelector("form");
    const button = form.querySelector("button");
    item.className = `meter ${row.state}`;
    put(slot("title"), titleOf(row));
    put(slot("far"), farOf(row));
    put(slot("ids"), [row.place && row.meter, row.point].filter(Boolean).join(" · "));
    slot("strength").hidden = !row.bars;
    slot("bars").className = `bars b${row.bars ?? 0}`;
    slot("bars").setAttribute("aria-label", say(words.strength, { bars: row.bars ?? 0 }));
    put(slot("signal"), row.snr ? say(words.snr, row) : row.rssi ? say(words.rssi, row) : "");
    put(chip, words[`state${row.state[0].toUpperCase()}${row.state.slice(1)}`]);
    chip.className = `chip${row.state === "delivered" ? " ok" : ["unconfirmed", "unreachable"].includes(row.state) ? " warn" : ""}`;
    slot("odd").hidden = !row.odd;
    const ago = row.heard === 1 ? words.agoOne : words.agoOther;
    put(slot("ago"), row.at ? say(ago, { span: span(now() - row.at), count: row.heard }) : "");
    put(slot("by"), row.by ? say(words.by, { who: row.by }) : "");
    form.hidden = row.state === "confirmed" || row.state === "delivered";
    form.setAttribute("action", gaveUp ? "/van/marks/undo" : "/van/marks");
    form.elements.message.value = row.message;
    form.elements.meter.value = row.meter;
    put(button, gaveUp ? words.undo : words.mark);
    button.className = `button${gaveUp ? " quiet" : ""}`;
    button.setAttribute("aria-label", say(gaveUp ? words.undoWhat : words.markWhat, { what: titleOf(row) }));
  };

  const refresh = () => {
    for (const [key, item] of nodes) if (all.has(key)) fill(item, all.get(key));
  };

  const sort = () => {
    const found = [...all.values()].filter(isListed);
    if (nearest && here) {
      const metres = new Map(found.map((row) => [row, away(row)?.metres ?? Infinity]));
      found.sort((one, other) => metres.get(one) - metres.get(other) || one.number - other.number);
    } else {
      found.sort((one, other) => one.number - other.number);
    }
    order = found.map(keyOf);
    settled = performance.now();
  };

  // Puts the page of the list into the document; whoever had the focus in a row that stays keeps it.
  const lay = () => {
    const last = Math.max(0, Math.ceil(order.length / rows) - 1);
    page = Math.min(page, last);
    const focused = [...nodes].find(([, item]) => item.contains(document.activeElement))?.[0];
    const keys = order.slice(page * rows, (page + 1) * rows);
    for (const key of [...nodes.keys()]) if (!keys.includes(key)) nodes.delete(key);
    for (const key of keys) if (!nodes.has(key)) nodes.set(key, blank.cloneNode(true));
    refresh();
    const items = keys.map((key) => nodes.get(key));
    if (items.length !== list.children.length || items.some((item, at) => list.children[at] !== item)) {
      list.replaceChildren(...items);
      if (focused) (nodes.get(focused)?.querySelector("button") ?? heading).focus({ preventScroll: true });
    }
    document.getElementById("none").hidden = order.length > 0;
    document.getElementById("sheets").hidden = last === 0;
    document.getElementById("earlier").hidden = page === 0;
    document.getElementById("later").hidden = page === last;
    const sheet = document.getElementById("sheet");
    put(sheet, say(sheet.dataset.text, { number: page + 1, of: last + 1 }));
  };

  const relay = () => {
    sort();
    lay();
  };

  const busy = () => performance.now() - touched < AWAY_MS && list.contains(document.activeElement);
  const settle = () => {
    if (busy() || performance.now() - settled < SETTLE_MS) refresh();
    else relay();
  };

  const take = (row) => {
    row.text = `${row.meter} ${row.place ?? ""} ${row.point ?? ""}`.toLowerCase();
    all.set(keyOf(row), row);
  };

  // Which receivers listen, and what is wrong with the others.
  const mention = (ears) => {
    const place = document.getElementById("ears");
    const known = JSON.stringify(ears);
    if (place.dataset.known === known) return;
    place.dataset.known = known;
    const parts = ears.map(({ name, trouble, advice }) => {
      const part = document.createElement(trouble ? "div" : "span");
      part.className = trouble ? "error grow" : "chip ok";
      part.textContent = trouble ? "" : say(place.dataset.listens, { name });
      for (const text of trouble ? [`${say(place.dataset.rests, { name })} ${trouble}`, advice] : []) {
        const line = document.createElement("p");
        line.textContent = text;
        part.append(line);
      }
      return part;
    });
    place.replaceChildren(...parts);
  };

  const stand = (state) => {
    ahead = state.at === null ? 0 : state.at - Date.now() / 1000;
    here = state.position;
    const { counts } = state;
    for (const node of van.querySelectorAll("[data-count]")) {
      const name = node.dataset.count;
      put(node, count(counts[name]) + (name === "foreign" && state.beyond ? "+" : ""));
    }
    const total = van.querySelector("[data-total]");
    put(total, say(total.dataset.text, { total: count(counts.all) }));
    const bar = van.querySelector("progress");
    bar.max = Math.max(counts.all, 1);
    bar.value = counts.heard;
    const position = van.querySelector("[data-position]");
    position.classList.toggle("warn", !here);
    const label = position.querySelector("span");
    put(label, here ? label.dataset.known : label.dataset.unknown);
    mention(state.ears);
  };

  const load = async () => {
    if (!van.dataset.meters) return follow(van.dataset.after, "");
    const answer = await fetch(van.dataset.meters, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const state = await answer.json();
    all = new Map();
    state.meters.forEach(take);
    stand(state);
    relay();
    follow(`${state.epoch}.${state.version}`, state.epoch);
  };

  // Another epoch is another list. A stream that the box refuses is begun anew after a while, with what is there then.
  const follow = (after, epoch) => {
    stream?.close();
    stream = new EventSource(`/van/live?after=${after}`);
    stream.addEventListener("van", ({ data }) => {
      const state = JSON.parse(data);
      if (epoch && state.epoch !== epoch) return begin();
      document.getElementById("said")?.replaceChildren();
      if (epoch) state.meters.forEach(take);
      stand(state);
      if (epoch) settle();
    });
    stream.onerror = async () => {
      htmx.trigger(document.body, "htmx:sendError");
      if (stream.readyState !== EventSource.CLOSED) return;
      const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
      if (answer?.type === "opaqueredirect") askIn();
      setTimeout(begin, SETTLE_MS);
    };
  };

  const begin = () => {
    stream?.close();
    load().catch(() => setTimeout(begin, SETTLE_MS));
  };

  // The login is over: again.js asks the person in.
  const askIn = () => htmx.trigger(document.body, "htmx:responseError", { xhr: { status: 401 }, requestConfig: { elt: van } });

  // What was just done, and the way back; for a while, then it makes room: the list of the marked ones has it, too.
  let telling = 0;
  const tell = (...parts) => {
    clearTimeout(telling);
    undo.replaceChildren(...parts);
    const over = () => (undo.matches(":hover, :focus-within") ? (telling = setTimeout(over, TOLD_MS)) : undo.replaceChildren());
    telling = setTimeout(over, TOLD_MS);
  };

  const told = (row, form) => {
    const line = document.createElement("span");
    const gaveUp = row.state === "unreachable";
    line.textContent = say(gaveUp ? undo.dataset.marked : undo.dataset.unmarked, { what: titleOf(row) });
    if (!gaveUp) return tell(line);
    const back = document.createElement("button");
    back.type = "button";
    back.className = "button";
    back.textContent = undo.dataset.undo;
    back.setAttribute("aria-label", say(words.undoWhat, { what: titleOf(row) }));
    back.addEventListener("click", () => send("/van/marks/undo", form));
    tell(line, back);
  };

  const send = async (path, form) => {
    const failed = (text) => {
      const line = document.createElement("span");
      line.textContent = text || undo.dataset.failed;
      tell(line);
    };
    try {
      form.set("csrf", document.querySelector("#find [name=csrf]").value); // another one after another login
      const headers = { Accept: "application/json", "HX-Request": "true" };
      const answer = await fetch(path, { method: "POST", headers, body: new URLSearchParams(form) });
      if (answer.status === 401) return askIn();
      const row = await answer.json();
      if (!answer.ok) return failed(row.said);
      take(row);
      refresh();
      told(row, form);
      navigator.vibrate?.(80);
    } catch {
      failed("");
    }
  };

  const choose = (link, name, value) => {
    for (const other of link.parentElement.children) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    if (name === "show") {
      show = value;
      heading.textContent = link.dataset.title;
    } else {
      nearest = value === "near";
    }
    page = 0;
    relay();
  };

  if (van.dataset.meters) {
    list.addEventListener("submit", (event) => {
      event.preventDefault();
      touched = performance.now();
      send(event.target.getAttribute("action"), new FormData(event.target));
    });
    for (const kind of ["pointerdown", "keydown"]) list.addEventListener(kind, () => (touched = performance.now()));
    van.addEventListener("click", (event) => {
      const link = event.target.closest("[data-show], [data-order], #earlier, #later");
      if (!link || link === list) return;
      event.preventDefault();
      if (link.dataset.show) choose(link, "show", link.dataset.show);
      else if (link.dataset.order) choose(link, "order", link.dataset.order);
      else {
        page += link.id === "later" ? 1 : -1;
        relay();
        heading.scrollIntoView();
        heading.focus({ preventScroll: true });
      }
    });
    const find = document.getElementById("find");
    const search = () => {
      sought = find.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      page = 0;
      relay();
    };
    find.addEventListener("input", search);
    find.addEventListener("submit", (event) => {
      event.preventDefault();
      search();
    });
    setInterval(refresh, 1000); // how long ago
  }
  begin();
})();
