use std::process::Command;

use ringbolt_tests::{Folder, command, finish, haproxy, need};

const LAYER_7: &str = include_str!("../../../docs/when-you-need-l7.md");

/// The blocks of this language in a page, in their order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    let block = |text: &str| text.split_once("```").expect("a block ends").0.to_owned();
    page.split(&start).skip(1).map(block).collect()
}

fn haproxy_takes(configuration: &str) {
    let folder = Folder::new();
    let file = folder.write("haproxy.cfg", configuration);
    let mut command = Command::new(haproxy());
    command.args(["-c", "-f", &file]);
    let ended = finish(command);
    assert_eq!(ended.code, Ok(0), "{configuration}\n{ended:?}");
    let said = format!("{}{}", ended.stdout, ended.stderr).to_lowercase();
    assert!(!said.contains("warning"), "{configuration}\n{said}");
}

/// Goal: HAProxy takes what the page on layer 7 has for it without a warning. Method: the cookie's
/// file as it stands, and again with the frontend for proxies behind ringbolt in its place.
#[test]
fn haproxy_takes_the_page_on_layer_7() {
    need!(Haproxy);
    let blocks = blocks(LAYER_7, "haproxy");
    let [cookie, behind] = blocks.as_slice() else { panic!("two blocks, not {blocks:?}") };
    assert!(cookie.contains("cookie ws1") && behind.contains("expect-proxy"));
    haproxy_takes(cookie);
    let (before, rest) = cookie.split_once("frontend web\n").expect("a frontend");
    let (_, backend) = rest.split_once("\n\n").expect("a backend after it");
    haproxy_takes(&format!("{before}{behind}\n{backend}"));
}

/// Goal: what the page has for ringbolt is valid. Method: `check`, with a listener and a server around
/// the lines that are a part of a pool.
#[test]
fn check_passes_the_page_on_layer_7() {
    need!(Binary);
    let blocks = blocks(LAYER_7, "toml");
    let [key, proxies] = blocks.as_slice() else { panic!("two blocks, not {blocks:?}") };
    assert!(key.contains("v4 = 24") && proxies.contains("send_proxy"));
    let whole = format!(
        "[listener.web]\nbind = \"127.0.0.1:0\"\npool = \"echo\"\n{key}\n\
         [[pool.echo.server]]\nname = \"ws1\"\naddr = \"127.0.0.1:9\"\n"
    );
    for text in [&whole, proxies] {
        let folder = Folder::new();
        let file = folder.write("ringbolt.toml", text);
        let ended = finish(command(&["check", &file]));
        assert_eq!(ended.code, Ok(0), "{text}\n{ended:?}");
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("warning"), "{ended:?}");
    }
}
