//! "Did you mean": the known word that is closest to what was written.

/// The candidate nearest to `word`, if one is near enough to be what was meant.
///
/// Near enough is one edit, or one edit for three letters of the candidate, whichever is more.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= 1.max(candidate.chars().count() / 3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let known = ["epochs", "name", "first_epoch"];
        assert_eq!(nearest("epoch", known), Some("epochs"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("weight_decay", known), None);
    }
}
