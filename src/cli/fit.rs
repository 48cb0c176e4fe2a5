//! A table that fits a width: long cells are cut, columns that find no room are named below it.

use comfy_table::{CellAlignment, Table, presets};

/// Characters of a cell at most, where there is a width to fit.
const CELL: usize = 40;

/// Characters that a column takes beside its text: `| ` before and a blank after.
const FRAME: usize = 3;

/// Rows under their headings; cells are of one line.
pub(super) struct Grid {
    pub(super) headings: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Which columns stand to the right.
    pub(super) numeric: Vec<bool>,
}

impl Grid {
    /// The table in at most `width` characters, and a line that names the columns that found no
    /// room. Without a width all of it.
    pub(super) fn fit(&self, width: Option<usize>) -> (Table, Option<String>) {
        let shown = width.map_or(self.headings.len(), |width| self.room(width));
        let most = width.map(|width| width.saturating_sub(FRAME + 1).clamp(1, CELL));
        let cut = |cell: &String| most.map_or_else(|| cell.clone(), |most| cut(cell, most));
        let mut table = Table::new();
        table.load_style(presets::ASCII_FULL_CONDENSED);
        table.set_header(self.headings.iter().take(shown).map(cut));
        for row in &self.rows {
            table.add_row(row.iter().take(shown).map(cut));
        }
        for (column, _) in self.numeric.iter().enumerate().filter(|(_, right)| **right) {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let hidden = &self.headings[shown..];
        let named = (!hidden.is_empty()).then(|| {
            let word = if hidden.len() == 1 {
                "column"
            } else {
                "columns"
            };
            format!("{} more {word}: {}", hidden.len(), hidden.join(", "))
        });
        (table, named)
    }

    /// How many columns fit, at least the first.
    fn room(&self, width: usize) -> usize {
        let mut left = width.saturating_sub(1);
        let fits = |column: &usize| {
            let taken = self.characters(*column) + FRAME;
            let fits = taken <= left;
            left = left.saturating_sub(taken);
            fits
        };
        let fitting = (0..self.headings.len()).take_while(fits).count();
        fitting.max(1).min(self.headings.len())
    }

    /// How wide a column's text is, once cut.
    fn characters(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let all = cells.chain(self.headings.get(column));
        all.map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .min(CELL)
    }
}

fn cut(cell: &str, most: usize) -> String {
    match cell.char_indices().nth(most) {
        None => cell.to_owned(),
        Some(_) => {
            let kept: String = cell.chars().take(most - 1).collect();
            format!("{kept}…")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(columns: usize, cell: &str) -> Grid {
        Grid {
            headings: (0..columns).map(|i| format!("c{i}")).collect(),
            rows: vec![vec![cell.to_owned(); columns]; 2],
            numeric: vec![false; columns],
        }
    }

    #[test]
    fn a_table_is_never_wider_than_it_may_be() {
        for columns in [1, 2, 7] {
            for cell in ["x", "some words", &"long ".repeat(30)] {
                for width in [10, 20, 45, 80, 200] {
                    let (mut table, hidden) = grid(columns, cell).fit(Some(width));
                    let widest = table.lines().map(|line| line.chars().count()).max();
                    assert!(
                        widest.unwrap() <= width,
                        "{columns} {cell} {width}\n{table}"
                    );
                    let shown = table.column_count();
                    let told = hidden
                        .as_deref()
                        .map_or(0, |line| line.matches('c').count() - 1);
                    assert_eq!(shown + told, columns, "{hidden:?}");
                }
            }
        }
    }

    #[test]
    fn without_a_width_nothing_is_cut() {
        let long = "long ".repeat(30);
        let (table, hidden) = grid(5, &long).fit(None);
        assert!(table.to_string().contains(&long));
        assert_eq!(hidden, None);
        let (table, hidden) = grid(3, &long).fit(Some(60));
        assert!(table.to_string().contains('…'));
        assert_eq!(hidden.as_deref(), Some("2 more columns: c1, c2"));
    }
}
