use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{csv::Table, mistake::Mistake};

/// The measured data: questions with every model's outcome, latencies by source, arrivals by trace.
#[derive(Debug)]
pub(crate) struct Data {
    folder: PathBuf,
    outcomes: Table,
    pub(crate) questions: Questions,
    latencies: HashMap<String, Arc<[Speed]>>,
    traces: HashMap<String, Arc<[Arrival]>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Questions {
    /// The names of the categories, in order of first appearance.
    pub(crate) categories: Arc<[String]>,
    /// The category of each question.
    pub(crate) of: Arc<[usize]>,
}

/// How fast one real call was: seconds to the first token, and between tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    pub(crate) first_token_s: f64,
    pub(crate) per_token_s: f64,
}

impl Speed {
    /// Returns the seconds to the last of so many tokens.
    pub(crate) fn latency_s(self, output_tokens: f64) -> f64 {
        self.first_token_s + self.per_token_s * (output_tokens - 1.0).max(0.0)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at_s: f64,
    pub(crate) input_tokens: f64,
    pub(crate) output_tokens: f64,
}

impl Data {
    pub(crate) fn read(folder: &Path) -> Result<Self, Mistake> {
        if !folder.is_dir() {
            return Err(Mistake::in_file(folder, "is no folder"));
        }
        let outcomes = Table::read(&folder.join("outcomes.csv"))?;
        let questions = questions(&outcomes)?;
        let latencies = latencies(&Table::read(&folder.join("latency.csv"))?)?;
        Ok(Self {
            folder: folder.to_owned(),
            outcomes,
            questions,
            latencies,
            traces: HashMap::new(),
        })
    }

    /// Returns whether a model has outcomes.
    pub(crate) fn has_outcomes(&self, model: &str) -> bool {
        self.outcomes.has(&format!("{model}_ok"))
    }

    /// Returns which questions a model answers rightly.
    pub(crate) fn outcomes(&self, model: &str) -> Result<Arc<[bool]>, Mistake> {
        let name = format!("{model}_ok");
        let column = self.outcomes.column(&name)?;
        column.cells().map(|cell| cell.yes_or_no()).collect()
    }

    pub(crate) fn latencies(&self, source: &str) -> Option<Arc<[Speed]>> {
        self.latencies.get(source).cloned()
    }

    /// Returns the file of a trace.
    pub(crate) fn trace_file(&self, trace: &str) -> PathBuf {
        self.folder.join(format!("arrivals_{trace}.csv"))
    }

    /// Reads the arrivals of a trace, once.
    pub(crate) fn trace(&mut self, trace: &str) -> Result<Arc<[Arrival]>, Mistake> {
        if let Some(known) = self.traces.get(trace) {
            return Ok(known.clone());
        }
        let arrivals = arrivals(&Table::read(&self.trace_file(trace))?)?;
        self.traces.insert(trace.to_owned(), arrivals.clone());
        Ok(arrivals)
    }
}

fn questions(table: &Table) -> Result<Questions, Mistake> {
    let mut categories: Vec<String> = Vec::new();
    let of = table.column("category")?.cells().map(|cell| {
        let known = categories.iter().position(|name| name == cell.text);
        known.unwrap_or_else(|| {
            categories.push(cell.text.to_owned());
            categories.len() - 1
        })
    });
    let of = of.collect();
    Ok(Questions {
        categories: categories.into(),
        of,
    })
}

fn latencies(table: &Table) -> Result<HashMap<String, Arc<[Speed]>>, Mistake> {
    let (source, status) = (table.column("source")?, table.column("status")?);
    let (first, per) = (table.column("ttft_s")?, table.column("itl_s")?);
    let mut sources: HashMap<String, Vec<Speed>> = HashMap::new();
    for row in (0..table.len()).filter(|row| status.cell(*row).text == "200") {
        let speed = Speed {
            first_token_s: first.cell(row).number()?,
            per_token_s: per.cell(row).number()?,
        };
        let name = source.cell(row).text.to_owned();
        sources.entry(name).or_default().push(speed);
    }
    let shared = sources.into_iter().map(|(name, rows)| (name, rows.into()));
    Ok(shared.collect())
}

fn arrivals(table: &Table) -> Result<Arc<[Arrival]>, Mistake> {
    let at = table.column("t_s")?;
    let (input, output) = (table.column("ctx_tok")?, table.column("gen_tok")?);
    let mut last = 0.0;
    let mut arrivals = Vec::with_capacity(table.len());
    for row in 0..table.len() {
        let at_s = at.cell(row).number()?;
        if at_s < last {
            let what = format!("is earlier than the line before, {last}");
            return Err(at.cell(row).mistake(&what));
        }
        last = at_s;
        arrivals.push(Arrival {
            at_s,
            input_tokens: input.cell(row).number()?,
            output_tokens: output.cell(row).number()?,
        });
    }
    Ok(arrivals.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::parse(Path::new("t.csv"), text).unwrap()
    }

    #[test]
    fn arrivals_go_forward() {
        let read = |text| arrivals(&table(text)).map_err(|mistake| mistake.to_string());
        assert_eq!(
            read("t_s,ctx_tok,gen_tok\n0,1,2\n0,3,4\n").unwrap().len(),
            2
        );
        assert_eq!(
            read("t_s,ctx_tok,gen_tok\n0,1,2\n5,3,4\n4,3,4\n").unwrap_err(),
            "t.csv:4: t_s: \"4\" is earlier than the line before, 5"
        );
    }

    #[test]
    fn only_answered_calls_have_a_latency() {
        let rows = "source,status,ttft_s,itl_s,out_tok\na,200,1,0.1,5\na,429,,,\nb,None,x,x,\n";
        let found = latencies(&table(rows)).unwrap();
        assert_eq!(found.len(), 1);
        assert!((found["a"][0].latency_s(11.0) - 2.0).abs() < 1e-9);
    }
}
