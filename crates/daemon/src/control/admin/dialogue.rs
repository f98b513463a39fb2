//! One client's talk with the runtime socket: what each line is answered with, and when it is over.
//! Pure: lines and counters in, text out.

use super::super::counters::Counters;
use super::super::reload;
use super::language::{Command, Form, Severity, commands, help, unknown};
use super::{info, stat};

/// Where a talk stands. At first one line is answered, and that is all.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    interactive: bool,
    severity: Severity,
    over: bool,
}

/// What is talked about.
pub(super) trait Engine {
    /// Everything that is counted.
    fn counters(&self) -> Counters;
    /// Reads the configuration again.
    async fn reload(&self) -> reload::Outcome;
}

/// What a command is answered with.
enum Answer {
    /// What was asked for.
    Text(String),
    /// Why it is not to be had.
    Refused(String),
}

use Answer::{Refused, Text};

impl Dialogue {
    /// Answers a line, which may hold several commands.
    pub(super) async fn answer(&mut self, line: &str, engine: &impl Engine) -> String {
        let mut said = String::new();
        if self.interactive && line.is_empty() {
            self.say(Text(String::new()), &mut said);
            return said;
        }
        for command in commands(line) {
            if command == Command::Quit {
                self.over = true;
                return said;
            }
            let answer = self.one(&command, engine).await;
            self.say(answer, &mut said);
        }
        self.over = !self.interactive;
        said
    }

    /// Answers a line that is too long, and ends.
    pub(super) fn refuse_line(&mut self) -> String {
        let mut said = String::new();
        self.say(Refused("The line is too long.\n".into()), &mut said);
        self.over = true;
        said
    }

    /// Whether more than one line may come.
    pub(super) fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Whether the connection is to be closed.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    async fn one(&mut self, command: &Command, engine: &impl Engine) -> Answer {
        match command {
            Command::ShowInfo(form) => {
                let fields = info::fields(&engine.counters());
                Text(match form {
                    Form::Text => info::text(&fields),
                    Form::Json => info::json(&fields),
                })
            }
            Command::ShowStat(filter, form) => {
                let counters = engine.counters();
                let rows = stat::rows(&counters);
                if !rows.iter().any(|row| filter.has_proxy(row)) {
                    return Refused("No such proxy.\n".into());
                }
                let rows = rows.into_iter().filter(|row| filter.has(row));
                Text(match form {
                    Form::Text => stat::csv(rows),
                    Form::Json => stat::json(rows),
                })
            }
            Command::Reload => match engine.reload().await {
                Ok(lines) => Text(text(&lines)),
                Err(lines) => Refused(text(&lines)),
            },
            Command::Help => Text(help()),
            Command::Prompt => {
                self.interactive = !self.interactive;
                Text(String::new())
            }
            Command::Quit => Text(String::new()),
            Command::SetSeverity(severity) => {
                self.severity = *severity;
                Text(String::new())
            }
            Command::NotYet(what) => Refused(format!("`{what}` is not available yet.\n")),
            Command::Wrong(usage) => Refused(format!("Usage: {usage}\n")),
            Command::Unknown => Refused(unknown()),
        }
    }

    /// An answer ends with an empty line; a prompt asks for the next one.
    fn say(&self, answer: Answer, said: &mut String) {
        match answer {
            Text(text) => said.push_str(&text),
            Refused(text) => {
                said.push_str(match self.severity {
                    Severity::None => "",
                    Severity::Number => "[3]: ",
                    Severity::Word => "[err]: ",
                });
                said.push_str(&text);
            }
        }
        said.push('\n');
        if self.interactive {
            said.push_str("> ");
        }
    }
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::counters::tests::sample;
    use super::*;

    /// An engine with the sample's numbers, whose configuration is found wrong.
    struct Sample;

    impl Engine for Sample {
        fn counters(&self) -> Counters {
            sample()
        }

        async fn reload(&self) -> reload::Outcome {
            Err(vec!["a.toml:1:1: no pool".into(), "a.toml:2:1: no server".into()])
        }
    }

    fn talk(lines: &[&str]) -> (Vec<String>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut dialogue = Dialogue::default();
        let answers =
            lines.iter().map(|line| runtime.block_on(dialogue.answer(line, &Sample))).collect();
        (answers, dialogue.is_over())
    }

    // Goal: a reload that is refused says why, and that it is refused. Method: a bad file.
    #[test]
    fn a_refused_reload_says_why() {
        let (answers, _) = talk(&["set severity-output number;reload"]);
        let said = "\n[3]: a.toml:1:1: no pool\na.toml:2:1: no server\n\n";
        assert_eq!(answers, [said]);
    }

    // Goal: one line, one answer, an empty line, the end. Method: a line with one command, and one
    // with two.
    #[test]
    fn a_line_is_answered_and_that_is_all() {
        let (answers, over) = talk(&["show info"]);
        assert!(answers[0].starts_with("Name: Ringbolt\n") && answers[0].ends_with("\n\n"));
        assert!(over);
        let (both, _) = talk(&["show info;show stat"]);
        let parts: Vec<&str> = both[0].split("\n\n").collect();
        assert_eq!(parts.len(), 3, "{both:?}");
        assert!(parts[0].starts_with("Name: ") && parts[1].starts_with("# pxname,"), "{both:?}");
        assert_eq!(parts[2], "");
    }

    // Goal: `prompt` keeps the talk going until it is given again, or `quit` is. Method: both.
    #[test]
    fn a_prompt_keeps_it_going() {
        let (answers, over) = talk(&["prompt", "", "show sess", "prompt"]);
        assert_eq!(answers, ["\n> ", "\n> ", "`show sess` is not available yet.\n\n> ", "\n"]);
        assert!(over);
        let (answers, over) = talk(&["prompt", "show sess; quit; show info"]);
        assert_eq!(answers[1], "`show sess` is not available yet.\n\n> ");
        assert!(over);
    }

    // Goal: what is refused can be told from what is not by a program. Method: the three forms.
    #[test]
    fn severity_is_shown_when_asked_for() {
        let (answers, _) = talk(&["set severity-output number;show sess"]);
        assert_eq!(answers[0], "\n[3]: `show sess` is not available yet.\n\n");
        let (answers, _) = talk(&["set severity-output string;shwo"]);
        assert!(answers[0].starts_with("\n[err]: Unknown command."), "{answers:?}");
        let (answers, _) = talk(&["set severity-output loud"]);
        assert!(answers[0].starts_with("Usage: set severity-output"), "{answers:?}");
    }

    // Goal: `show stat` shows what it was asked for. Method: by name, by number and by kind.
    #[test]
    fn rows_are_chosen() {
        let names = |line: &str| -> Vec<String> {
            let (answers, _) = talk(&[line]);
            let rows = answers[0].lines().skip(1).filter(|line| !line.is_empty());
            rows.map(|row| row.split(',').take(2).collect::<Vec<_>>().join("/")).collect()
        };
        let all = ["web/FRONTEND", "echo/ws1", "echo/ws2", "echo/BACKEND"];
        assert_eq!(names("show stat"), all);
        assert_eq!(names("show stat -1 -1 -1"), all);
        assert_eq!(names("show stat -1 1 -1"), all[..1]);
        assert_eq!(names("show stat echo 4 -1"), all[1..3]);
        assert_eq!(names("show stat 2 6 2 up"), all[2..]);
        assert_eq!(talk(&["show stat nobody 4 -1"]).0, ["No such proxy.\n\n"]);
        assert!(talk(&["show stat echo"]).0[0].starts_with("Usage: show stat"));
    }
}
