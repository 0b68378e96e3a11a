// The table of a pool's targets: a row each, which becomes a card on a narrow screen.

import { attribute, h, icon, keyed, text } from "./dom.js";
import { colour } from "./chart.js";
import { NONE, clock, count, dollars, duration, known, percent, wait } from "./format.js";

const COLUMNS = [
  ["target", "Target"],
  ["state", "State"],
  ["success", "Success"],
  ["share", "Share"],
  ["headroom", "Headroom"],
  ["first", "First content"],
  ["total", "Total"],
  ["cost", "Cost per hour"],
  ["flight", "In flight"],
  ["actions", "By hand"],
];
const STATES = {
  healthy: "Healthy",
  degraded: "Degraded",
  walled: "Walled",
  probing: "Probing",
  out: "Out",
  drained: "Drained",
};
const LOW = 0.1;

export class Targets {
  constructor(pool, act) {
    this.pool = pool;
    this.act = act;
    this.body = h("tbody", { role: "rowgroup" });
    const head = COLUMNS.map(([name, label]) =>
      h("th", { role: "columnheader", scope: "col", class: `c-${name}` }, label),
    );
    this.element = h(
      "table",
      { class: "targets", role: "table" },
      h("caption", { class: "unseen" }, `Targets of ${pool}, in order of preference`),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...head)),
      this.body,
    );
  }

  update(pool, now) {
    keyed(
      this.body,
      pool.targets,
      (target) => target.name,
      () => new Row(this.pool, this.act),
      (row, target) => row.update(target, pool, now),
    );
  }

  tick(now) {
    for (const row of this.body.keyedParts?.values() ?? []) row.tick(now);
  }
}

class Row {
  constructor(pool, act) {
    this.pool = pool;
    this.act = act;
    this.parts = {};
    const cells = COLUMNS.map(([name, label]) => {
      const kind = name === "target" ? "th" : "td";
      const role = name === "target" ? "rowheader" : "cell";
      const scope = name === "target" ? "row" : null;
      const cell = h(kind, { role, scope, class: `c-${name}` });
      if (name !== "target")
        cell.append(h("span", { class: "label", "aria-hidden": "true" }, label));
      cell.append(...this[name]());
      return cell;
    });
    this.element = h("tr", { role: "row" }, ...cells);
  }

  // The parts of each cell.

  part(name, kind, attributes, ...children) {
    return (this.parts[name] = h(kind, attributes, ...children));
  }

  target() {
    const name = this.part("name", "span", { class: "name" });
    const swatch = this.part("swatch", "span", { class: "swatch", "aria-hidden": "true" });
    return [
      h("span", { class: "main" }, swatch, name),
      this.part("upstream", "span", { class: "sub" }),
    ];
  }

  state() {
    return [
      this.part("badge", "span", { class: "badge" }),
      h(
        "span",
        { class: "sub why" },
        this.part("countdown", "span", { class: "countdown" }),
        this.part("why", "span"),
      ),
    ];
  }

  success() {
    return [
      this.part("success", "span", { class: "main" }),
      ...this.bar("band"),
      this.part("range", "span", { class: "sub" }),
      this.part("quality", "span", { class: "sub" }),
    ];
  }

  share() {
    return [
      this.part("share", "span", { class: "main" }),
      ...this.bar("shares"),
      this.part("intended", "span", { class: "sub" }),
    ];
  }

  headroom() {
    return [
      this.part("headroom", "span", { class: "main" }),
      ...this.bar("left"),
      this.part("wall", "span", { class: "sub" }),
    ];
  }

  first() {
    return [
      this.part("first50", "span", { class: "main" }),
      this.part("first95", "span", { class: "sub" }),
    ];
  }

  total() {
    return [
      this.part("total50", "span", { class: "main" }),
      this.part("total95", "span", { class: "sub" }),
    ];
  }

  cost() {
    return [
      this.part("cost", "span", { class: "main" }),
      this.part("spent", "span", { class: "sub" }),
    ];
  }

  flight() {
    return [
      this.part("flight", "span", { class: "main" }),
      this.part("attempts", "span", { class: "sub" }),
      this.part("others", "span", { class: "sub others" }),
    ];
  }

  actions() {
    const pin = this.part("pin", "button", {
      type: "button",
      class: "quiet",
      onclick: () => this.act("pin", this.pool, this.shown),
    });
    const drain = this.part("drain", "button", {
      type: "button",
      class: "quiet",
      onclick: () => this.act("drain", this.pool, this.shown),
    });
    return [h("span", { class: "buttons" }, pin, drain)];
  }

  /** A bar of two parts: what is, and a mark. The number beside it says the same. */
  bar(name) {
    const fill = this.part(`${name}Fill`, "span", { class: "fill" });
    const mark = this.part(`${name}Mark`, "span", { class: "mark" });
    return [
      this.part(`${name}Bar`, "span", { class: `bar ${name}`, "aria-hidden": "true" }, fill, mark),
    ];
  }

  update(target, pool, now) {
    const { parts } = this;
    this.shown = { ...target, pinned: pool.pinned === target.name };
    const hue = `var(${colour(pool.targets.indexOf(target))})`;
    parts.swatch.style.background = hue;
    text(parts.name, target.name);
    const model = target.model === target.name ? "" : `${target.model} `;
    text(
      parts.upstream,
      `${model}${target.upstream ? `${model ? "at " : ""}${target.upstream}` : ""}`,
    );
    this.updateState(target);
    this.updateNumbers(target, hue);
    this.updateActions(target);
    this.tick(now);
  }

  updateState(target) {
    const { parts } = this;
    const state = target.drained ? "drained" : target.state;
    if (parts.badge.dataset.state !== state) {
      parts.badge.dataset.state = state;
      parts.badge.replaceChildren(icon(state), STATES[state] ?? state);
    }
    attribute(this.element, "data-state", state);
    text(parts.why, state === "healthy" ? "" : (target.why ?? ""));
    attribute(parts.why, "title", target.why);
  }

  updateNumbers(target, hue) {
    const { parts } = this;
    text(parts.success, percent(target.success, fine(target.success)));
    const band = known(target.success_low) && known(target.success_high);
    const scored = target.scores >= 1;
    attribute(parts.success, "title", scored ? quality(target) : null);
    text(parts.quality, scored ? `quality ${percent(target.quality)}` : "");
    text(
      parts.range,
      band
        ? `${bare(target.success_low)}\u2013${percent(target.success_high, fine(target.success_high))}`
        : "",
    );
    span(
      parts.bandFill,
      band ? upper(target.success_low) : 0,
      band ? upper(target.success_high) : 0,
    );
    place(parts.bandMark, known(target.success) ? upper(target.success) : null);

    text(parts.share, percent(target.share));
    text(parts.intended, known(target.intended) ? `intended ${percent(target.intended)}` : "");
    span(parts.sharesFill, 0, target.share ?? 0);
    parts.sharesFill.style.background = hue;
    place(parts.sharesMark, target.intended > 0 ? target.intended : null);

    // What the provider's headers said of its limit is nothing worth while it refuses.
    const refuses = target.state === "walled" && target.headroom >= LOW;
    const headroom = refuses ? null : target.headroom;
    text(parts.headroom, percent(headroom));
    attribute(parts.headroom, "title", left(target));
    const low = known(headroom) && headroom < LOW;
    attribute(parts.leftBar, "data-low", low ? "" : null);
    parts.leftBar.hidden = !known(headroom);
    span(parts.leftFill, 0, headroom ?? 0);
    place(parts.leftMark, null);

    text(parts.first50, duration(target.first_content_p50_s));
    text(
      parts.first95,
      known(target.first_content_p95_s) ? `p95 ${duration(target.first_content_p95_s)}` : "",
    );
    text(parts.total50, duration(target.total_p50_s));
    text(parts.total95, known(target.total_p95_s) ? `p95 ${duration(target.total_p95_s)}` : "");
    text(parts.cost, dollars(target.dollars_per_hour));
    text(parts.spent, known(target.dollars) ? `${dollars(target.dollars)} so far` : "");
    text(parts.flight, count(target.in_flight));
    const bad = [
      target.failed > 0 ? `${count(target.failed)} failed` : "",
      target.limited > 0 ? `${count(target.limited)} refused` : "",
    ].filter(Boolean);
    text(parts.attempts, bad.join(", ") || `${count(target.attempts)} calls`);
    const heard = target.of_others > 0;
    parts.others.hidden = !heard;
    text(parts.others, heard ? `${count(target.of_others)} elsewhere` : "");
    attribute(parts.others, "title", heard ? "Attempts that other instances have told of" : null);
  }

  updateActions(target) {
    const { parts } = this;
    text(parts.pin, this.shown.pinned ? "Unpin" : "Pin");
    text(parts.drain, target.drained ? "Restore" : "Drain");
    attribute(parts.pin, "aria-pressed", this.shown.pinned);
    attribute(parts.drain, "aria-pressed", Boolean(target.drained));
    attribute(parts.pin, "aria-label", `${parts.pin.textContent} ${target.name}`);
    attribute(parts.drain, "aria-label", `${parts.drain.textContent} ${target.name}`);
  }

  /** What changes with the clock alone. */
  tick(now) {
    const { parts, shown } = this;
    if (!shown) return;
    const ahead = known(shown.until) ? shown.until - now : 0;
    const counting = ahead > 0 && shown.state !== "healthy";
    text(parts.countdown, counting ? `${wait(ahead)} \u00b7 until ${clock(shown.until)}` : "");
    const wall = known(shown.wall_in_s);
    if (shown.state === "walled") text(parts.wall, counting ? `back in ${wait(ahead)}` : "");
    else if (wall) text(parts.wall, `wall in ${wait(shown.wall_in_s)}`);
    else text(parts.wall, known(shown.headroom) ? "no wall in sight" : "no limit known");
  }
}

function left(target) {
  const one = (value, limit, what) =>
    known(value) ? `${count(value)}${known(limit) ? ` of ${count(limit)}` : ""} ${what} left` : "";
  return (
    [
      one(target.requests_left, target.requests_limit, "requests"),
      one(target.tokens_left, target.tokens_limit, "tokens"),
    ]
      .filter(Boolean)
      .join(", ") || null
  );
}

// Near 100 % a tenth matters, and the bar shows only the upper half: below it all is lost.
const fine = (value) => (value > 0.9 ? 1 : 0);
const upper = (value) => (value - 0.5) * 2;
const bare = (value) => (known(value) ? (value * 100).toFixed(fine(value)) : NONE);
const quality = (target) =>
  `Answers are expected to score ${percent(target.quality)}, of ${count(target.scores)} scores`;
const inside = (value) => Math.max(0, Math.min(1, value));

function span(fill, from, to) {
  fill.style.left = `${inside(from) * 100}%`;
  fill.style.width = `${Math.max(0, inside(to) - inside(from)) * 100}%`;
}

function place(mark, at) {
  mark.hidden = !known(at);
  if (known(at)) mark.style.left = `${inside(at) * 100}%`;
}
