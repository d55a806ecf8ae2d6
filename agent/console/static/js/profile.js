// The chart of a load profile. Numbers are only for where a bar ends: what is read off is the document's own text.
"use strict";

(() => {
  const HEIGHT = 320;
  const DAY = 86400;
  const FEWEST = 8; // intervals across, zoomed in as far as it goes
  const STRIP = 16; // of the flags, above the bars
  const TIMES = [
    [DAY * 365, "{YYYY}", null, null, null, null, null, null, 1],
    [DAY * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
    [DAY, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  ];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PREFIXES = ["", "k", "M", "G", "T"];
  const limit = (value, least, most) => Math.min(Math.max(value, least), most);
  const text = (form, values) => form.replace(/\{([a-z]+)\}/g, (whole, name) => values[name] ?? whole);

  // The unit that keeps the numbers beside the axis short, and how many of the channel's go into one of it.
  const scaled = (unit, most) => {
    const found = /^([kMGT]?)(Wh|varh|VAh|W|var|VA)$/.exec(unit);
    if (!found || most <= 0) return { unit, factor: 1 };
    const from = PREFIXES.indexOf(found[1]);
    const steps = limit(Math.floor(Math.log10(most) / 3), 0, PREFIXES.length - 1 - from);
    return { unit: PREFIXES[from + steps] + found[2], factor: 1000 ** steps };
  };

  // The intervals of a channel in the order of time: end, length, text, number for the picture, flags.
  const intervalsOf = (channel) => {
    const found = [];
    for (const block of channel.blocks) {
      const flags = new Map(block.flags);
      block.values.forEach((shown, at) => {
        const value = shown === null ? null : Number(shown);
        found.push({ end: block.end + at * block.step, step: block.step, shown, value, flags: flags.get(at) ?? [] });
      });
    }
    return found.sort((one, other) => one.end - other.end);
  };

  class Chart {
    constructor(section, profile) {
      this.section = section;
      this.profile = profile;
      this.zone = this.knownZone(profile.zone);
      this.place = section.querySelector(".chart");
      this.seen = null; // from when to when
      this.readout = section.querySelector("[data-readout]");
      this.aloud = section.querySelector("[data-aloud]");
      this.flags = new Map(profile.flags.map((flag) => [flag.word, flag]));
      this.clock = this.formatOf({ hour: "2-digit", minute: "2-digit" });
      this.zoneName = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: this.zone, timeZoneName: "short" });
      this.date = this.formatOf({ year: "numeric", month: "2-digit", day: "2-digit" });
      section.querySelector(".drawn").hidden = false;
      this.offerChannels();
      this.listen();
      this.show(profile.channels[0]);
    }

    knownZone(name) {
      try {
        return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
      } catch {
        return "UTC";
      }
    }

    formatOf(parts) {
      return new Intl.DateTimeFormat("sv-SE", { ...parts, hourCycle: "h23", timeZone: this.zone }); // as ISO 8601
    }

    offerChannels() {
      const { channels } = this.profile;
      const select = this.section.querySelector("select");
      for (const { channel, name } of channels) {
        const label = text(this.section.dataset.channel, { number: channel, name });
        select.append(new Option(label, String(channel)));
      }
      select.closest("[data-choose]").hidden = channels.length < 2;
      select.addEventListener("change", () => this.show(channels[select.selectedIndex]));
    }

    show(channel) {
      const kept = this.seen;
      this.channel = channel;
      this.intervals = intervalsOf(channel);
      const last = this.intervals.at(-1);
      this.begin = Math.min(...this.intervals.map((one) => one.end - one.step));
      this.finish = last.end;
      this.step = last.step;
      this.chosen = -1;
      this.place.setAttribute("aria-label", text(this.section.dataset.chart, { name: channel.name }));
      this.draw();
      if (kept && kept.min < this.finish && kept.max > this.begin) this.look(kept.min, kept.max);
      this.explain();
    }

    draw() {
      this.plot?.destroy();
      const { intervals } = this;
      const ends = intervals.map((one) => one.end);
      const numbers = intervals.map((one) => one.value);
      const most = numbers.reduce((high, number) => Math.max(high, Math.abs(number ?? 0)), 0);
      const { unit, factor } = scaled(this.channel.unit, most);
      const axis = { stroke: () => style("--ink"), font: "15px system-ui, sans-serif", ticks: { stroke: () => style("--line") } };
      const grid = { stroke: () => style("--sunk"), width: 1 };
      const options = {
        width: this.place.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        padding: [STRIP + 6, 24, 0, 0],
        cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), this.zone),
        scales: {
          x: { time: true, range: (_plot, least, most) => [least ?? this.begin, most ?? this.finish] },
          y: { range: (_plot, least, most) => this.heights(least, most) },
        },
        series: [{}, { paths: () => null, points: { show: false } }],
        axes: [
          { ...axis, grid, space: 70, values: TIMES },
          {
            ...axis,
            grid,
            size: (_plot, shown) => 18 + 10 * Math.max(3, ...(shown ?? []).map((one) => one.length)), // as wide as its numbers
            space: 40,
            label: unit,
            labelSize: 24,
            labelFont: axis.font,
            values: (_plot, splits) => splits.map((split) => String(Number((split / factor).toPrecision(6)))),
          },
        ],
        hooks: {
          drawAxes: [(plot) => this.paint(plot)],
          setCursor: [(plot) => this.hover(plot)],
          setSelect: [(plot) => this.select(plot)],
        },
      };
      this.plot = new uPlot(options, [ends, numbers], this.place);
      this.look(this.begin, this.finish);
    }

    heights(least, most) {
      const low = Math.min(0, least ?? 0);
      const high = Math.max(0, most ?? 0);
      return high === low ? [low, low + 1] : [low * 1.05, high * 1.05];
    }

    // Bars as wide as their intervals; what is flagged has its colour behind it and its letter above it.
    paint(plot) {
      const { ctx, bbox } = plot;
      const ratio = devicePixelRatio || 1;
      const { min, max } = plot.scales.x;
      const strip = STRIP * ratio;
      const floor = plot.valToPos(0, "y", true);
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top - strip - 4 * ratio, bbox.width, bbox.height + strip + 4 * ratio);
      ctx.clip();
      ctx.font = `700 ${12 * ratio}px ui-monospace, monospace`;
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      const bars = style("--accent");
      const paper = style("--paper");
      const colours = Object.fromEntries([...this.flags.values()].map(({ colour }) => [colour, style(`--flag-${colour}`)]));
      this.intervals.forEach((one, at) => {
        if (one.end <= min || one.end - one.step >= max) return;
        const left = plot.valToPos(one.end - one.step, "x", true);
        const wide = Math.max(plot.valToPos(one.end, "x", true) - left, ratio);
        const flag = this.flags.get(one.flags[0]);
        if (flag) {
          const band = Math.max(wide, 2 * ratio);
          ctx.fillStyle = colours[flag.colour];
          ctx.globalAlpha = 0.22;
          ctx.fillRect(left, bbox.top, band, bbox.height);
          ctx.globalAlpha = 1;
          ctx.fillRect(left, bbox.top - strip - 2 * ratio, band, strip);
          if (wide >= 11 * ratio) {
            ctx.fillStyle = paper;
            ctx.fillText(flag.letter, left + wide / 2, bbox.top - strip / 2 - 2 * ratio);
          }
        }
        if (one.value !== null) {
          const top = plot.valToPos(one.value, "y", true);
          const gap = wide > 5 * ratio ? ratio : 0;
          ctx.fillStyle = bars;
          ctx.fillRect(left, Math.min(top, floor), wide - gap, Math.max(Math.abs(floor - top), one.value === 0 ? 0 : ratio));
        }
        if (at === this.chosen) {
          ctx.strokeStyle = style("--focus");
          ctx.lineWidth = 3 * ratio;
          ctx.strokeRect(left, bbox.top, Math.max(wide, 3 * ratio), bbox.height);
        }
      });
      ctx.restore();
    }

    // What is looked at: never beyond what there is, never nearer than some intervals.
    look(least, most) {
      const whole = this.finish - this.begin;
      const wide = limit(most - least, Math.min(FEWEST * this.step, whole), whole);
      const from = limit((least + most - wide) / 2, this.begin, this.finish - wide);
      this.seen = { min: from, max: from + wide }; // uPlot has it only when it draws next
      this.plot.setScale("x", this.seen);
    }

    zoom(factor, around) {
      const { min, max } = this.seen;
      const centre = around ?? (this.chosen >= 0 ? limit(this.intervals[this.chosen].end, min, max) : (min + max) / 2);
      this.look(centre - (centre - min) * factor, centre + (max - centre) * factor);
    }

    move(share) {
      const { min, max } = this.seen;
      const by = (max - min) * share;
      const held = limit(by, this.begin - min, this.finish - max);
      this.look(min + held, max + held);
    }

    do(what) {
      if (what === "nearer") this.zoom(0.5);
      else if (what === "farther") this.zoom(2);
      else if (what === "earlier") this.move(-0.5);
      else if (what === "later") this.move(0.5);
      else this.look(this.begin, this.finish);
    }

    // The interval at a moment; -1 in a gap.
    at(moment) {
      let low = 0;
      let high = this.intervals.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.intervals[middle].end < moment) low = middle + 1;
        else high = middle;
      }
      const found = this.intervals[low];
      return found && moment > found.end - found.step ? low : -1;
    }

    says(one) {
      const from = new Date((one.end - one.step) * 1000);
      const to = new Date(one.end * 1000);
      const value = one.shown === null ? this.section.dataset.none : `${one.shown} ${this.channel.unit}`;
      const flags = one.flags.map((word) => this.flags.get(word).text).join(", ");
      const zone = this.zoneName.formatToParts(from).find(({ type }) => type === "timeZoneName")?.value ?? "";
      const when = `${this.date.format(from)} ${this.clock.format(from)}–${this.clock.format(to)} ${zone}`;
      return { when, value, flags };
    }

    tell(index) {
      if (index < 0) return;
      const { when, value, flags } = this.says(this.intervals[index]);
      const strong = document.createElement("strong");
      strong.textContent = value;
      this.readout.replaceChildren(when, document.createElement("br"), strong, flags ? ` · ${flags}` : "");
    }

    choose(index, { aloud = false } = {}) {
      if (index < 0 || index >= this.intervals.length) return;
      this.chosen = index;
      this.tell(index);
      const { end, step } = this.intervals[index];
      const { min, max } = this.seen;
      if (end > max || end - step < min) this.look(end - (max - min) / 2, end + (max - min) / 2);
      else this.plot.redraw(false);
      if (aloud) this.aloud.textContent = Object.values(this.says(this.intervals[index])).filter(Boolean).join(", ");
    }

    hover(plot) {
      const { left, event } = plot.cursor;
      if (left >= 0 && event?.type === "mousemove") this.tell(this.at(plot.posToVal(left, "x")));
    }

    select(plot) {
      const { left, width } = plot.select;
      if (width > 4) this.look(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    }

    // A finger moves the picture, two zoom it, a touch chooses; up and down stays with the page.
    touch() {
      const down = new Map();
      let moved = false;
      const time = (event) => {
        const { left } = this.plot.over.getBoundingClientRect();
        return this.plot.posToVal(event.clientX - left, "x");
      };
      this.place.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "mouse" || !this.plot.over.contains(event.target)) return;
        down.set(event.pointerId, event);
        moved = down.size > 1;
      });
      this.place.addEventListener("pointermove", (event) => {
        const before = down.get(event.pointerId);
        if (!before) return;
        const others = [...down.values()].filter((one) => one.pointerId !== event.pointerId);
        if (others.length) {
          const was = Math.abs(before.clientX - others[0].clientX);
          const is = Math.abs(event.clientX - others[0].clientX);
          if (was > 10 && is > 10) this.zoom(was / is, (time(event) + time(others[0])) / 2);
        } else if (moved || Math.abs(event.clientX - before.clientX) > 8) {
          moved = true;
          const { width } = this.plot.over.getBoundingClientRect();
          this.move((before.clientX - event.clientX) / width);
        } else {
          return;
        }
        down.set(event.pointerId, event);
      });
      const up = (event) => {
        if (!down.delete(event.pointerId)) return;
        if (event.type === "pointerup" && !moved) this.choose(this.at(time(event)));
      };
      this.place.addEventListener("pointerup", up);
      this.place.addEventListener("pointercancel", up);
      this.place.addEventListener("click", (event) => {
        if (event.pointerType === "mouse" && this.plot.over.contains(event.target)) this.choose(this.at(time(event)));
      });
    }

    keys(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const day = Math.max(1, Math.round(DAY / this.step));
      const last = this.intervals.length - 1;
      const from = this.chosen < 0 ? last + 1 : this.chosen;
      const by = event.shiftKey ? day : 1;
      const choices = { ArrowLeft: from - by, ArrowRight: Math.max(from, -1) + by, Home: 0, End: last };
      const moves = { "+": "nearer", "=": "nearer", "-": "farther", "0": "whole", PageUp: "earlier", PageDown: "later" };
      if (event.key in choices) this.choose(limit(choices[event.key], 0, last), { aloud: true });
      else if (event.key in moves) this.do(moves[event.key]);
      else return;
      event.preventDefault();
    }

    listen() {
      this.touch();
      this.place.addEventListener("keydown", (event) => this.keys(event));
      for (const button of this.section.querySelectorAll("[data-do]")) {
        button.addEventListener("click", () => this.do(button.dataset.do));
      }
      new ResizeObserver(() => {
        const width = this.place.clientWidth;
        if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
      }).observe(this.place);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot.redraw(false, true));
    }

    // The flags of this channel: a touch goes to the next interval that has one.
    explain() {
      const list = this.section.querySelector(".legend");
      const counts = new Map();
      for (const { flags } of this.intervals) for (const word of flags) counts.set(word, (counts.get(word) ?? 0) + 1);
      list.replaceChildren();
      for (const [word, count] of counts) {
        const flag = this.flags.get(word);
        const button = document.createElement("button");
        button.type = "button";
        button.className = "button";
        const swatch = document.createElement("span");
        swatch.className = `swatch ${flag.colour}`;
        swatch.setAttribute("aria-hidden", "true");
        swatch.textContent = flag.letter;
        const name = document.createElement("span");
        name.textContent = flag.text;
        const number = document.createElement("span");
        number.className = "count";
        number.textContent = String(count);
        button.append(swatch, name, number);
        button.addEventListener("click", () => this.next(word));
        const item = document.createElement("li");
        item.append(button);
        list.append(item);
      }
      this.section.querySelector("[data-legend]").hidden = counts.size === 0;
    }

    next(word) {
      const count = this.intervals.length;
      for (let step = 1; step <= count; step += 1) {
        const at = (Math.max(this.chosen, -1) + step) % count;
        if (!this.intervals[at].flags.includes(word)) continue;
        const { end } = this.intervals[at];
        const { min, max } = this.seen;
        const half = Math.min(max - min, DAY) / 2;
        this.look(end - half, end + half);
        this.choose(at, { aloud: true });
        return;
      }
    }
  }

  const begin = async (section) => {
    try {
      const answer = await fetch(section.dataset.profile, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      new Chart(section, await answer.json());
    } catch {
      const failure = section.querySelector("[data-failure]");
      failure.textContent = section.dataset.failed;
      failure.hidden = false;
    }
  };

  document.addEventListener("htmx:load", ({ detail }) => {
    const parts = [detail.elt, ...detail.elt.querySelectorAll("[data-profile]")];
    for (const section of parts) if (section.matches("[data-profile]")) begin(section);
  });
})();
