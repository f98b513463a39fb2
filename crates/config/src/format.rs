//! Which of the three configuration languages a text is written in, by its content.
//!
//! A guess from the first line that only one of them can have. It does not parse: a text full of
//! errors still gets the error messages of its own language.

/// The language of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `ringbolt.toml`.
    Toml,
    /// `haproxy.cfg`.
    Haproxy,
    /// `nginx.conf`.
    Nginx,
    /// None of them can be told.
    Unknown,
}

/// Tells the language of a text.
///
/// A table of ours (`[listener.…]`, `[pool.…]`, or the same as dotted keys) makes it TOML, a
/// section line (`frontend`, `backend`, `listen`, `defaults`, `global`) HAProxy's, and `http {`,
/// `stream {` or `upstream` nginx's.
pub fn sniff(text: &str) -> Format {
    let text = text.trim_start_matches('\u{feff}');
    text.lines().find_map(line_format).unwrap_or(Format::Unknown)
}

/// The language that a line belongs to, when it can belong to one only.
fn line_format(line: &str) -> Option<Format> {
    let line = line.split('#').next().unwrap_or("").trim();
    if is_toml(line) {
        Some(Format::Toml)
    } else if is_haproxy(line) {
        Some(Format::Haproxy)
    } else if is_nginx(line) {
        Some(Format::Nginx)
    } else {
        None
    }
}

fn is_toml(line: &str) -> bool {
    let header = line.starts_with('[');
    let path = line.trim_start_matches('[').trim_start();
    let end = path.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(path.len());
    let (word, rest) = path.split_at(end);
    let dotted = header || rest.trim_start().starts_with(['.', '=']);
    dotted && matches!(word, "global" | "timeouts" | "listener" | "pool")
}

fn is_haproxy(line: &str) -> bool {
    let section = line.split_whitespace().next().unwrap_or("");
    // nginx knows `listen` too, as a directive; directives end with a semicolon.
    matches!(section, "global" | "defaults" | "frontend" | "backend" | "listen")
        && !line.ends_with([';', '{', '}'])
}

fn is_nginx(line: &str) -> bool {
    let spaced = line.replace('{', " { ").replace(';', " ; ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let block = |word| matches!(word, "http" | "stream");
    // Whoever writes the brace on its own line leaves the word alone on its line.
    words.len() == 1 && block(words[0])
        || words.windows(2).any(|pair| block(pair[0]) && pair[1] == "{")
        || words.windows(3).any(|three| three[0] == "upstream" && three[2] == "{")
        || words.len() == 2 && words[0] == "upstream"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each language is told by its own lines and not by those that look alike. Method: one
    /// text for each rule and each trap.
    #[test]
    fn languages_are_told_by_content() {
        let toml = [
            "[global]\nhttp = \"127.0.0.1:9180\"\n",
            "# frontend web\n[listener.web]\n",
            "\u{feff}[[pool.echo.server]]",
            "  [ pool . echo ]",
            "pool.echo.balance = \"source\"",
            "listener = { web = {} }",
            "[listener.web\nbroken",
        ];
        let haproxy = [
            "global\n  daemon",
            "# x\n\ndefaults\n mode tcp",
            "frontend web\n bind :80",
            "backend b # {",
            "listen stats\n",
            "defaults tcp from base",
        ];
        let nginx = [
            "worker_processes 1;\nevents { }\nhttp {",
            "stream{\n",
            "events {} stream { upstream a { server 1.2.3.4:5; } }",
            "http\n{\n",
            "upstream echo {",
            "upstream echo\n{",
            "user www;\nhttp { server { listen 80; } }",
            "server {\n listen 80; proxy_pass http://echo; }\nupstream echo {",
        ];
        let unknown =
            ["", "\0", "hello", "{\"listener\": 1}", "http = 5", "listen 80;", "pool echo", "é"];
        for (texts, format) in [
            (&toml[..], Format::Toml),
            (&haproxy[..], Format::Haproxy),
            (&nginx[..], Format::Nginx),
            (&unknown[..], Format::Unknown),
        ] {
            for text in texts {
                assert_eq!(sniff(text), format, "{text:?}");
            }
        }
    }
}
