//! The words of the runtime socket: HAProxy's verbs and a few of our own, from one table.

use super::stat::Filter;

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    ShowInfo(Form),
    ShowStat(Filter, Form),
    Reload,
    Help,
    Prompt,
    Quit,
    SetSeverity(Severity),
    /// Known, and not built yet.
    NotYet(&'static str),
    /// Known, with arguments that are not; what it takes.
    Wrong(&'static str),
    Unknown,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

/// What stands before an answer that refuses something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Severity {
    #[default]
    None,
    Number,
    Word,
}

/// How the arguments of a command that is built are read; `None`: they are wrong.
type Read = fn(&[&str]) -> Option<Command>;

struct Entry {
    verb: &'static str,
    usage: &'static str,
    does: &'static str,
    /// Not there: not available yet.
    read: Option<Read>,
}

const fn built(verb: &'static str, usage: &'static str, does: &'static str, read: Read) -> Entry {
    Entry { verb, usage, does, read: Some(read) }
}

const fn later(verb: &'static str, usage: &'static str, does: &'static str) -> Entry {
    Entry { verb, usage, does, read: None }
}

const TABLE: [Entry; 25] = [
    later("add server", "add server <pool>/<server> <addr> [weight <n>] [check]", "add a server"),
    later("clear counters", "clear counters [all]", "set peaks, or all counters, to 0"),
    later("del server", "del server <pool>/<server>", "remove a server"),
    later("disable server", "disable server <pool>/<server>", "take a server out"),
    later("drain", "drain <pool>/<server> [over <time>]", "close its sessions at an even pace"),
    later("enable server", "enable server <pool>/<server>", "take a server in"),
    later("explain", "explain <address>", "say where a client goes and why"),
    later("plan", "plan <file>", "say which clients a change would move"),
    later("reconcile", "reconcile <pool> [over <time>]", "close sessions whose owner changed"),
    built("reload", "reload", "read the configuration again", |words| {
        words.is_empty().then_some(Command::Reload)
    }),
    later("set maxconn", "set maxconn <what> <n>", "change a limit of sessions"),
    later("set server", "set server <pool>/<server> <what>", "change a server's state or weight"),
    built(
        "set severity-output",
        "set severity-output {none|number|string}",
        "what stands before an error",
        |words| {
            Some(Command::SetSeverity(match words {
                ["none"] => Severity::None,
                ["number"] => Severity::Number,
                ["string"] => Severity::Word,
                _ => return None,
            }))
        },
    ),
    built("show info", "show info [json]", "the process as a whole", |words| match words {
        [] => Some(Command::ShowInfo(Form::Text)),
        ["json"] => Some(Command::ShowInfo(Form::Json)),
        _ => None,
    }),
    later("show moved", "show moved", "sessions whose owner is another server now"),
    later("show servers state", "show servers state [<pool>]", "the servers' states"),
    later("show sess", "show sess [<id>]", "the live sessions"),
    built(
        "show stat",
        "show stat [<proxy> <type> <server>] [json] [up|no-maint]",
        "counters of listeners, pools and servers",
        show_stat,
    ),
    later("show workers", "show workers", "the workers"),
    later("shutdown session", "shutdown session <id>", "reset a session"),
    later("shutdown sessions", "shutdown sessions server <pool>/<server>", "reset its sessions"),
    later("upgrade", "upgrade", "go on with the binary that is now at its path"),
    built("help", "help", "this list", |words| words.is_empty().then_some(Command::Help)),
    built("prompt", "prompt", "begin or end interactive use", |words| {
        words.is_empty().then_some(Command::Prompt)
    }),
    built("quit", "quit", "end the connection", |_| Some(Command::Quit)),
];

/// The commands of a line, at least one: an empty line is a command that nobody knows.
pub(super) fn commands(line: &str) -> Vec<Command> {
    let texts = line.split(';').filter(|text| !text.trim().is_empty());
    let commands: Vec<Command> = texts.map(command).collect();
    if commands.is_empty() { vec![Command::Unknown] } else { commands }
}

fn command(text: &str) -> Command {
    let words: Vec<&str> = text.split_whitespace().collect();
    let verb_of = |entry: &Entry| entry.verb.split(' ').count();
    let fits = |entry: &&Entry| words.starts_with(&entry.verb.split(' ').collect::<Vec<_>>());
    let Some(entry) = TABLE.iter().find(fits) else { return Command::Unknown };
    match entry.read {
        Some(read) => read(&words[verb_of(entry)..]).unwrap_or(Command::Wrong(entry.usage)),
        None => Command::NotYet(entry.verb),
    }
}

/// `[<proxy> <type> <server>]`, and words in any order after it.
fn show_stat(words: &[&str]) -> Option<Command> {
    let (filter, words) = match words {
        [proxy, kinds, server, rest @ ..] if kinds.parse::<i32>().is_ok() => {
            let filter = Filter {
                proxy: Some((*proxy).to_owned()).filter(|proxy| proxy != "-1"),
                kinds: kinds.parse().ok()?,
                server: server.parse().ok().filter(|id| *id != -1),
            };
            server.parse::<i64>().ok()?;
            (filter, rest)
        }
        words => (Filter::default(), words),
    };
    let mut form = Form::Text;
    for word in words {
        match *word {
            "json" => form = Form::Json,
            // No server can be down or in maintenance yet.
            "up" | "no-maint" => {}
            _ => return None,
        }
    }
    Some(Command::ShowStat(filter, form))
}

/// The list of commands, under HAProxy's heading.
pub(super) fn help() -> String {
    format!("The following commands are valid at this level:\n{}", list())
}

/// The answer to what nobody knows, in HAProxy's words.
pub(super) fn unknown() -> String {
    format!("Unknown command. Please enter one of the following commands only:\n{}", list())
}

fn list() -> String {
    let line = |entry: &Entry| {
        let later = if entry.read.is_some() { "" } else { " (not available yet)" };
        format!("  {:<58}: {}{later}\n", entry.usage, entry.does)
    };
    TABLE.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Command {
        commands(text).remove(0)
    }

    // Goal: every verb of the table is reached by its own words. Method: each with nothing more.
    #[test]
    fn every_verb_is_known() {
        for entry in &TABLE {
            match entry.read {
                None => assert_eq!(one(entry.verb), Command::NotYet(entry.verb)),
                Some(_) => assert_ne!(one(entry.verb), Command::Unknown, "{}", entry.verb),
            }
        }
        assert_eq!(one("shutdown sessions server a/b"), Command::NotYet("shutdown sessions"));
    }

    // Goal: what is not there is unknown, however near. Method: a few.
    #[test]
    fn others_are_unknown() {
        for text in ["", "show", "show infos", "SHOW INFO", "showinfo", "\u{fffd}"] {
            assert_eq!(one(text), Command::Unknown, "{text}");
        }
    }

    // Goal: arguments are read in any sensible form, and no other. Method: both.
    #[test]
    fn arguments_are_read() {
        let all = Filter::default();
        assert_eq!(one("  show\t stat  "), Command::ShowStat(all.clone(), Form::Text));
        assert_eq!(one("show stat json"), Command::ShowStat(all.clone(), Form::Json));
        assert_eq!(one("show stat -1 -1 -1 up json"), Command::ShowStat(all, Form::Json));
        let some = Filter { proxy: Some("echo".into()), kinds: 4, server: Some(2) };
        assert_eq!(one("show stat echo 4 2"), Command::ShowStat(some, Form::Text));
        assert_eq!(one("show info json"), Command::ShowInfo(Form::Json));
        for wrong in ["show info typed", "show stat echo 4", "show stat a 4 b", "help me"] {
            assert!(matches!(one(wrong), Command::Wrong(_)), "{wrong}");
        }
        assert_eq!(commands("prompt ;; quit;"), [Command::Prompt, Command::Quit]);
    }
}
