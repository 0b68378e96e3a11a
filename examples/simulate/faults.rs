use crate::setting::{Fault, Setting};

/// A time in which something is scripted to be wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Period {
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    /// What, unless an earlier period says the same.
    pub(crate) label: Option<String>,
    /// In which row of labels it has room.
    pub(crate) row: usize,
}

/// Joins what follows on one another, and finds room for the labels.
pub(crate) fn periods(setting: &Setting) -> Vec<Period> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut ordered = setting.faults.clone();
    ordered.retain(|fault| fault.from_s < setting.duration_s);
    ordered.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    for fault in ordered {
        let same = faults.iter_mut().find(|known| {
            (known.model, known.what) == (fault.model, fault.what) && known.to_s >= fault.from_s
        });
        match same {
            Some(known) => known.to_s = known.to_s.max(fault.to_s),
            None => faults.push(fault),
        }
    }
    // Seconds that a letter takes in the figure, about.
    let letter_s = setting.duration_s / 110.0;
    let mut rows: Vec<f64> = Vec::new();
    let mut periods: Vec<Period> = Vec::new();
    for fault in &faults {
        let label = format!("{} {}", setting.models[fault.model].name, fault.what);
        let said = periods
            .iter()
            .any(|period| period.label.as_ref() == Some(&label));
        let mut row = 0;
        if !said {
            let free = rows.iter().position(|end_s| *end_s <= fault.from_s);
            row = free.unwrap_or(rows.len());
            if row == rows.len() {
                rows.push(0.0);
            }
            rows[row] = fault.from_s + letter_s * (label.chars().count() + 2) as f64;
        }
        periods.push(Period {
            from_s: fault.from_s,
            to_s: fault.to_s.min(setting.duration_s),
            label: (!said).then_some(label),
            row,
        });
    }
    periods
}
