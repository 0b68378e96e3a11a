use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::mistake::{Mistake, read};

/// A table with a header line, read as text.
#[derive(Debug)]
pub(crate) struct Table {
    file: PathBuf,
    columns: HashMap<String, usize>,
    rows: Vec<(usize, Vec<String>)>,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    table: &'a Table,
    name: &'a str,
    at: usize,
}

/// One cell of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    column: Column<'a>,
    line: usize,
    pub(crate) text: &'a str,
}

impl Table {
    pub(crate) fn read(file: &Path) -> Result<Self, Mistake> {
        Self::parse(file, &read(file)?)
    }

    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Mistake> {
        let text = text.trim_start_matches('\u{feff}');
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        let header = lines.next().map(|(_, line)| fields(line));
        let Some(Some(header)) = header else {
            return Err(Mistake::at_line(file, 1, "a quote is not closed"));
        };
        let mut columns = HashMap::new();
        for (at, name) in header.iter().enumerate() {
            if columns.insert(name.clone(), at).is_some() {
                return Err(Mistake::at_line(
                    file,
                    1,
                    format!("the column {name:?} is there twice"),
                ));
            }
        }
        let mut rows = Vec::new();
        for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
            let Some(row) = fields(text) else {
                return Err(Mistake::at_line(file, line, "a quote is not closed"));
            };
            if row.len() != header.len() {
                let (has, wants) = (row.len(), header.len());
                return Err(Mistake::at_line(
                    file,
                    line,
                    format!("the line has {has} fields, the header has {wants}"),
                ));
            }
            rows.push((line, row));
        }
        if rows.is_empty() {
            return Err(Mistake::at_line(
                file,
                1,
                "there is no row after the header",
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            columns,
            rows,
        })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    pub(crate) fn column<'a>(&'a self, name: &'a str) -> Result<Column<'a>, Mistake> {
        let at = self.columns.get(name).copied().ok_or_else(|| {
            Mistake::at_line(&self.file, 1, format!("there is no column {name:?}"))
        })?;
        Ok(Column {
            table: self,
            name,
            at,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<'a> Column<'a> {
    pub(crate) fn cell(self, row: usize) -> Cell<'a> {
        let (line, fields) = &self.table.rows[row];
        Cell {
            column: self,
            line: *line,
            text: &fields[self.at],
        }
    }

    pub(crate) fn cells(self) -> impl Iterator<Item = Cell<'a>> {
        (0..self.table.len()).map(move |row| self.cell(row))
    }
}

impl Cell<'_> {
    pub(crate) fn mistake(&self, what: &str) -> Mistake {
        let what = format!("{}: {:?} {what}", self.column.name, self.text);
        Mistake::at_line(&self.column.table.file, self.line, what)
    }

    /// A number of at least 0.
    pub(crate) fn number(&self) -> Result<f64, Mistake> {
        match self.text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            Ok(number) if number < 0.0 => Err(self.mistake("is less than 0")),
            Ok(_) => Err(self.mistake("is not a finite number")),
            Err(_) => Err(self.mistake("is not a number")),
        }
    }

    pub(crate) fn yes_or_no(&self) -> Result<bool, Mistake> {
        match self.text.trim() {
            "1" | "1.0" => Ok(true),
            "0" | "0.0" => Ok(false),
            _ => Err(self.mistake("is neither 0 nor 1")),
        }
    }
}

/// Splits a line at its commas; a field may be quoted. `None` if a quote is not closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let line = line.trim_end_matches('\r');
    if !line.contains('"') {
        return Some(
            line.split(',')
                .map(|field| field.trim().to_owned())
                .collect(),
        );
    }
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            char => fields.last_mut()?.push(char),
        }
    }
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        match Table::parse(Path::new("t.csv"), text) {
            Ok(table) => {
                let cells = table.column("x").map(|x| x.cells().collect::<Vec<_>>());
                let found =
                    cells.and_then(|cells| cells.iter().try_for_each(|x| x.number().map(drop)));
                found.map_or_else(|mistake| mistake.to_string(), |()| "nothing".into())
            }
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        assert_eq!(wrong("y,x\n1,2\r\n\"a,b\",3\n"), "nothing");
        assert_eq!(wrong("y\n1\n"), "t.csv:1: there is no column \"x\"");
        assert_eq!(
            wrong("x,x\n1,1\n"),
            "t.csv:1: the column \"x\" is there twice"
        );
        assert_eq!(
            wrong("x\n1\n\nzwei\n"),
            "t.csv:4: x: \"zwei\" is not a number"
        );
        assert_eq!(
            wrong("x\n1\nNaN\n"),
            "t.csv:3: x: \"NaN\" is not a finite number"
        );
        assert_eq!(wrong("x\n-1\n"), "t.csv:2: x: \"-1\" is less than 0");
        assert_eq!(
            wrong("x\n1,2\n"),
            "t.csv:2: the line has 2 fields, the header has 1"
        );
        assert_eq!(wrong("x\n\"1\n"), "t.csv:2: a quote is not closed");
        assert_eq!(wrong("x\n"), "t.csv:1: there is no row after the header");
    }
}
