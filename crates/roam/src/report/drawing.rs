//! What drawings share: numbers in them, and text that keeps to its room.

/// The style of all drawings; page and pictures have it.
pub(super) const STYLE: &str = concat!(include_str!("palette.css"), include_str!("drawing.css"));

/// The width of a letter by its height, on the safe side: fonts differ from reader to reader.
const LETTER: f64 = 0.6;

/// A coordinate, to the tenth of a pixel.
pub(super) fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// A count with a comma before each three digits.
pub(super) fn grouped(count: u32) -> String {
    let digits = count.to_string();
    let comma = |place: usize| place > 0 && (digits.len() - place).is_multiple_of(3);
    let digit = |(place, digit): (usize, char)| {
        if comma(place) { format!(",{digit}") } else { digit.to_string() }
    };
    digits.chars().enumerate().map(digit).collect()
}

/// The text, or as much of its beginning as has room at a letter's height.
pub(super) fn fitted(text: &str, height: f64, room: f64) -> String {
    let most = (room / (height * LETTER)) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The text in lines that have room at a letter's height.
pub(super) fn wrapped(text: &str, height: f64, room: f64) -> Vec<String> {
    let most = (room / (height * LETTER)) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                *line += " ";
                *line += word;
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        assert_eq!((at(12.0), at(0.25), at(-3.04)), ("12".into(), "0.2".into(), "-3".into()));
    }

    #[test]
    fn counts_are_grouped() {
        let shown = [0, 999, 1_000, 32_400, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "32,400", "1,234,567"]);
    }

    #[test]
    fn text_keeps_to_its_room() {
        assert_eq!(fitted("127.0.0.1", 10.0, 60.0), "127.0.0.1");
        assert_eq!(fitted("2001:db8::1:2:3", 10.0, 60.0), "2001:db8:…");
        assert_eq!(fitted("é", 10.0, 0.0), "…");
        assert_eq!(wrapped("one two three", 10.0, 48.0), ["one two", "three"]);
        assert_eq!(wrapped("three", 10.0, 12.0), ["three"]);
    }
}
