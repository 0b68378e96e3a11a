// The stream of decisions that left the requested model, in words. Alike ones in a row are one line.

import { attribute, h, keyed, text } from "./dom.js";
import { clock, count } from "./format.js";

const KEPT = 200;
const SHOWN = 60;
// Decisions of a kind that follow one another within this many seconds are one line.
const ALIKE_S = 8;

/** A decision in words, with the time until which it will be so. */
export function inWords({ text, until }) {
  const words = text.replace(" -> ", " \u2192 ");
  if (!until) return words;
  // The gateway knows no zones: it tells the time in UTC.
  const told = words.replace(/ until [\d:]+ UTC/, "");
  return `${told} until ${clock(until)}`;
}

export class Decisions {
  constructor(explain) {
    this.list = document.getElementById("decisions");
    this.none = document.getElementById("no-decisions");
    this.pause = document.getElementById("pause");
    this.explain = explain;
    this.groups = [];
    this.made = 0;
    this.paused = false;
    this.dirty = false;
    this.pause.addEventListener("click", () => {
      this.paused = !this.paused;
      attribute(this.pause, "aria-pressed", this.paused);
      text(this.pause, this.paused ? "Continue" : "Pause");
      this.draw();
    });
  }

  /** Starts again from what the gateway remembers, the oldest first. */
  reset(decisions) {
    this.groups = [];
    for (const decision of [...decisions].sort((one, other) => one.at - other.at))
      this.add(decision);
  }

  add(decision) {
    this.dirty = true;
    const alike = this.groups.find(
      (group) =>
        group.kind === decision.kind &&
        group.pool === decision.pool &&
        group.from === decision.from &&
        group.to === decision.to &&
        decision.at - group.at < ALIKE_S,
    );
    if (alike) {
      if (alike.last.id === decision.id) return;
      alike.count += 1;
      alike.at = decision.at;
      alike.text = decision.text;
      alike.until = decision.until;
      // The latest that can be explained stands for all of them.
      if (decision.explained || !alike.last.explained) alike.last = decision;
      return;
    }
    const { kind, pool, from, to, at, until } = decision;
    this.made += 1;
    const [key, words] = [this.made, decision.text];
    this.groups.unshift({
      key,
      kind,
      pool,
      from,
      to,
      at,
      until,
      since: at,
      count: 1,
      text: words,
      last: decision,
    });
    this.groups.length = Math.min(this.groups.length, KEPT);
  }

  /** Shows what came since, not more often than it is called. */
  draw() {
    if (this.paused || !this.dirty) return;
    this.dirty = false;
    const groups = this.groups.slice(0, SHOWN);
    this.none.hidden = groups.length > 0;
    keyed(
      this.list,
      groups,
      (group) => group.key,
      (group) => this.line(group),
      (part, group) => {
        part.group = group;
        text(part.at, clock(group.since));
        text(part.words, inWords(group));
        text(part.pool, group.pool);
        text(part.times, group.count > 1 ? `\u00d7${count(group.count)}` : "");
        attribute(part.element.firstChild, "disabled", group.last.explained === false ? "" : null);
      },
    );
  }

  line(group) {
    const part = {
      group,
      at: h("span", { class: "at" }),
      words: h("span", { class: "words" }),
      pool: h("span", { class: "tag" }),
      times: h("span", { class: "times" }),
    };
    const open = () => this.explain(part.group.last);
    const button = h(
      "button",
      {
        type: "button",
        class: "decision",
        "data-kind": group.kind,
        "aria-haspopup": "dialog",
        onclick: open,
      },
      part.at,
      part.words,
      part.times,
      part.pool,
    );
    part.element = h("li", null, button);
    return part;
  }
}
