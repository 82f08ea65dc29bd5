//! Text in columns.

use std::io::{self, Write};

/// Space between columns.
const GAP: &str = "  ";

/// Writes `rows` under `header`, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    let header = header.map(str::to_owned);
    let lines: Vec<&[String; N]> = std::iter::once(&header).chain(rows).collect();
    align(GAP, &lines, out)
}

/// Writes `rows` without a header, each line after `indent`.
pub(super) fn columns<const N: usize>(
    indent: &str,
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    align(indent, &rows.iter().collect::<Vec<_>>(), out)
}

fn align<const N: usize>(
    indent: &str,
    lines: &[&[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    let widths: Vec<usize> = (0..N).map(|column| width(lines, column)).collect();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{indent}{}", cells.join(GAP).trim_end())?;
    }
    Ok(())
}

fn width<const N: usize>(lines: &[&[String; N]], column: usize) -> usize {
    let cells = lines.iter().filter_map(|line| line.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_carry_no_trailing_space() {
        let mut out = Vec::new();
        let rows = [["a".into(), "1".into()], ["long name".into(), String::new()]];
        table(["NAME", "N"], &rows, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  NAME       N\n  a          1\n  long name\n"
        );
    }
}
