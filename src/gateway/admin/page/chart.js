// A pool's shares over time, stacked, with what was intended as a dashed line, and a lane per target
// that shows its state.

import { h, text } from "./dom.js";
import { NONE, percent, shown, timeOf } from "./format.js";

const HEIGHT = 200;
// Where there is nobody to share with, there is little to show.
const ALONE = 90;
const LANE = 9;
const GAP = 4;
const AXIS_LEFT = 44;
const AXIS_BOTTOM = 26;

/** The name of the colour of the target in this place. */
export const colour = (place) => `--series-${place % 8}`;

// A canvas knows no variables: an element that nobody sees resolves them.
const probe = document.createElement("span");
probe.hidden = true;
document.documentElement.append(probe);

function css(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

/** A colour that is calm enough for an area: mostly what is behind it, but never see-through. */
function soft(colour, behind) {
  const parts = (name) =>
    name
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number);
  const under = parts(behind);
  const mixed = parts(colour).map((part, place) => Math.round(part * 0.62 + under[place] * 0.38));
  return `rgb(${mixed.join(", ")})`;
}

/** Times of day, to the minute where that is enough. One at the very end would be cut. */
function labels(plot, times) {
  const whole = times.every((at) => at % 60 === 0);
  const room = whole ? 24 : 32;
  return times.map((at) => {
    if (plot.valToPos(at, "x") > plot.over.clientWidth - room) return "";
    return whole ? timeOf(at).slice(0, 5) : timeOf(at);
  });
}

export class Chart {
  constructor(pool) {
    this.pool = pool;
    this.plot = null;
    this.targets = [];
    this.data = [[]];
    // The time that the arrow keys walked to, on which the cursor stays while time goes on.
    this.walked = null;
    this.canvas = h("div", { class: "plot", role: "img", tabindex: "0" });
    this.readout = h("p", { class: "readout" });
    this.table = h("tbody");
    const details = h(
      "details",
      { class: "numbers" },
      h("summary", null, "The same in numbers"),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "group", "aria-label": "Shares, minute by minute" },
        this.frame(),
      ),
    );
    this.details = details;
    details.addEventListener("toggle", () => this.draw());
    this.element = h("figure", { class: "chart" }, this.readout, this.canvas, details);
    this.canvas.addEventListener("keydown", (event) => this.walk(event));
    this.canvas.addEventListener("blur", () => this.leave());
    this.canvas.addEventListener("mousemove", () => this.rest());
    new ResizeObserver(() => this.fit()).observe(this.canvas);
  }

  frame() {
    this.head = h("tr");
    return h(
      "table",
      null,
      h(
        "caption",
        null,
        `Share of ${this.pool} served, and intended, at the end of each half minute`,
      ),
      h("thead", null, this.head),
      this.table,
    );
  }

  /** Shows the last `seconds` of what `history` knows of these targets. */
  update(history, targets, seconds) {
    const names = targets.map((target) => target.name).join("\n");
    if (names !== this.targets.map((target) => target.name).join("\n")) {
      this.plot?.destroy();
      this.plot = null;
    }
    this.targets = targets;
    const last = history.at[history.at.length - 1] ?? Date.now() / 1000;
    const end = shown(last);
    const from = Math.max(
      0,
      history.at.findIndex((at) => at >= last - seconds - 2),
    );
    this.at = history.at.slice(from).map(shown);
    this.series = targets.map((target) => {
      const series = history.series(this.pool, target.name);
      return {
        share: series.share.slice(from),
        intended: series.intended.slice(from),
        state: series.state.slice(from),
      };
    });
    this.span = [end - seconds, end];
    this.draw();
  }

  draw() {
    if (!this.at || this.canvas.clientWidth === 0) return;
    this.data = [this.at, ...this.stacked("share"), ...this.stacked("intended").slice(1)];
    if (!this.plot) this.make();
    this.plot.batch(() => {
      this.plot.setData(this.data, false);
      this.plot.setScale("x", { min: this.span[0], max: this.span[1] });
    });
    if (this.walked !== null) this.stay();
    // Somebody reads what is under the cursor: an update does not take that away.
    this.say(this.plot.cursor.idx);
    const words = `Share of ${this.pool} served by each target over time. ${this.words(null)}.`;
    this.canvas.setAttribute("aria-label", `${words} Arrow keys walk through time.`);
    if (this.details.open) this.numbers();
  }

  /** Upper edges, the first target's on top: it is what everybody would get on a good day. */
  stacked(what) {
    const edges = this.series.map(() => []);
    this.at.forEach((_, index) => {
      let edge = 0;
      const any = this.series.some((series) => series[what][index] !== null);
      for (let place = this.series.length - 1; place >= 0; place -= 1) {
        edge += this.series[place][what][index] ?? 0;
        edges[place].push(any ? Math.min(edge, 1) : null);
      }
    });
    return edges;
  }

  make() {
    const lanes = this.targets.length * (LANE + GAP) + GAP;
    const height = (this.targets.length > 1 ? HEIGHT : ALONE) + lanes;
    const plotted = height - AXIS_BOTTOM - 8;
    const below = lanes / (plotted - lanes);
    const ink = css("--muted");
    const card = css("--card");
    const line = { stroke: css("--line"), width: 1 };
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const areas = this.targets.map((target, place) => ({
      label: target.name,
      stroke: css(colour(place)),
      fill: soft(css(colour(place)), card),
      width: 1.5,
      points: { show: false },
    }));
    const dashes = this.targets.slice(1).map((target) => ({
      label: `${target.name}, intended`,
      stroke: css("--ink"),
      width: 1.5,
      dash: [5, 4],
      points: { show: false },
    }));
    const options = {
      width: this.canvas.clientWidth,
      height,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
      padding: [8, 8, 0, 0],
      scales: { x: { time: false, auto: false }, y: { auto: false, range: [-below, 1] } },
      series: [{}, ...areas, ...dashes],
      // An area reaches down to the edge of the next: what is below is drawn over it by that one.
      axes: [
        {
          stroke: ink,
          grid: { show: false },
          ticks: { ...line, size: 4 },
          font,
          size: AXIS_BOTTOM,
          gap: 3,
          incrs: [5, 10, 15, 30, 60, 120, 180, 300],
          space: 64,
          values: labels,
        },
        {
          stroke: ink,
          grid: line,
          ticks: { show: false },
          font,
          size: AXIS_LEFT,
          gap: 6,
          splits: () => [0, 0.25, 0.5, 0.75, 1],
          values: (_, shares) =>
            shares.map((share) => (share === 0.25 || share === 0.75 ? "" : percent(share))),
        },
      ],
      hooks: {
        draw: [(plot) => this.lanes(plot)],
        setCursor: [(plot) => this.say(plot.cursor.idx)],
      },
    };
    this.plot = new window.uPlot(options, this.data, this.canvas);
  }

  /** Draws each target's state as a bar, below the shares and at the same times. */
  lanes(plot) {
    const { ctx } = plot;
    const ratio = window.devicePixelRatio;
    const zero = plot.valToPos(0, "y", true);
    const { left, top: edge, width, height } = plot.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, zero, width, edge + height - zero);
    ctx.clip();
    this.series.forEach((series, place) => {
      const top = zero + (GAP + 2 + place * (LANE + GAP)) * ratio;
      this.runs(series.state).forEach(([state, from, to]) => {
        const start = plot.valToPos(from, "x", true);
        const end = plot.valToPos(to, "x", true);
        ctx.fillStyle = css(`--lane-${state}`);
        // A calm lane is thin: what is thick is worth a look.
        const thick = state === "healthy" ? LANE / 3 : LANE;
        ctx.fillRect(
          start,
          top + ((LANE - thick) / 2) * ratio,
          Math.max(end - start, ratio),
          thick * ratio,
        );
      });
    });
    ctx.restore();
    ctx.save();
    this.targets.forEach((_, place) => {
      const top = zero + (GAP + 2 + place * (LANE + GAP)) * ratio;
      ctx.fillStyle = css(colour(place));
      ctx.fillRect(left - 16 * ratio, top, LANE * ratio, LANE * ratio);
    });
    ctx.restore();
  }

  /** The stretches of time in one state: `[state, from, to]`. */
  runs(states) {
    const runs = [];
    states.forEach((state, index) => {
      const at = this.at[index];
      const last = runs[runs.length - 1];
      if (last) last[2] = at;
      if (state && (!last || last[0] !== state)) runs.push([state, at, at]);
      else if (!state && last && last[0] !== null) runs.push([null, at, at]);
    });
    return runs.filter(([state]) => state);
  }

  /** Says what is under the cursor, or what is so now. */
  say(index) {
    text(this.readout, this.words(index ?? null));
  }

  /** The shares at a place in time, or now. */
  words(index) {
    const last = this.at.length - 1;
    const place = index ?? last;
    const parts = this.targets.map((target, at) => {
      const { share, intended } = this.series[at];
      const asked = intended[place] ?? null;
      const aside = asked > 0 && Math.abs(asked - (share[place] ?? 0)) >= 0.005;
      return `${target.name} ${percent(share[place])}${aside ? ` (intended ${percent(asked)})` : ""}`;
    });
    const when = index === null ? "Now" : timeOf(this.at[place]);
    return `${last < 0 ? NONE : when}: ${parts.join(", ")}`;
  }

  numbers() {
    const names = this.targets.flatMap((target) => [
      target.name,
      `${target.name}, intended`,
      "state",
    ]);
    this.head.replaceChildren(
      h("th", { scope: "col" }, "Time"),
      ...names.map((name) => h("th", { scope: "col" }, name)),
    );
    const rows = [];
    let before = null;
    for (let index = this.at.length - 1; index >= 0; index -= 1) {
      const half = Math.floor(this.at[index] / 30);
      if (half === before || this.at[index] < this.span[0]) continue;
      before = half;
      const cells = this.series.flatMap((series) => [
        percent(series.share[index]),
        percent(series.intended[index]),
        series.state[index] ?? NONE,
      ]);
      rows.push(
        h(
          "tr",
          null,
          h("th", { scope: "row" }, timeOf(this.at[index])),
          ...cells.map((cell) => h("td", null, cell)),
        ),
      );
    }
    this.table.replaceChildren(...rows);
  }

  walk(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -15, PageDown: 15 };
    const step = steps[event.key];
    if (!step || !this.plot) return;
    event.preventDefault();
    const last = this.at.length - 1;
    const from = this.plot.cursor.idx ?? last + 1;
    const index = Math.max(0, Math.min(last, from + step));
    this.walked = this.at[index];
    // What is walked to is also said aloud.
    this.readout.setAttribute("aria-live", "polite");
    this.stay();
  }

  /** Puts the cursor where the keys walked to, for as long as that is shown. */
  stay() {
    if (this.walked < this.span[0]) this.leave();
    else this.plot.setCursor({ left: this.plot.valToPos(this.walked, "x"), top: 10 });
  }

  /** No longer holds the cursor at a time: a pointer has it, or nobody. */
  rest() {
    this.walked = null;
    this.readout.removeAttribute("aria-live");
  }

  leave() {
    this.rest();
    this.plot?.setCursor({ left: -10, top: -10 });
  }

  fit() {
    if (!this.plot) this.draw();
    else this.plot.setSize({ width: this.canvas.clientWidth, height: this.plot.height });
  }

  /** Draws anew, in the colours that hold now. */
  recolour() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }
}
