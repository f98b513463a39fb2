//! A browser without a window: opens a page, and tells what it shows. It is asked by the DevTools
//! protocol on a pipe (descriptors 3 and 4, a JSON message up to each NUL), so that no port and no
//! driver is needed, and the browser ends when the test does.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::ringbolt::Owned;
use crate::skip::package;
use crate::{BOUND, Folder, until};

/// Headless; with nothing remembered, nothing of its own to say to the world, and no proxy. The
/// sandbox refuses to run as root, and the only page is our own.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--remote-debugging-pipe",
];

/// Chromium with one page open.
#[derive(Debug)]
pub struct Browser {
    child: Owned,
    questions: ChildStdin,
    messages: Receiver<Value>,
    page: Option<String>,
    asked: u64,
    _profile: Folder,
}

impl Browser {
    /// Starts one on `clients/browser/index.html`, with `fragment` behind the page's address.
    ///
    /// # Panics
    ///
    /// When it does not start, or does not open the page.
    pub fn open(fragment: &str) -> Self {
        let profile = Folder::new();
        // The shell puts the two ends where the browser expects them.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh", "chromium"]);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.file("profile")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // It complains about a desktop that is not there. Its end is seen, whatever the reason.
        command.stderr(Stdio::null());
        let mut child = Owned(command.spawn().expect("a shell"));
        let questions = child.0.stdin.take().expect("piped");
        let stdout = child.0.stdout.take().expect("piped");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(stdout).split(0) {
                let Ok(message) = message else { return };
                let message = serde_json::from_slice(&message).expect("a message in JSON");
                let Ok(()) = sender.send(message) else { return };
            }
        });
        let mut browser =
            Self { child, questions, messages, page: None, asked: 0, _profile: profile };
        let file = package().join("clients/browser/index.html");
        let url = format!("file://{}#{fragment}", file.display());
        let page = browser.ask("Target.createTarget", json!({"url": url}));
        let target = json!({"targetId": page["targetId"], "flatten": true});
        let attached = browser.ask("Target.attachToTarget", target);
        browser.page = Some(attached["sessionId"].as_str().expect("a session").to_owned());
        browser
    }

    /// The lines that the page shows.
    ///
    /// # Panics
    ///
    /// When the browser does not answer.
    pub fn lines(&mut self) -> Vec<String> {
        // There is no body yet while the page is being read.
        let text = self.run("document.body?.innerText ?? ''");
        text.as_str().expect("a text").lines().map(str::to_owned).collect()
    }

    /// Waits until the page shows so many lines, and gives them.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn lines_of(&mut self, count: usize) -> Vec<String> {
        until(&format!("{count} lines in the page"), || {
            Some(self.lines()).filter(|lines| lines.len() >= count)
        })
    }

    /// Runs a script in the page, and gives its value.
    ///
    /// # Panics
    ///
    /// When it throws.
    pub fn run(&mut self, script: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", json!({"expression": script}));
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Ends it in order: it has closed its connections.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn close(mut self) {
        self.ask("Browser.close", json!({}));
        until("the browser ends", || self.child.0.try_wait().expect("our child"));
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut question = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(page) = self.page.as_ref().filter(|_| !method.starts_with("Browser.")) {
            question["sessionId"] = page.as_str().into();
        }
        write!(self.questions, "{question}\0").expect("the browser reads");
        loop {
            let message = self.messages.recv_timeout(BOUND);
            let mut message = message.unwrap_or_else(|e| panic!("the browser on {question}: {e}"));
            // The others are events.
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "the browser on {question}: {message}");
                return message["result"].take();
            }
        }
    }
}
