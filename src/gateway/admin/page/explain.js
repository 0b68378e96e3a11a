// The explanation of a decision, in a dialog.

import { inWords } from "./decisions.js";
import { h, text } from "./dom.js";
import { NONE, dollars, duration, known, moment, percent } from "./format.js";

const dialog = document.getElementById("explanation");
const title = document.getElementById("explanation-title");
const body = document.getElementById("explanation-body");

document.getElementById("explanation-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

/** Opens at once with what is known, and asks for the rest. */
export async function explain(told) {
  text(title, inWords(told));
  body.replaceChildren(facts(told, null), h("p", { class: "quietly" }, "Loading\u2026"));
  if (!dialog.open) dialog.showModal();
  const asked = (dialog.dataset.asked = String(told.id));
  let answer;
  try {
    const response = await fetch(`decisions/${encodeURIComponent(told.id)}`, {
      headers: { accept: "application/json" },
    });
    if (!response.ok) throw new Error(missing(response.status));
    answer = await response.json();
  } catch (error) {
    if (dialog.dataset.asked !== asked) return;
    const words = error instanceof TypeError ? "The gateway cannot be reached." : error.message;
    body.replaceChildren(facts(told, null), h("p", { class: "error" }, words));
    return;
  }
  if (dialog.dataset.asked !== asked) return;
  const decision = answer.decision ?? answer.explanation ?? answer;
  body.replaceChildren(
    facts(told, decision),
    candidates(decision),
    words(answer.text ?? decision.text),
  );
}

function missing(status) {
  if (status === 404) return "This decision is no longer remembered.";
  return `The gateway answered with status ${status}.`;
}

function facts(told, decision) {
  const list = [
    ["When", moment(told.at)],
    ["Pool", told.pool],
    ["Asked for", told.from],
    ["Served by", told.to],
  ];
  if (told.attempt > 1) list.push(["Attempt", told.attempt]);
  if (decision?.reason?.text) list.push(["Reason", decision.reason.text]);
  if (known(decision?.propensity)) {
    list.push(["Would pick the same again", `${percent(decision.propensity)} of redraws`]);
  }
  list.push(["Id", told.id]);
  return h(
    "dl",
    { class: "explained" },
    ...list.flatMap(([name, value]) => [
      h("div", null, h("dt", null, name), h("dd", null, String(value))),
    ]),
  );
}

const COLUMNS = [
  "Target",
  "What stood against it",
  "Score",
  "Quality",
  "Health",
  "Valid form",
  "In time",
  "Usually",
  "Cost",
];

function candidates(decision) {
  const known = Array.isArray(decision.candidates) ? decision.candidates : [];
  if (known.length === 0) return h("p", null, "Its candidates are not known.");
  const head = COLUMNS.map((name, place) =>
    h("th", { scope: "col", class: place > 1 ? "number" : null }, name),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "Candidates" },
    h(
      "table",
      { class: "candidates" },
      h(
        "caption",
        null,
        `Candidates, in order of preference, weighed by the policy \u201c${decision.policy ?? NONE}\u201d`,
      ),
      h("thead", null, h("tr", null, ...head)),
      h(
        "tbody",
        null,
        ...known.map((candidate, place) => row(candidate, decision.chosen === place)),
      ),
    ),
  );
}

function row(candidate, picked) {
  const { terms, obstacle } = candidate;
  const number = (value) => h("td", { class: "number" }, value);
  const name = [candidate.target];
  if (picked) name.push(h("span", { class: "picked" }, "picked"));
  if (candidate.model !== candidate.target) name.push(h("span", { class: "sub" }, candidate.model));
  const quality = terms
    ? `${percent(terms.quality)}${terms.scores >= 0.5 ? ` \u00b1 ${percent(terms.quality_sd)}` : ""}`
    : NONE;
  return h(
    "tr",
    { "data-picked": picked ? "" : null },
    h("th", { scope: "row" }, ...name),
    h("td", { class: "obstacle" }, obstacle ? obstacle.text : "nothing"),
    number(known(candidate.score) ? candidate.score.toFixed(3) : NONE),
    number(quality),
    number(terms ? percent(terms.health) : NONE),
    number(terms ? percent(terms.validity) : NONE),
    number(terms ? percent(terms.in_time) : NONE),
    number(terms ? duration(terms.latency_s) : NONE),
    number(terms && terms.cost > 0 ? dollars(terms.cost) : NONE),
  );
}

function words(told) {
  if (!told) return "";
  return h("details", { class: "numbers" }, h("summary", null, "In words"), h("pre", null, told));
}
