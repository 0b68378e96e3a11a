// The page of the gateway: puts what the live feed says into its parts.

import { act, say, send } from "./actions.js";
import { Decisions } from "./decisions.js";
import { attribute, text } from "./dom.js";
import { explain } from "./explain.js";
import { follow } from "./feed.js";
import { Fleet } from "./fleet.js";
import { clock, count, dollars, known, moment, percent, rate, storyClock } from "./format.js";
import { Headline } from "./headline.js";
import { History } from "./history.js";
import { Moves } from "./moves.js";
import { Pools } from "./pools.js";
import { theme } from "./theme.js";

const part = (id) => document.getElementById(id);
const history = new History();
const headline = new Headline();
const fleet = new Fleet();
const pools = new Pools(act);
const moves = new Moves();
const decisions = new Decisions(explain);

let view = null;
// How far the gateway's clock is ahead of this one, in seconds.
let ahead = 0;
let seconds = null;

const now = () => Date.now() / 1000 + ahead;

function show(next) {
  view = next;
  ahead = view.at - Date.now() / 1000;
  storyClock(view.demo?.clock, view.at);
  history.extend(view);
  if (seconds === null) choose(view.demo ? 120 : 300);
  draw();
}

function draw() {
  if (!view) return;
  part("waiting").hidden = true;
  part("content").hidden = false;
  const first = headline.update(view);
  document.title = `${first.text} \u2013 outcome-gateway`;
  totals(view.totals);
  fleet.update(view);
  banner(view.config);
  demo(view.demo);
  text(part("about"), about(view));
  pools.update(view, history, seconds, now());
  moves.update(view);
  decisions.draw();
}

function totals(totals) {
  const moved = totals.requests > 0 ? percent(totals.substituted / totals.requests, 1) : "";
  text(part("t-rate"), rate(totals.per_second));
  text(part("t-requests"), `${count(totals.requests)} since the start`);
  text(part("t-substituted"), count(totals.substituted));
  text(part("t-moved"), moved ? `${moved} of all` : "");
  text(part("t-flight"), count(totals.in_flight));
  text(part("t-waiting"), totals.waiting > 0 ? `${count(totals.waiting)} waiting` : "none waiting");
  text(part("t-wasted"), count(totals.wasted));
  text(part("t-refused"), `${count(totals.refused)} callers refused`);
  text(part("t-cost"), dollars(totals.dollars_per_hour));
  text(
    part("t-passed"),
    totals.passed_through > 0 ? `${count(totals.passed_through)} calls passed through` : "",
  );
  attribute(part("t-refused"), "data-bad", totals.refused > 0 ? "" : null);
}

function banner(config) {
  const refused = config?.error ?? null;
  part("refused").hidden = !refused;
  if (refused) text(part("refused-why"), refused);
}

function demo(demo) {
  part("demo").hidden = !demo;
  if (!demo) return;
  text(part("demo-clock"), demo.clock);
  text(part("demo-phase"), demo.phase ?? "");
}

function about(view) {
  const file = view.config?.file
    ? `${view.config.file}, loaded ${moment(view.config.loaded_at)}`
    : "";
  const since = known(view.started_at) ? `up since ${moment(view.started_at)}` : "";
  return [`outcome-gateway ${view.version}`, file, since].filter(Boolean).join(" \u00b7 ");
}

/** Chooses how much of the past the charts show. */
function choose(span) {
  seconds = span;
  for (const button of part("spans").querySelectorAll("button")) {
    attribute(button, "aria-pressed", Number(button.dataset.seconds) === span);
  }
}

const hear = {
  hello() {},
  history(told) {
    history.reset(told);
    remembered();
    draw();
  },
  view: show,
  decision(told) {
    decisions.add(told);
  },
  reload(told) {
    say(told.error ? "A changed configuration was refused" : "The configuration was reloaded");
  },
};

async function remembered() {
  try {
    const response = await fetch("decisions", { headers: { accept: "application/json" } });
    if (!response.ok) return;
    const told = await response.json();
    decisions.reset(Array.isArray(told) ? told : (told.decisions ?? []));
    decisions.draw();
  } catch {
    // The feed says that the connection is lost.
  }
}

function connection(connected) {
  attribute(document.documentElement, "data-connected", connected);
  text(part("connection"), connected ? "Live" : "Connection lost");
  part("lost").hidden = connected;
  if (!connected)
    text(
      part("lost-words"),
      view
        ? `Connection lost. What you see is of ${clock(view.at)}; trying again\u2026`
        : "The gateway does not answer; trying again\u2026",
    );
}

part("spans").addEventListener("click", (event) => {
  const span = Number(event.target.dataset?.seconds);
  if (!span) return;
  choose(span);
  draw();
});
part("replay").addEventListener("click", async () => {
  part("replay").disabled = true;
  const failed = await send("POST", "demo/replay", {});
  part("replay").disabled = false;
  say(failed ?? "The story starts again");
});
theme(part("theme"), () => pools.recolour());
setInterval(() => pools.tick(now()), 250);
follow("live", (event, data) => hear[event](data), connection);
