//! The known name that was probably meant.

/// Longest name that is compared.
const LONGEST_BYTES: usize = 64;

/// The known name that is nearest to a mistyped one, if one is near at all.
pub(crate) fn nearest<'a>(mistyped: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if mistyped.len() > LONGEST_BYTES {
        return None;
    }
    let mistyped = mistyped.to_lowercase();
    let limit = (mistyped.chars().count() / 3).clamp(1, 3);
    known
        .map(|name| (distance(&mistyped, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many characters must be changed, added or taken away (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
