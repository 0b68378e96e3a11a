// The live feed, which comes back by itself.

const QUIET = 6000;
const FIRST_RETRY = 1000;
const LAST_RETRY = 10000;
const EVENTS = ["hello", "history", "view", "decision", "reload"];

/**
 * Follows `address`. `heard(event, data)` is told what comes, `changed(connected)` whether anything
 * does: a feed that falls silent is as lost as one that breaks.
 */
export function follow(address, heard, changed) {
  let source = null;
  let connected = null;
  let last = 0;
  let retry = FIRST_RETRY;
  let timer = null;

  const say = (now) => {
    if (now === connected) return;
    connected = now;
    changed(now);
  };
  const open = () => {
    timer = null;
    last = Date.now();
    source = new EventSource(address);
    source.onerror = () => lost();
    for (const event of EVENTS) {
      source.addEventListener(event, (message) => {
        last = Date.now();
        retry = FIRST_RETRY;
        say(true);
        const data = parsed(message.data);
        if (data !== null) heard(event, data);
      });
    }
  };
  // The browser's own retry gives up on an answer that is not 200, as a restarting server's may be.
  const lost = () => {
    source?.close();
    source = null;
    say(false);
    if (timer !== null) return;
    timer = setTimeout(open, retry);
    retry = Math.min(retry * 1.6, LAST_RETRY);
  };

  open();
  setInterval(() => {
    if (source && Date.now() - last > QUIET) lost();
  }, 1000);
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
