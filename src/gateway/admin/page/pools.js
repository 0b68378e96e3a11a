// A card per pool.

import { attribute, h, keyed, text } from "./dom.js";
import { Chart } from "./chart.js";
import { Targets } from "./targets.js";
import { count, dollars, known, percent } from "./format.js";

const MODES = [
  ["route", "Route"],
  ["observe", "Observe"],
  ["off", "Off"],
];

export class Pools {
  constructor(act) {
    this.parent = document.getElementById("pools");
    this.act = act;
  }

  update(view, history, seconds, now) {
    const make = (pool) => new Card(pool, this.act);
    keyed(
      this.parent,
      view.pools,
      (pool) => pool.name,
      make,
      (card, pool) => {
        card.update(pool, history, seconds, now);
      },
    );
  }

  cards() {
    return [...(this.parent.keyedParts?.values() ?? [])];
  }

  tick(now) {
    for (const card of this.cards()) card.targets.tick(now);
  }

  recolour() {
    for (const card of this.cards()) card.chart.recolour();
  }
}

let made = 0;

class Card {
  constructor(pool, act) {
    this.name = pool.name;
    this.act = act;
    const number = (made += 1);
    this.chart = new Chart(pool.name);
    this.targets = new Targets(pool.name, act);
    this.about = h("p", { class: "about" });
    this.facts = h("p", { class: "facts" });
    this.mode = h(
      "select",
      { id: `mode-${number}`, onchange: () => this.chosen() },
      ...MODES.map(([value, label]) => h("option", { value }, label)),
    );
    this.element = h(
      "section",
      { class: "card pool", "aria-labelledby": `pool-${number}` },
      h(
        "header",
        { class: "pool-head" },
        h("div", { class: "titles" }, h("h2", { id: `pool-${number}` }, pool.name), this.about),
        this.facts,
        h("div", { class: "field" }, h("label", { for: `mode-${number}` }, "Mode"), this.mode),
      ),
      this.chart.element,
      this.targets.element,
    );
  }

  update(pool, history, seconds, now) {
    this.shown = pool;
    const aliases = pool.aliases.length > 0 ? `, also named ${pool.aliases.join(", ")}` : "";
    const pinned = pool.pinned ? `, pinned to ${pool.pinned}` : "";
    text(this.about, `${pool.policy}${aliases}${pinned}`);
    const moved = pool.requests > 0 ? ` (${percent(pool.substituted / pool.requests)})` : "";
    const facts = [
      `${count(pool.requests)} requests`,
      `${count(pool.substituted)} got another model${moved}`,
      `${count(pool.in_flight)} in flight`,
    ];
    if (pool.waiting > 0) facts.push(`${count(pool.waiting)} waiting`);
    if (known(pool.dollars_per_hour)) facts.push(`${dollars(pool.dollars_per_hour)} per hour`);
    keyed(
      this.facts,
      facts.map((words, place) => ({ words, place })),
      (fact) => fact.place,
      () => ({ element: h("span") }),
      (part, fact) => text(part.element, fact.words),
    );
    // Not while somebody is choosing.
    if (document.activeElement !== this.mode) this.mode.value = pool.mode;
    attribute(this.element, "data-mode", pool.mode);
    this.chart.update(history, pool.targets, seconds);
    this.targets.update(pool, now);
  }

  chosen() {
    const mode = this.mode.value;
    this.mode.value = this.shown.mode;
    if (mode !== this.shown.mode) this.act("mode", this.name, { mode });
  }
}
