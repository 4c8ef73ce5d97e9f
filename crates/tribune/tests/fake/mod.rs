//! An agent that is none: it answers requests as a test says, and remembers them.
#![allow(clippy::unwrap_used)]
// Each test file that has it uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// A request: `METHOD /path?query`, and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub line: String,
    pub body: Vec<u8>,
}

/// What is answered.
pub struct Answer {
    pub status: u16,
    pub index: u64,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, index: 1, body: body.into() }
    }
}

type Answers = dyn Fn(&Asked) -> Answer + Send + Sync;

/// The agent. It lives until the test ends.
pub struct Fake {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    directory: PathBuf,
}

impl Fake {
    /// Listens on a port of its own. An answer may take its time: each connection has a thread.
    pub fn start(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, log): (Arc<Answers>, _) = (Arc::new(answers), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, log) = (answers.clone(), log.clone());
                // A client that has gone has heard enough.
                std::thread::spawn(move || drop(converse(stream, &*answers, &log)));
            }
        });
        let directory =
            std::env::temp_dir().join(format!("tribune-fake-{}-{address}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tribune"), directory.join("consul"))
            .unwrap();
        Fake { address, asked, directory }
    }

    /// What was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The lines of what was asked.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// A command of this agent, to be adorned and started.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.directory.join("consul"));
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("CONSUL_HTTP_ADDR", self.address.to_string())
            .current_dir(&self.directory)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command; returns standard output, standard error and the exit code.
    pub fn run(&self, words: &[&str]) -> (String, String, Option<i32>) {
        let output = self.command(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }

    /// The folder in which commands are run.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn converse(
    mut stream: TcpStream,
    answers: &Answers,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let line = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
        let asked = Asked { line, body };
        log.lock().unwrap().push(asked.clone());
        let Answer { status, index, body } = answers(&asked);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\nX-Consul-Index: {index}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), &body].concat())?;
    }
}
