// The other instances that share what they learn with this one, where there is a store for that.

import { attribute, icon, text } from "./dom.js";
import { count, known, plural, wait } from "./format.js";

export class Fleet {
  constructor() {
    const part = (name) => document.getElementById(`fleet${name}`);
    this.box = part("");
    this.mark = part("-mark");
    this.words = part("-words");
    this.trouble = part("-trouble");
    this.counts = part("-counts");
    this.drawn = null;
  }

  update(view) {
    const { fleet } = view;
    this.box.hidden = !fleet;
    if (!fleet) return;
    const shape = fleet.connected ? "healthy" : "lost";
    if (this.drawn !== shape) {
      this.mark.replaceChildren(icon(shape));
      this.drawn = shape;
    }
    attribute(this.box, "data-connected", fleet.connected);
    text(this.words, words(fleet));
    text(this.trouble, fleet.connected ? "" : (fleet.trouble ?? ""));
    this.trouble.hidden = fleet.connected || !fleet.trouble;
    text(this.counts, counts(fleet));
    attribute(this.box, "data-lost", fleet.dropped > 0 ? "" : null);
  }
}

function words(fleet) {
  if (!fleet.connected) {
    return known(fleet.last_exchange_s)
      ? `Not shared for ${wait(fleet.last_exchange_s)}: this instance goes by what it sees itself`
      : "Not shared yet: this instance goes by what it sees itself";
  }
  const who = plural(fleet.instances, "instance shares", "instances share");
  const age = fleet.last_exchange_s < 1 ? "less than a second" : wait(fleet.last_exchange_s);
  return `${who} through ${fleet.store}, the last time ${age} ago`;
}

function counts(fleet) {
  const shown = [`${count(fleet.sent)} counts sent`, `${count(fleet.taken)} taken`];
  shown.push(`${count(fleet.dropped)} lost`);
  if (fleet.unknown > 0) shown.push(`${count(fleet.unknown)} not known here`);
  return shown.join(" \u00b7 ");
}
