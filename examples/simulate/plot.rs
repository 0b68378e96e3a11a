//! Draws who served and how well, as an SVG that is legible on light and on dark ground.

use std::fmt::{self, Write};

use crate::{
    chart::{Axis, Frame, escape},
    faults::{Period, periods},
    policies::{ADAPTIVE, ORACLE},
    run::Played,
    series::Series,
    setting::Setting,
};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 170.0;
const TITLE: f64 = 34.0;
const LABEL: f64 = 15.0;
const SHARES: f64 = 170.0;
const RATES: f64 = 130.0;
const GAP: f64 = 16.0;
const BOTTOM: f64 = 52.0;
/// Colours of models, told apart by the colour-blind, too (Paul Tol's "bright").
const COLOURS: [&str; 8] = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#ee7733",
];
/// What the drawn policy is held against.
const BESIDE: [&str; 2] = [ORACLE, "static-chain"];

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#57606a}\
.title{font-size:15px;font-weight:600;fill:#24292f}\
.grid{stroke:#8b949e;stroke-opacity:.3}.edge{stroke:#8b949e;fill:none}\
.fault{fill:#d1242f;fill-opacity:.09}.share{fill-opacity:.85}\
.line{fill:none;stroke:#57606a;stroke-width:1.5}\
.own{stroke:#8250df;stroke-width:2.5}.oracle{stroke-dasharray:2 3}.other{stroke-dasharray:7 4}\
@media (prefers-color-scheme:dark){text{fill:#b1bac4}.title{fill:#e6edf3}.line{stroke:#b1bac4}\
.own{stroke:#c297ff}.fault{fill:#ff7b72;fill-opacity:.16}}";

/// Draws one panel per scenario, of `adaptive` or else of the first policy.
pub(crate) fn svg(played: &Played, settings: &[impl AsRef<Setting>]) -> Result<String, fmt::Error> {
    let policies = &played.policies;
    let own = policies
        .iter()
        .position(|policy| policy == ADAPTIVE)
        .unwrap_or(0);
    let mut panels = String::new();
    let mut top = 0.0;
    for (at, setting) in settings.iter().enumerate() {
        let of = |policy: usize| (policies[policy].as_str(), &played.series[at][policy]);
        let beside = BESIDE.iter().filter_map(|name| {
            let at = policies.iter().position(|policy| policy == name)?;
            (at != own).then(|| of(at))
        });
        let panel = Panel {
            setting: setting.as_ref(),
            own: of(own),
            beside: beside.collect(),
            periods: periods(setting.as_ref()),
        };
        top += panel.draw(&mut panels, top)?;
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" role=\"img\">\
         <title>Who served, and how well</title>\n<style>{STYLE}</style>\n{panels}</svg>\n"
    ))
}

struct Panel<'a> {
    setting: &'a Setting,
    own: (&'a str, &'a Series),
    beside: Vec<(&'a str, &'a Series)>,
    periods: Vec<Period>,
}

impl Panel<'_> {
    /// Returns how high it is.
    fn draw(&self, out: &mut String, top: f64) -> Result<f64, fmt::Error> {
        let (name, own) = (escape(&self.setting.name), escape(self.own.0));
        writeln!(
            out,
            "<text class=\"title\" x=\"{LEFT}\" y=\"{:.1}\">{name}: {own}</text>",
            top + 22.0
        )?;
        let rows = self.periods.iter().map(|period| period.row + 1).max();
        let labels = rows.unwrap_or(0) as f64 * LABEL;
        let frame = Frame {
            left: LEFT,
            top: top + TITLE + labels,
            width: WIDTH - LEFT - RIGHT,
            height: SHARES,
            end_s: self.setting.duration_s,
            low: 0.0,
            high: 1.0,
        };
        self.shares(out, &frame)?;
        let (low, high) = self.range();
        let rates = Frame {
            top: frame.top + SHARES + GAP,
            height: RATES,
            low,
            high,
            ..frame
        };
        self.rates(out, &rates)?;
        self.faults(out, &frame, rates.top + RATES)?;
        rates.time_axis(out)?;
        Ok(TITLE + labels + SHARES + GAP + RATES + BOTTOM)
    }

    /// Whose answers were served, stacked.
    fn shares(&self, out: &mut String, frame: &Frame) -> fmt::Result {
        let bins = &self.own.1.bins;
        let mut floor = vec![0.0; bins.len()];
        for (model, of) in self.setting.models.iter().enumerate() {
            let colour = COLOURS[model % COLOURS.len()];
            let mut ceiling = floor.clone();
            for (height, bin) in ceiling.iter_mut().zip(bins) {
                *height += bin.served[model] / bin.requests.max(1.0);
            }
            let up = ceiling.iter().enumerate().map(|(at, height)| (at, *height));
            let down = floor
                .iter()
                .enumerate()
                .rev()
                .map(|(at, height)| (at, *height));
            let area: Vec<String> = frame
                .steps(up, bins.len(), true)
                .chain(frame.steps(down, bins.len(), false))
                .collect();
            writeln!(
                out,
                "<polygon class=\"share\" fill=\"{colour}\" points=\"{}\"/>",
                area.join(" ")
            )?;
            let (x, y) = (
                frame.left + frame.width + 14.0,
                frame.top + 16.0 + 18.0 * model as f64,
            );
            writeln!(
                out,
                "<rect x=\"{x}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                y - 10.0,
                x + 18.0,
                escape(&of.name)
            )?;
            floor = ceiling;
        }
        frame.axes(
            out,
            &Axis {
                label: "served by",
                step: 0.25,
            },
        )
    }

    /// The lines in the order in which they are drawn: the drawn policy last, above all.
    fn lines(&self) -> impl Iterator<Item = (&'static str, &str, &Series)> {
        let beside = self.beside.iter().map(|(name, series)| {
            let class = if *name == ORACLE {
                "line oracle"
            } else {
                "line other"
            };
            (class, *name, *series)
        });
        beside.chain([("line own", self.own.0, self.own.1)])
    }

    fn rates(&self, out: &mut String, frame: &Frame) -> fmt::Result {
        let step = if frame.high - frame.low > 0.5 {
            0.2
        } else {
            0.1
        };
        frame.axes(
            out,
            &Axis {
                label: "success",
                step,
            },
        )?;
        for (number, (class, name, series)) in self.lines().enumerate() {
            let bins = series.bins.iter().enumerate();
            let points = bins.filter(|(_, bin)| bin.requests > 0.0).map(|(at, bin)| {
                frame.point(
                    (at as f64 + 0.5) / series.bins.len() as f64,
                    bin.successes / bin.requests,
                )
            });
            let points: Vec<String> = points.collect();
            writeln!(
                out,
                "<polyline class=\"{class}\" points=\"{}\"/>",
                points.join(" ")
            )?;
            let (x, y) = (
                frame.left + frame.width + 14.0,
                frame.top + 16.0 + 18.0 * number as f64,
            );
            writeln!(
                out,
                "<path class=\"{class}\" d=\"M{x} {:.1}h26\"/><text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                y - 4.0,
                x + 32.0,
                escape(name)
            )?;
        }
        Ok(())
    }

    /// Shades what was scripted to be wrong, and says what it was.
    fn faults(&self, out: &mut String, frame: &Frame, bottom: f64) -> fmt::Result {
        for period in &self.periods {
            let (from, to) = (frame.x(period.from_s), frame.x(period.to_s));
            writeln!(
                out,
                "<rect class=\"fault\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                frame.top,
                to - from,
                bottom - frame.top
            )?;
            if let Some(label) = &period.label {
                writeln!(
                    out,
                    "<text x=\"{from:.1}\" y=\"{:.1}\">{}</text>",
                    frame.top - 4.0 - LABEL * period.row as f64,
                    escape(label)
                )?;
            }
        }
        Ok(())
    }

    /// A range for the success rates, in whole tenths.
    fn range(&self) -> (f64, f64) {
        let rates = self.lines().flat_map(|(_, _, series)| {
            let busy = series.bins.iter().filter(|bin| bin.requests > 0.0);
            busy.map(|bin| bin.successes / bin.requests)
        });
        let (low, high) = rates.fold((1.0, 0.0), |(low, high), rate| {
            (f64::min(low, rate), f64::max(high, rate))
        });
        if low >= high {
            return (0.0, 1.0);
        }
        (
            (low * 10.0).floor() / 10.0,
            ((high * 10.0).ceil() / 10.0).min(1.0),
        )
    }
}
