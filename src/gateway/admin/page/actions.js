// What a person can do by hand. Each is confirmed first.

import { h, text } from "./dom.js";

const dialog = document.getElementById("confirmation");
const title = document.getElementById("confirmation-title");
const body = document.getElementById("confirmation-body");
const doIt = document.getElementById("confirmation-do");
const status = document.getElementById("status");

document.getElementById("confirmation-cancel").addEventListener("click", () => dialog.close());

const path = (...parts) => parts.map(encodeURIComponent).join("/");

/** What an action is called, what it does, and how it is asked for. */
function action(kind, pool, about) {
  const target = about.name;
  if (kind === "mode") {
    const what = {
      route: "Requests are routed to the target most likely to succeed.",
      observe: "Every request goes to the model it asks for; decisions are only shown.",
      off: "Every request goes to the model it asks for; nothing is decided.",
    };
    return {
      title: `Change ${pool} to \u201c${about.mode}\u201d?`,
      says: what[about.mode],
      label: "Change the mode",
      done: `${pool} is in mode ${about.mode} now`,
      ask: ["POST", path("pools", pool, "mode"), { mode: about.mode }],
    };
  }
  if (kind === "pin" && about.pinned) {
    return {
      title: `Unpin ${pool} from ${target}?`,
      says: "The router decides again.",
      label: "Unpin",
      done: `${pool} is no longer pinned`,
      ask: ["DELETE", path("pools", pool, "pin"), {}],
    };
  }
  if (kind === "pin") {
    return {
      title: `Pin ${pool} to ${target}?`,
      says: `All requests to ${pool} go to ${target}, whatever its state, until somebody unpins it.`,
      label: "Pin",
      done: `${pool} is pinned to ${target}`,
      ask: ["POST", path("pools", pool, "pin"), { target }],
    };
  }
  if (about.drained) {
    return {
      title: `Restore ${target} in ${pool}?`,
      says: "It takes part again.",
      label: "Restore",
      done: `${target} takes part again`,
      ask: ["DELETE", path("pools", pool, "targets", target, "drain"), {}],
    };
  }
  return {
    title: `Drain ${target} in ${pool}?`,
    says: "It gets no new requests until somebody restores it. What is under way ends as it would.",
    label: "Drain",
    done: `${target} is drained`,
    ask: ["POST", path("pools", pool, "targets", target, "drain"), {}],
  };
}

export function act(kind, pool, about) {
  const wanted = action(kind, pool, about);
  text(title, wanted.title);
  body.replaceChildren(h("p", null, wanted.says));
  text(doIt, wanted.label);
  doIt.disabled = false;
  doIt.onclick = async () => {
    doIt.disabled = true;
    const failed = await send(...wanted.ask);
    doIt.disabled = false;
    if (failed) {
      body.replaceChildren(
        h("p", null, wanted.says),
        h("p", { class: "error", role: "alert" }, failed),
      );
      return;
    }
    dialog.close();
    say(wanted.done);
  };
  dialog.showModal();
}

/** Sends a request that changes something. Returns what went wrong. */
export async function send(method, address, content) {
  try {
    const response = await fetch(address, {
      method,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(content),
    });
    if (response.ok) return null;
    return `The gateway refused: ${await reason(response)}`;
  } catch {
    return "The gateway cannot be reached.";
  }
}

async function reason(response) {
  const answer = await response.text();
  try {
    const { error } = JSON.parse(answer);
    return error.message ?? error;
  } catch {
    return answer.slice(0, 200) || `status ${response.status}`;
  }
}

let fade = null;

/** Tells what was done. */
export function say(words) {
  text(status, words);
  clearTimeout(fade);
  fade = setTimeout(() => text(status, ""), 6000);
}
