use std::fmt::{self, Write};

/// Where a chart stands, and what its edges mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) end_s: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) step: f64,
}

impl Frame {
    pub(crate) fn x(&self, at_s: f64) -> f64 {
        self.left + self.width * (at_s / self.end_s).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low);
        self.top + self.height * (1.0 - part.clamp(0.0, 1.0))
    }

    pub(crate) fn point(&self, part: f64, value: f64) -> String {
        format!("{:.1},{:.1}", self.left + self.width * part, self.y(value))
    }

    /// The corners of steps, one for each of `of` parts of the time.
    pub(crate) fn steps<'a>(
        &'a self,
        values: impl Iterator<Item = (usize, f64)> + 'a,
        of: usize,
        forward: bool,
    ) -> impl Iterator<Item = String> + 'a {
        values.flat_map(move |(at, value)| {
            let (from, to) = (at as f64 / of as f64, (at + 1) as f64 / of as f64);
            let (first, second) = if forward { (from, to) } else { (to, from) };
            [self.point(first, value), self.point(second, value)]
        })
    }

    /// The vertical axis in percent, with its lines.
    pub(crate) fn axes(&self, out: &mut String, axis: &Axis) -> fmt::Result {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let steps = ((self.high - self.low) / axis.step + 1e-6).floor() as usize;
        for step in 0..=steps {
            let value = self.low + axis.step * step as f64;
            let y = self.y(value);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{} {y:.1}H{right}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>",
                self.left,
                self.left - 6.0,
                y + 4.0,
                value * 100.0
            )?;
        }
        writeln!(
            out,
            "<path class=\"edge\" d=\"M{} {}V{bottom}H{right}\"/>\
             <text transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            self.left,
            self.top,
            self.top + self.height / 2.0,
            axis.label
        )
    }

    /// The time below.
    pub(crate) fn time_axis(&self, out: &mut String) -> fmt::Result {
        const UNITS: [(f64, &str); 3] = [(3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds")];
        const STEPS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
        const MOST: f64 = 10.0;
        let coarse = UNITS.into_iter().find(|(unit, _)| self.end_s >= 5.0 * unit);
        let (unit, name) = coarse.unwrap_or((1.0, "seconds"));
        let end = self.end_s / unit;
        let step = STEPS
            .into_iter()
            .find(|step| end / step <= MOST)
            .unwrap_or(end);
        let y = self.top + self.height;
        for tick in 0..=(end / step).floor() as usize {
            let value = step * tick as f64;
            let x = self.x(value * unit);
            writeln!(
                out,
                "<path class=\"edge\" d=\"M{x:.1} {y:.1}v4\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value:.0}</text>",
                y + 17.0
            )?;
        }
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
            self.left + self.width / 2.0,
            y + 34.0
        )
    }
}

/// Makes text fit for XML, which has no place for control characters.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('?');
            }
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_break_the_markup() {
        assert_eq!(escape("<a & \"b\">\u{1}"), "&lt;a &amp; &quot;b&quot;&gt;?");
    }
}
