//! Text in columns, for people.

use std::io::{self, Write};

/// Space between columns.
pub(crate) const GAP: &str = "  ";

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Writes `rows` under `header`, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    under(header, rows, (GAP, [Side::Left; N]), out)
}

/// The same, each line after an indent, and each column's cells on their side.
pub(crate) fn under<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    form: (&str, [Side; N]),
    out: &mut dyn Write,
) -> io::Result<()> {
    let header = header.map(str::to_owned);
    let lines: Vec<&[String; N]> = std::iter::once(&header).chain(rows).collect();
    align(&lines, form, out)
}

/// Writes `rows` without a header, each line after `indent`.
pub(crate) fn columns<const N: usize>(
    indent: &str,
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    align(&rows.iter().collect::<Vec<_>>(), (indent, [Side::Left; N]), out)
}

fn align<const N: usize>(
    lines: &[&[String; N]],
    (indent, sides): (&str, [Side; N]),
    out: &mut dyn Write,
) -> io::Result<()> {
    let widths: Vec<usize> = (0..N).map(|column| width(lines, column)).collect();
    for line in lines {
        let cells = line.iter().zip(&widths).zip(sides).map(|((cell, width), side)| match side {
            Side::Left => format!("{cell:<width$}"),
            Side::Right => format!("{cell:>width$}"),
        });
        let cells: Vec<String> = cells.collect();
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
