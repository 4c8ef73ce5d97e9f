//! Columns of text, laid out as the real program lays them out.

/// Lays rows out in columns with two spaces between.
///
/// Cells are joined by `|` and split again, so a `|` inside one makes more columns; cells are
/// trimmed; widths count code points; the last cell of a row is not padded.
pub(crate) fn columns<S: AsRef<str>>(rows: &[Vec<S>]) -> String {
    let rows: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| row.iter().flat_map(|cell| cell.as_ref().split('|')).map(str::trim).collect())
        .collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                let padding = widths[column] - cell.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
    }
    text
}

/// Breaks text into lines of at most `width` code points, at spaces; newlines stay.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_split_trimmed_and_padded_by_code_points() {
        let rows = [vec!["ümläut-日本", "a|b", "x"], vec!["n", "  c  ", ""], vec!["n2", "y"]];
        assert_eq!(columns(&rows), "ümläut-日本  a  b  x\nn          c  \nn2         y");
        assert_eq!(columns::<&str>(&[]), "");
    }

    #[test]
    fn long_words_stand_alone() {
        assert_eq!(wrap("aa bb ccccccc d", 5), ["aa bb", "ccccccc", "d"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
    }
}
