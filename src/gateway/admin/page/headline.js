// How things are, in a sentence: the first thing a person on call reads.

import { icon, text, attribute } from "./dom.js";
import { clock, count, known, percent, plural, wait } from "./format.js";

const LEVELS = ["ok", "note", "warn", "bad"];
const BLOCKED = new Set(["walled", "out"]);
// A limit that is as empty as this, or as near, is worth a sentence.
const LOW_HEADROOM = 0.1;
const SOON_S = 30;
// A shorter wait than this is no wall, but the edge of one.
const BRIEF_S = 3;
// Less than this served by others is what every canary does.
const MOVED = 0.08;
const LATELY_S = 15;
const SHOWN = 4;
// An exchange that is this late is worth a word: a store that is there is asked several times a second.
const UNSHARED_S = 5;

const blocked = (target) => target.drained || BLOCKED.has(target.state);
const share = (target) => target.share_now ?? target.share ?? 0;

/** Shows the sentences, and says the first aloud when it is about something else than before. */
export class Headline {
  constructor() {
    this.box = document.getElementById("headline");
    this.mark = document.getElementById("headline-mark");
    this.words = document.getElementById("headline-words");
    this.more = document.getElementById("headline-more");
    this.spoken = document.getElementById("headline-spoken");
    this.about = null;
    this.drawn = null;
    this.counts = new Map();
  }

  update(view) {
    const lines = sentences(view, (pool) => this.moved(pool, view.at));
    const [first, ...rest] = lines;
    attribute(this.box, "data-level", first.level);
    if (this.drawn !== first.icon) {
      this.mark.replaceChildren(icon(first.icon));
      this.drawn = first.icon;
    }
    text(this.words, first.text);
    const hidden = rest.length - SHOWN;
    const shown = rest.slice(0, SHOWN).map((line) => line.text);
    if (hidden > 0) shown.push(`and ${count(hidden)} more`);
    text(this.more, shown.join(" \u00b7 "));
    if (first.about !== this.about) {
      this.about = first.about;
      text(this.spoken, first.text);
    }
    return first;
  }

  /** The share of a pool's latest requests that got another model than they asked for. */
  moved(pool, at) {
    let counts = this.counts.get(pool.name);
    if (!counts) this.counts.set(pool.name, (counts = []));
    const { requests, substituted } = pool;
    // Counters that went back are those of another process.
    if (counts.length > 0 && requests < counts[counts.length - 1].requests) counts.length = 0;
    if (at !== counts[counts.length - 1]?.at) counts.push({ at, requests, substituted });
    while (counts.length > 2 && at - counts[0].at > LATELY_S) counts.shift();
    const asked = requests - counts[0].requests;
    return asked > 0 ? Math.min(1, (substituted - counts[0].substituted) / asked) : 0;
  }
}

/** Everything worth a sentence, the worst first; never nothing. */
export function sentences(view, moved) {
  const names = view.pools.flatMap((pool) => pool.targets.map((target) => target.name));
  const several = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  const lines = view.pools.flatMap((pool) => of_pool(pool, several, view.at, moved(pool)));
  if (unshared(view.fleet)) {
    const words = "Nothing is shared with other instances";
    lines.push({ level: "note", icon: "lost", about: "fleet", text: words });
  }
  if (lines.length === 0) lines.push(calm(view));
  const order = (line) => -LEVELS.indexOf(line.level);
  return lines.sort((one, other) => order(one) - order(other));
}

function unshared(fleet) {
  if (!fleet || fleet.connected || !fleet.trouble) return false;
  return !known(fleet.last_exchange_s) || fleet.last_exchange_s > UNSHARED_S;
}

function calm(view) {
  if (view.totals.requests === 0) {
    return { level: "ok", icon: "healthy", about: "idle", text: "No requests yet" };
  }
  return { level: "ok", icon: "healthy", about: "ok", text: "All traffic as asked" };
}

function of_pool(pool, several, now, moved) {
  if (pool.targets.length > 0 && pool.targets.every(blocked)) return [nobody(pool)];
  const lines = pool.targets.flatMap((target) => {
    const line = of_target(pool, target, several, now);
    return line ? [{ ...line, about: `${pool.name}/${target.name}/${line.about}` }] : [];
  });
  if (pool.mode !== "route") {
    const what = pool.mode === "observe" ? "only observed" : "not routed";
    lines.push({
      level: "note",
      icon: "drained",
      about: pool.name,
      text: `${pool.name} is ${what}`,
    });
  }
  if (pool.pinned) {
    const words = `${pool.name} is pinned to ${pool.pinned} by hand`;
    lines.push({ level: "note", icon: "pinned", about: `${pool.name}/pinned`, text: words });
  }
  if (lines.length === 0 && moved > MOVED) {
    const words = `${percent(moved)} of ${pool.name} got another model than asked for`;
    lines.push({ level: "note", icon: "probing", about: `${pool.name}/moved`, text: words });
  }
  return lines;
}

function nobody(pool) {
  const back = pool.targets.map((target) => target.until).filter((until) => until);
  const when = back.length > 0 ? `, the first is back at ${clock(Math.min(...back))}` : "";
  const waiting =
    pool.waiting > 0 ? `; ${plural(pool.waiting, "request waits", "requests wait")}` : "";
  const words = `Nobody in ${pool.name} is free${when}${waiting}`;
  return { level: "bad", icon: "out", about: `${pool.name}/nobody`, text: words };
}

function of_target(pool, target, several, now) {
  // Nobody asks for it while those before it are well: its state is in the table.
  const wanted = target.rank === 0 || (target.intended ?? 0) > MOVED || share(target) > MOVED;
  if (!wanted) return null;
  const name = several.has(target.name) ? `${target.name} (${pool.name})` : target.name;
  const until = target.until ? ` until ${clock(target.until)}` : "";
  if (target.drained) {
    const words = `${name} is drained by hand${instead(pool, target)}`;
    return { level: "note", icon: "drained", about: "drained", text: words };
  }
  switch (target.state) {
    case "walled":
      // At its limit it has room again every other second: that is one state, not many.
      if (target.until - now < BRIEF_S && target.headroom < LOW_HEADROOM && known(target.headroom)) {
        return near(target, name);
      }
      return {
        level: "warn",
        icon: "walled",
        about: "walled",
        text: `${name} is walled${until}${instead(pool, target)}`,
      };
    case "out":
      return {
        level: "warn",
        icon: "out",
        about: "out",
        text: `${name} is out${until}${instead(pool, target)}`,
      };
    case "degraded":
      return {
        level: "warn",
        icon: "degraded",
        about: "degraded",
        text: `${name} is degraded${target.why ? `: ${target.why}` : ""}${instead(pool, target)}`,
      };
    case "probing":
      return {
        level: "note",
        icon: "probing",
        about: "probing",
        text: `${name} is coming back, it serves ${percent(share(target))}`,
      };
    default:
      return near(target, name);
  }
}

function near(target, name) {
  const low = known(target.headroom) && target.headroom < LOW_HEADROOM;
  const soon = known(target.wall_in_s) && target.wall_in_s < SOON_S;
  if (!soon && !low) return null;
  // Close to it, the seconds change too often to be read.
  const wall = !low && soon ? `, the wall in about ${wait(target.wall_in_s)}` : "";
  const words = low
    ? `${name} is at its limit, ${percent(target.headroom)} left`
    : `${name} has ${known(target.headroom) ? percent(target.headroom) : "little"} of its limit left${wall}`;
  return { level: "note", icon: "walled", about: "near", text: words };
}

/** Who serves most of what `target` does not. */
function instead(pool, target) {
  const others = pool.targets.filter((other) => other !== target && share(other) > 0);
  const most = others.sort((one, other) => share(other) - share(one))[0];
  return most ? `; ${most.name} serves ${percent(share(most))}` : "";
}
