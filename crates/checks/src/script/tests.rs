#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Ended, Told, check, tell};
use crate::limits::Limits;
use crate::outcome::{Outcome, Status};

/// Far more than any of these scripts needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn limits(timeout: Duration) -> Limits {
    Limits { timeout, output_max_bytes: Limits::OUTPUT_MAX_BYTES }
}

async fn run(args: &[&str]) -> Outcome {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    check(&args, limits(PATIENCE)).await
}

async fn shell(script: &str, limits: Limits) -> Outcome {
    check(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], limits).await
}

fn outcome(status: Status, output: &str) -> Outcome {
    Outcome { status, output: output.to_owned() }
}

/// A folder of its own, in which scripts leave the numbers of their processes.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tribune-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn number(&self, name: &str) -> Option<i32> {
        fs::read_to_string(self.0.join(name)).ok()?.trim().parse().ok()
    }

    async fn wait_for_number(&self, name: &str) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(number) = self.number(name) {
                return number;
            }
            assert!(Instant::now() < deadline, "no {name}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a process runs: one that has ended and waits to be buried does not.
fn is_running(number: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{number}/stat")) else { return false };
    let state = stat.rsplit_once(") ").unwrap().1;
    !state.starts_with(['Z', 'X'])
}

async fn wait_until_gone(number: i32) {
    let deadline = Instant::now() + PATIENCE;
    while is_running(number) {
        assert!(Instant::now() < deadline, "{number} still runs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn wait_until_buried(number: i32) {
    let deadline = Instant::now() + PATIENCE;
    while fs::exists(format!("/proc/{number}")).unwrap() {
        assert!(Instant::now() < deadline, "{number} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Kills a process that a script left behind on purpose.
fn kill(number: i32) {
    let process = rustix::process::Pid::from_raw(number).unwrap();
    let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
}

#[tokio::test]
async fn exit_codes() {
    assert_eq!(run(&["sh", "-c", "echo good"]).await, outcome(Status::Passing, "good\n"));
    assert_eq!(run(&["true"]).await, outcome(Status::Passing, ""));
    assert_eq!(run(&["sh", "-c", "echo w; exit 1"]).await, outcome(Status::Warning, "w\n"));
    assert_eq!(run(&["sh", "-c", "exit 2"]).await, outcome(Status::Critical, ""));
    assert_eq!(run(&["sh", "-c", "exit 255"]).await, outcome(Status::Critical, ""));
    assert_eq!(run(&["sh", "-c", "kill -9 $$"]).await, outcome(Status::Critical, ""));
}

#[tokio::test]
async fn both_outputs_in_their_order() {
    let script = "echo 1; echo 2 >&2; echo 3; echo 4 >&2; exit 2";
    assert_eq!(run(&["sh", "-c", script]).await, outcome(Status::Critical, "1\n2\n3\n4\n"));
}

#[tokio::test]
async fn nothing_to_read() {
    assert_eq!(run(&["cat"]).await, outcome(Status::Passing, ""));
}

#[tokio::test]
async fn programs_that_cannot_be_started() {
    let critical = |output| outcome(Status::Critical, output);
    assert_eq!(run(&[]).await, critical("exec: no command"));
    assert_eq!(run(&[""]).await, critical("exec: no command"));
    assert_eq!(
        run(&["no-such-program"]).await,
        critical("exec: \"no-such-program\": executable file not found in $PATH")
    );
    assert_eq!(
        run(&["/nonexistent/program"]).await,
        critical("fork/exec /nonexistent/program: no such file or directory")
    );
    assert_eq!(run(&["/"]).await, critical("fork/exec /: permission denied"));
    assert_eq!(run(&["a\0b"]).await.status, Status::Critical);
}

#[tokio::test]
async fn only_the_last_bytes_are_kept() {
    let bound = Limits { output_max_bytes: 4, ..limits(PATIENCE) };
    let found = shell("printf 0123456789", bound).await;
    assert_eq!(found.output, "Captured 4 of 10 bytes\n...\n6789");
    let found = shell("printf 0123", bound).await;
    assert_eq!(found.output, "0123");
    let found = shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", limits(PATIENCE)).await;
    assert_eq!(found.status, Status::Warning);
    let tail = "x".repeat(4096);
    assert_eq!(found.output, format!("Captured 4096 of 1000000 bytes\n...\n{tail}"));
}

#[tokio::test]
async fn the_time_is_over() {
    let found = shell("exec sleep 1000", limits(Duration::from_millis(500))).await;
    assert_eq!(found, outcome(Status::Critical, "Timed out (500ms) running check"));
}

#[tokio::test]
async fn what_it_said_before_the_time_was_over() {
    let found = shell("echo so far; exec sleep 1000", limits(Duration::from_secs(2))).await;
    let expected = "Timed out (2s) running check\n\nso far\n";
    assert_eq!(found, outcome(Status::Critical, expected));
}

#[tokio::test]
async fn floods_end_with_the_time() {
    let found = shell("yes", limits(Duration::from_millis(500))).await;
    assert_eq!(found.status, Status::Critical);
    let head = "Timed out (500ms) running check\n\nCaptured 4096 of ";
    assert!(found.output.starts_with(head), "{}", &found.output[..80]);
    assert!(found.output.len() < 4096 + 100);
}

#[tokio::test]
async fn the_operator_s_bound_holds_for_timeouts_too() {
    let bound = Limits { timeout: Duration::from_secs(2), output_max_bytes: 20_000 };
    let found = shell("head -c 30000 /dev/zero | tr '\\0' x; exec sleep 1000", bound).await;
    let head = "Timed out (2s) running check\n\nCaptured 20000 of 30000 bytes\n...\n";
    assert_eq!(found, outcome(Status::Critical, &format!("{head}{}", "x".repeat(20_000))));
}

#[tokio::test]
async fn trickles_end_with_the_time() {
    let script = "while :; do echo drop; sleep 0.01; done";
    let found = shell(script, limits(Duration::from_secs(1))).await;
    assert_eq!(found.status, Status::Critical);
    assert!(found.output.starts_with("Timed out (1s) running check\n\ndrop\n"));
}

#[tokio::test]
async fn the_whole_group_ends() {
    let folder = Folder::new("group");
    let script = format!(
        "trap '' TERM HUP INT; sh -c 'trap \"\" TERM; echo $$ > {}; sleep 1000; :' & \
         echo $$ > {}; wait; sleep 1000",
        folder.path("grandchild"),
        folder.path("child"),
    );
    let found = shell(&script, limits(Duration::from_secs(2))).await;
    assert_eq!(found.output, "Timed out (2s) running check");
    wait_until_gone(folder.number("grandchild").unwrap()).await;
    wait_until_buried(folder.number("child").unwrap()).await;
}

#[tokio::test]
async fn closing_the_output_is_not_the_end() {
    let folder = Folder::new("closed");
    let script = format!("echo $$ > {}; exec >&- 2>&-; sleep 1000; :", folder.path("child"));
    let found = shell(&script, limits(Duration::from_secs(2))).await;
    assert_eq!(found, outcome(Status::Critical, "Timed out (2s) running check"));
    wait_until_buried(folder.number("child").unwrap()).await;
}

#[tokio::test]
async fn who_holds_the_output_belongs_to_the_run() {
    let folder = Folder::new("holder");
    let script = format!("sleep 1000 & echo $! > {}; exit 0", folder.path("holder"));
    let found = shell(&script, limits(Duration::from_secs(2))).await;
    assert_eq!(found, outcome(Status::Critical, "Timed out (2s) running check"));
    wait_until_gone(folder.number("holder").unwrap()).await;
}

#[tokio::test]
async fn who_left_the_group_cannot_hold_the_run() {
    let folder = Folder::new("escaped");
    let inner = format!("setsid sh -c 'echo $$ > {}; exec sleep 1000' &", folder.path("escaped"));
    let found = shell(&inner, limits(Duration::from_secs(2))).await;
    assert_eq!(found, outcome(Status::Critical, "Timed out (2s) running check"));
    kill(folder.wait_for_number("escaped").await);
}

#[tokio::test]
async fn who_lets_go_of_the_output_may_stay() {
    let folder = Folder::new("stays");
    let script =
        format!("sleep 1000 > /dev/null 2>&1 & echo $! > {}; echo ok", folder.path("stays"));
    let found = shell(&script, limits(PATIENCE)).await;
    assert_eq!(found, outcome(Status::Passing, "ok\n"));
    let stays = folder.number("stays").unwrap();
    assert!(is_running(stays));
    kill(stays);
}

#[tokio::test]
async fn dropping_the_future_ends_the_group() {
    let folder = Folder::new("dropped");
    let script = format!(
        "sleep 1000 & echo $! > {}; echo $$ > {}; wait",
        folder.path("grandchild"),
        folder.path("child"),
    );
    let (child, grandchild) = {
        let run = shell(&script, limits(PATIENCE));
        tokio::pin!(run);
        let started = async {
            let child = folder.wait_for_number("child").await;
            (child, folder.number("grandchild").unwrap())
        };
        tokio::select! {
            found = &mut run => panic!("ended by itself: {found:?}"),
            started = started => started,
        }
    };
    wait_until_gone(grandchild).await;
    wait_until_buried(child).await;
}

#[tokio::test]
async fn a_program_is_told_something_and_need_not_listen() {
    let many = vec![b'a'; 1 << 20];
    for (script, input, failure, output) in [
        ("cat; echo $CONSUL_INDEX", &b"x\n"[..], None, "x\n7\n"),
        // More than a pipe holds, to its end.
        ("wc -c", &many[..], None, "1048576\n"),
        ("cat", &many[..], None, "Captured 16 of 1048576 bytes\n...\naaaaaaaaaaaaaaaa"),
        ("echo no; exit 3", &many[..], Some("exit status 3"), "no\n"),
        ("kill -KILL $$", &many[..], Some("signal: killed"), ""),
    ] {
        let args = ["sh", "-c", script].map(str::to_owned);
        let environment = vec![("CONSUL_INDEX".to_owned(), "7".to_owned())];
        let told = Told { environment, input: input.to_vec() };
        let ended = Ended { failure: failure.map(str::to_owned), output: output.to_owned() };
        assert_eq!(tell(&args, told, 16).await.unwrap(), ended, "{script}");
    }
    assert!(tell(&["/no/such".to_owned()], Told::default(), 16).await.is_err());
}
