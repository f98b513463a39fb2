//! What somebody may have meant who wrote a word that is not known.
//!
//! Suggestions only; nothing is ever read as the nearest known word.

/// Longest word that is compared: the work grows with the square of it.
const WORD_BYTES_MAX: usize = 64;

/// Most words that are compared and listed.
const WORDS_MAX: usize = 256;

/// The mend for an unknown word: the nearest known one, or all of them when none is near.
pub(crate) fn suggest<'w>(word: &str, known: impl Iterator<Item = &'w str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known here: {}", listed(known)),
    }
}

/// The known word that needs fewest changes, when those are a third of the word at most.
pub(crate) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let changes_max = (word.chars().count() / 3).max(1);
    known
        .take(WORDS_MAX)
        .filter(|candidate| candidate.len() <= WORD_BYTES_MAX)
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(changes, candidate)| *changes <= changes_max && *changes < candidate.len())
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate)
}

/// Words with commas between them; a long list is cut.
pub(crate) fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    const SHOWN: usize = 20;
    let words: Vec<&str> = words.take(SHOWN + 1).collect();
    match words.get(..SHOWN) {
        Some(shown) if words.len() > SHOWN => format!("{}, …", shown.join(", ")),
        Some(_) | None => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: slips of the finger find their word, other words find none. Method: by hand.
    #[test]
    fn slips_find_their_word() {
        let known = ["balance", "attempts", "addr", "id", "v4", "v6"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("ballance"), Some("balance"));
        assert_eq!(near("atempst"), Some("attempts"));
        assert_eq!(near("adr"), Some("addr"));
        assert_eq!(near("v5"), Some("v4"));
        assert_eq!(near("maxconn"), None);
        assert_eq!(near("x"), None, "a whole word is not one change away");
        assert_eq!(near(&"balance".repeat(100)), None);
        assert_eq!(suggest("maxconn", ["a1", "b2"].into_iter()), "known here: a1, b2");
        assert_eq!(suggest("adr", known.into_iter()), "did you mean addr?");
    }

    /// Goal: a message stays readable. Method: more words than it lists.
    #[test]
    fn long_lists_are_cut() {
        let many = std::iter::repeat_n("word", 30);
        assert!(listed(many).ends_with("word, …"));
        assert_eq!(listed(std::iter::empty()), "");
    }
}
