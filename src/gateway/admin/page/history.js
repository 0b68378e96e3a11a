// What the charts show: a sample per step, the last quarter of an hour of them.

const KEPT_S = 15 * 60;

export class History {
  constructor() {
    this.at = [];
    this.pools = new Map();
  }

  /** Starts again from what the gateway remembers. */
  reset(history) {
    this.at = Array.isArray(history.at) ? [...history.at] : [];
    this.pools = new Map();
    for (const [pool, targets] of Object.entries(history.series ?? {})) {
      for (const [target, series] of Object.entries(targets)) {
        const kept = this.series(pool, target);
        for (const name of ["share", "intended", "state"]) {
          const known = Array.isArray(series[name]) ? series[name] : [];
          kept[name] = this.at.map((_, index) => known[index] ?? null);
        }
      }
    }
  }

  /** Adds what is so now. */
  extend(view) {
    if (this.at.length > 0 && view.at <= this.at[this.at.length - 1]) return;
    this.at.push(view.at);
    for (const pool of view.pools) {
      for (const target of pool.targets) {
        const series = this.series(pool.name, target.name);
        series.share.push(target.share_now ?? target.share ?? null);
        series.intended.push(target.intended_now ?? target.intended ?? null);
        series.state.push(target.drained ? "drained" : target.state);
      }
    }
    const old = this.at.findIndex((at) => at >= view.at - KEPT_S);
    if (old > 0) this.at.splice(0, old);
    for (const targets of this.pools.values()) {
      for (const series of targets.values()) {
        for (const values of Object.values(series)) {
          // A target that came or went with a reload has another length: the end counts.
          while (values.length < this.at.length) values.push(null);
          if (values.length > this.at.length) values.splice(0, values.length - this.at.length);
        }
      }
    }
  }

  /** The samples of a target, as many as there are times. */
  series(pool, target) {
    let targets = this.pools.get(pool);
    if (!targets) this.pools.set(pool, (targets = new Map()));
    let series = targets.get(target);
    if (!series) {
      const empty = () => this.at.map(() => null);
      targets.set(target, (series = { share: empty(), intended: empty(), state: empty() }));
    }
    return series;
  }
}
