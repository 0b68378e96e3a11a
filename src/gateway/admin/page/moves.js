// Who got another model than asked for, how often, and what that cost.

import { h, keyed, text } from "./dom.js";
import { clock, count, dollars, known } from "./format.js";

export class Moves {
  constructor() {
    this.body = document.getElementById("moves");
    this.none = document.getElementById("no-moves");
    this.frame = document.getElementById("moves-frame");
  }

  update(view) {
    const moves = [...view.moves].sort((one, other) => other.count - one.count);
    this.none.hidden = moves.length > 0;
    this.frame.hidden = moves.length === 0;
    const key = (move) => JSON.stringify([move.pool, move.from, move.to]);
    keyed(this.body, moves, key, row, (part, move) => {
      text(part.from, move.from);
      text(part.to, move.to);
      text(part.pool, move.pool);
      text(part.count, count(move.count));
      text(part.cost, dollars(move.dollars));
      text(
        part.instead,
        known(move.dollars_instead) ? `instead of ${dollars(move.dollars_instead)}` : "",
      );
      text(part.last, clock(move.last_at));
    });
  }
}

function row() {
  const part = { element: h("tr", { role: "row" }) };
  for (const name of ["from", "to", "pool", "count", "cost", "instead", "last"]) {
    part[name] = h("span", { class: name });
  }
  part.pool.className = "sub";
  part.instead.className = "sub";
  part.element.append(
    h(
      "th",
      { role: "rowheader", scope: "row" },
      part.from,
      h("span", { class: "arrow", "aria-hidden": "true" }, " \u2192 "),
      h("span", { class: "unseen" }, " to "),
      part.to,
      part.pool,
    ),
    h("td", { role: "cell", class: "number" }, part.count),
    h("td", { role: "cell", class: "number" }, part.cost, part.instead),
    h("td", { role: "cell", class: "number" }, part.last),
  );
  return part;
}
