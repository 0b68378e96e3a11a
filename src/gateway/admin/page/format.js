// Numbers, times and money as people read them. What is unknown is a dash.

export const NONE = "\u2013";
const THIN = "\u202f";

// The demonstration tells a story of its own time: what is shown is shifted by this, in seconds.
let shift = 0;

/** Lets times be shown as a clock that reads `clock` ("14:02:10") at `at`; null: as they are. */
export function storyClock(clock, at) {
  const parts = /^(\d\d):(\d\d):(\d\d)$/.exec(clock ?? "");
  if (!parts) {
    shift = 0;
    return;
  }
  const told = Number(parts[1]) * 3600 + Number(parts[2]) * 60 + Number(parts[3]);
  const real = new Date(at * 1000);
  const passed = real.getHours() * 3600 + real.getMinutes() * 60 + real.getSeconds();
  // Both are whole seconds: what is within their rounding is no change.
  if (Math.abs(told - passed - shift) > 1.5) shift = told - passed;
}

const known = (value) => typeof value === "number" && Number.isFinite(value);
const clocks = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const wholes = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

/** When something is, by the clock that is shown. */
export function shown(at) {
  return at + shift;
}

/** A time of day in the browser's zone. */
export function clock(at) {
  return known(at) ? timeOf(shown(at)) : NONE;
}

/** The time of day of what is `shown` already, for axes. */
export function timeOf(at) {
  return clocks.format(new Date(at * 1000));
}

/** A day and a time. */
export function moment(at) {
  return known(at) ? `${days.format(new Date(at * 1000))}, ${clock(at)}` : NONE;
}

export function count(value) {
  return known(value) ? wholes.format(value) : NONE;
}

export function rate(value) {
  if (!known(value)) return NONE;
  return value >= 100 ? wholes.format(value) : tenths.format(value);
}

/** A share of 1. Rounding never makes a part of it nothing, or all. */
export function percent(value, digits = 0) {
  if (!known(value)) return NONE;
  const scale = 10 ** digits;
  let rounded = Math.round(value * 100 * scale) / scale;
  if (value > 0 && rounded === 0) return `<${THIN}${1 / scale}${THIN}%`;
  if (value < 1 && rounded >= 100) rounded = 100 - 1 / scale;
  return `${rounded.toFixed(value === 1 || value === 0 ? 0 : digits)}${THIN}%`;
}

/** How long something took. */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}${THIN}ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)}${THIN}s`;
  return seconds < 99.95 ? `${seconds.toFixed(1)}${THIN}s` : wait(seconds);
}

/** How long something will take, to the second. */
export function wait(seconds) {
  if (!known(seconds)) return NONE;
  const whole = Math.max(0, Math.ceil(seconds - 0.05));
  if (whole < 100) return `${whole}${THIN}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${THIN}min ${whole % 60}${THIN}s`;
  return `${Math.floor(whole / 3600)}${THIN}h ${Math.floor((whole % 3600) / 60)}${THIN}min`;
}

export function dollars(value) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  const digits = size >= 99.5 ? 0 : size === 0 || size >= 0.995 ? 2 : 3;
  const small = size > 0 && size < 0.01;
  const shown = new Intl.NumberFormat(
    undefined,
    small
      ? { maximumSignificantDigits: 2 }
      : { minimumFractionDigits: digits, maximumFractionDigits: digits },
  ).format(size);
  return `${value < 0 ? "\u2212" : ""}$${shown}`;
}

export function plural(value, one, many) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export { known };
