//! Consul's commands that wait: watches and locks.
#![allow(clippy::unwrap_used)]

mod fake;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use fake::{Answer, Asked, Fake};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn interrupt(child: &Child) {
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_handler_is_run_at_first_and_after_each_change() {
    let fake = Fake::start(|asked| {
        let pair = |value: &str| format!(r#"[{{"Key":"k","Value":"{value}","Flags":3}}]"#);
        let (index, body) = match asked.line.as_str() {
            "GET /v1/status/leader" => (1, "\"127.0.0.1:8300\"".to_owned()),
            "GET /v1/kv/k" => (5, pair("djE=")),
            // The index moves, the value does not.
            "GET /v1/kv/k?index=5" => (6, pair("djE=")),
            "GET /v1/kv/k?index=6" => (7, pair("djI=")),
            _ => loop {
                std::thread::park();
            },
        };
        Answer { status: 200, index, body: body.into_bytes() }
    });
    let handler = "echo index $CONSUL_INDEX; cat";
    let mut child = fake
        .command(&["watch", "-type=key", "-key=k", handler])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(4).map(Result::unwrap).collect();
    let pair = |value: &str| {
        format!(
            r#"{{"Key":"k","CreateIndex":0,"ModifyIndex":0,"LockIndex":0,"Flags":3,"Value":"{value}","Session":""}}"#
        )
    };
    assert_eq!(lines, ["index 5", &pair("djE="), "index 7", &pair("djI=")]);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_handler_that_fails_ends_the_watch() {
    let fake = Fake::start(|_| Answer::new(200, "[]"));
    let (_, error, code) = fake.run(&["watch", "-type=nodes", "exit 3"]);
    assert_eq!((error.as_str(), code), ("Error executing handler: exit status 3\n", Some(1)));
    let (_, error, code) = fake.run(&["watch", "-type=nodes", "-shell=false", "/no/such"]);
    let text = "Error starting handler: fork/exec /no/such: no such file or directory\n";
    assert_eq!((error.as_str(), code), (text, Some(1)));
}

#[test]
fn a_log_is_followed_until_an_interrupt() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let agent = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut first = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut first).unwrap();
        let line = "16\r\n[INFO] agent: started\n\r\n";
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        stream.write_all((head + line).as_bytes()).unwrap();
        // The stream has no end; the client leaves.
        let _ = stream.read_to_end(&mut Vec::new());
        first
    });
    let fake = Fake::start(|_| Answer::new(500, ""));
    let mut child = fake
        .command(&["monitor", "-log-level=debug", "-log-json", "-http-addr", &address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "[INFO] agent: started\n");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let asked = agent.join().unwrap();
    assert_eq!(asked, "GET /v1/agent/monitor?logjson=true&loglevel=debug HTTP/1.1\r\n");
}

#[test]
fn patience_ends_although_the_agent_does_not_answer() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/agent/self" => Answer::new(200, r#"{"Config":{"NodeName":"n1"}}"#),
        "PUT /v1/session/create" => Answer::new(200, r#"{"ID":"s1"}"#),
        "PUT /v1/session/destroy/s1" => Answer::new(200, "true"),
        _ => loop {
            std::thread::park();
        },
    });
    let begun = Instant::now();
    assert_eq!(fake.run(&["lock", "-try=10ms", "p", "true"]).2, Some(1));
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(fake.lines().pop().unwrap(), "PUT /v1/session/destroy/s1");
}

#[test]
fn an_interrupt_ends_a_lock_whose_agent_does_not_answer() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/agent/self" => Answer::new(200, r#"{"Config":{"NodeName":"n1"}}"#),
        _ => loop {
            std::thread::park();
        },
    });
    let mut child = fake.command(&["lock", "p", "true"]).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !fake.lines().contains(&"PUT /v1/session/create".to_owned()) {
        assert!(Instant::now() < deadline, "{:?}", fake.lines());
        std::thread::yield_now();
    }
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// Keys with what locks need: the session that holds one, the index, and waiting for a change.
#[derive(Default)]
struct Keys {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    index: u64,
    sessions: u64,
    keys: BTreeMap<String, Key>,
}

#[derive(Clone, Default)]
struct Key {
    session: String,
    flags: String,
    value: Vec<u8>,
    index: u64,
}

impl Keys {
    fn answer(&self, asked: &Asked) -> Answer {
        let (line, query) = asked.line.split_once('?').unwrap_or((&asked.line, ""));
        let query: BTreeMap<_, _> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let (method, path) = line.split_once(' ').unwrap();
        if path == "/v1/agent/self" {
            return Answer::new(200, r#"{"Config":{"NodeName":"n1"}}"#);
        }
        if let Some(call) = path.strip_prefix("/v1/session/") {
            return self.session(call);
        }
        let key = path.strip_prefix("/v1/kv/").unwrap();
        match method {
            "GET" => self.get(key, &query),
            "PUT" => self.put(key, &query, &asked.body),
            _ => self.delete(key, &query),
        }
    }

    fn session(&self, call: &str) -> Answer {
        let mut state = self.state.lock().unwrap();
        if call == "create" {
            state.sessions += 1;
            return Answer::new(200, format!(r#"{{"ID":"s{}"}}"#, state.sessions));
        }
        if let Some(id) = call.strip_prefix("destroy/") {
            state.index += 1;
            let index = state.index;
            for key in state.keys.values_mut().filter(|key| key.session == id) {
                key.session.clear();
                key.index = index;
            }
            self.changed.notify_all();
        }
        Answer::new(200, "[]")
    }

    fn get(&self, wanted: &str, query: &BTreeMap<&str, &str>) -> Answer {
        let after: u64 = query.get("index").map_or(0, |index| index.parse().unwrap());
        let wait = query.get("wait").and_then(|wait| wait.strip_suffix("ms"));
        let wait = wait.map_or(PATIENCE, |ms| Duration::from_millis(ms.parse().unwrap()));
        let limit = Instant::now() + wait;
        let mut state = self.state.lock().unwrap();
        while state.index <= after && after > 0 && Instant::now() < limit {
            state = self.changed.wait_timeout(state, Duration::from_millis(10)).unwrap().0;
        }
        let index = state.index.max(1);
        let is_wanted = |key: &str| match query.contains_key("recurse") {
            true => key.starts_with(wanted),
            false => key == wanted,
        };
        let found: Vec<_> = state
            .keys
            .iter()
            .filter(|(key, _)| is_wanted(key))
            .map(|(name, key)| {
                let value = base64(&key.value);
                format!(
                    r#"{{"Key":"{name}","Flags":{},"Session":"{}","Value":{value},"ModifyIndex":{}}}"#,
                    key.flags, key.session, key.index
                )
            })
            .collect();
        let status = if found.is_empty() { 404 } else { 200 };
        Answer { status, index, body: format!("[{}]", found.join(",")).into_bytes() }
    }

    fn put(&self, name: &str, query: &BTreeMap<&str, &str>, body: &[u8]) -> Answer {
        let mut state = self.state.lock().unwrap();
        let old = state.keys.get(name).cloned().unwrap_or_default();
        let mut new = Key { session: old.session.clone(), ..Key::default() };
        if let Some(session) = query.get("acquire") {
            if !old.session.is_empty() && old.session != *session {
                return Answer::new(200, "false");
            }
            new.session = (*session).to_owned();
        }
        if query.get("release").is_some_and(|session| old.session == *session) {
            new.session.clear();
        }
        if query.get("cas").is_some_and(|index| *index != old.index.to_string()) {
            return Answer::new(200, "false");
        }
        state.index += 1;
        new.index = state.index;
        new.flags = (*query.get("flags").unwrap_or(&"0")).to_owned();
        new.value = body.to_vec();
        state.keys.insert(name.to_owned(), new);
        self.changed.notify_all();
        Answer::new(200, "true")
    }

    fn delete(&self, name: &str, query: &BTreeMap<&str, &str>) -> Answer {
        let mut state = self.state.lock().unwrap();
        let index = state.keys.get(name).map_or(0, |key| key.index);
        // Who cleans up may have looked before another took the key.
        if query.get("cas").is_some_and(|seen| *seen != index.to_string()) {
            return Answer::new(200, "false");
        }
        state.index += 1;
        state.keys.remove(name);
        self.changed.notify_all();
        Answer::new(200, "true")
    }
}

/// A value in JSON: in base64, `null` if it is empty.
fn base64(value: &[u8]) -> String {
    use base64::Engine;

    match value {
        [] => "null".to_owned(),
        value => format!("\"{}\"", base64::engine::general_purpose::STANDARD.encode(value)),
    }
}

fn keys() -> Fake {
    let keys = Keys::default();
    Fake::start(move |asked| keys.answer(asked))
}

/// Starts a command whose child says something once it holds the lock, and waits for that.
fn holder(
    fake: &Fake,
    words: &[&str],
    child: &str,
) -> (Child, BufReader<std::process::ChildStdout>) {
    let words = [&["lock"], words, &[child]].concat();
    let mut process = fake.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    (process, output)
}

#[test]
fn a_lock_is_taken_kept_given_back_and_cleaned_up() {
    let fake = keys();
    let output = fake.run(&["lock", "-name=mine", "p", "echo $CONSUL_LOCK_HELD"]);
    assert_eq!(output, ("true\n".to_owned(), String::new(), Some(0)));
    let marker = "3304740253564472344";
    let lines = fake.lines();
    assert_eq!(
        lines[..4],
        [
            "GET /v1/agent/self".to_owned(),
            "PUT /v1/session/create".to_owned(),
            "GET /v1/kv/p/.lock?wait=15000ms".to_owned(),
            format!("PUT /v1/kv/p/.lock?acquire=s1&flags={marker}"),
        ]
    );
    // A short child may be over before anybody looks whether the lock is still held.
    let after: Vec<_> = lines[4..].iter().filter(|line| !line.contains("consistent")).collect();
    assert_eq!(
        after,
        [
            &format!("PUT /v1/kv/p/.lock?flags={marker}&release=s1"),
            "PUT /v1/session/destroy/s1",
            "GET /v1/kv/p/.lock?wait=15000ms",
            "DELETE /v1/kv/p/.lock?cas=2",
        ]
    );
    assert_eq!(fake.asked()[1].body, br#"{"Name":"mine","TTL":"15s"}"#);
}

#[test]
fn exit_codes_tell_what_was_asked_for() {
    let fake = keys();
    let failed = "Error running handler: exit status 3\n".to_owned();
    assert_eq!(fake.run(&["lock", "p", "exit 3"]), (String::new(), failed.clone(), Some(0)));
    let words = ["lock", "-child-exit-code", "p", "exit 3"];
    assert_eq!(fake.run(&words), (String::new(), failed, Some(2)));
}

#[test]
fn a_second_one_waits_or_gives_up() {
    let fake = keys();
    let (mut first, _) = holder(&fake, &["p"], "echo held; read forever < /dev/zero");
    let (_, error, code) = fake.run(&["lock", "-try=300ms", "p", "true"]);
    let text = "Shutdown triggered or timeout during lock acquisition\n";
    assert_eq!((error.as_str(), code), (text, Some(1)));
    let second =
        fake.command(&["lock", "p", "echo second"]).stdout(Stdio::piped()).spawn().unwrap();
    // It waits for a change of the key that it has seen.
    let deadline = Instant::now() + PATIENCE;
    while !fake.lines().iter().any(|line| line.contains("index=") && line.contains("15000ms")) {
        assert!(Instant::now() < deadline, "{:?}", fake.lines());
        std::thread::yield_now();
    }
    interrupt(&first);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(second.wait_with_output().unwrap().stdout, b"second\n");
}

#[test]
fn a_lock_that_is_lost_ends_the_child() {
    let fake = keys();
    let child = "trap 'echo ended; exit 0' TERM; echo held; while :; do sleep 0.01; done";
    let (mut process, mut output) = holder(&fake, &["p"], child);
    let released = fake.run(&["kv", "put", "-release", "-session=s1", "p/.lock"]);
    assert_eq!(released.2, Some(0));
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ended\n");
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_semaphore_has_as_many_holders_as_it_says() {
    let fake = keys();
    let child = "echo held; read forever < /dev/zero";
    let (mut first, _) = holder(&fake, &["-n=2", "s"], child);
    let (mut second, _) = holder(&fake, &["-n=2", "s"], child);
    let (shown, ..) = fake.run(&["kv", "get", "s/.lock"]);
    assert_eq!(shown, "{\"Limit\":2,\"Holders\":{\"s1\":true,\"s2\":true}}\n");
    let (_, _, code) = fake.run(&["lock", "-n=2", "-try=300ms", "s", "true"]);
    assert_eq!(code, Some(1));
    let (_, error, code) = fake.run(&["lock", "-n=3", "s", "true"]);
    assert!(error.starts_with("Lock acquisition failed: semaphore limit conflict"), "{error}");
    assert_eq!(code, Some(1));
    for process in [&mut first, &mut second] {
        interrupt(process);
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }
    let (left, ..) = fake.run(&["kv", "get", "-recurse"]);
    assert_eq!(left, "", "nothing is left behind");
}

#[test]
fn a_key_of_another_purpose_is_left_alone() {
    let fake = keys();
    assert_eq!(fake.run(&["kv", "put", "p/.lock", "mine"]).2, Some(0));
    let (_, error, code) = fake.run(&["lock", "p", "true"]);
    let text = "Lock acquisition failed: Existing key does not match lock use\n";
    assert_eq!((error.as_str(), code), (text, Some(1)));
    assert_eq!(fake.run(&["kv", "get", "p/.lock"]).0, "mine\n");
}
