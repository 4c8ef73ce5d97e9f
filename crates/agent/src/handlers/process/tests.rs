#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use super::*;

fn invocation(input: &'static str, reports_unread_input: bool) -> Invocation {
    let environment = vec![("SERF_EVENT".to_owned(), "user".to_owned())];
    Invocation { environment, input: Bytes::from_static(input.as_bytes()), reports_unread_input }
}

async fn script(script: &str) -> Finished {
    run(script, invocation("line\n", false), &Log::silent()).await.unwrap()
}

#[tokio::test]
async fn input_and_environment_reach_the_script() {
    let finished = script("cat; printf %s $SERF_EVENT").await;
    assert_eq!(finished.output, b"line\nuser");
    assert_eq!(finished.failure, None);
}

#[tokio::test]
async fn both_outputs_come_in_order() {
    assert_eq!(script("echo a; echo b >&2; echo c").await.output, b"a\nb\nc\n");
}

#[tokio::test]
async fn the_last_of_a_long_output_is_kept() {
    let finished = script("head -c 3000000 /dev/zero; printf end").await;
    assert_eq!(finished.output.len(), limits::HANDLER_OUTPUT_BYTES);
    assert!(finished.output.ends_with(b"\0end"));
}

#[tokio::test]
async fn failures_have_the_words_of_go() {
    assert_eq!(script("exit 3").await.failure.unwrap(), "exit status 3");
    assert_eq!(script("kill -9 $$").await.failure.unwrap(), "signal: killed");
    assert_eq!(script("/nonexistent/x").await.failure.unwrap(), "exit status 127");
}

/// It may still have something to say.
#[tokio::test]
async fn a_child_that_holds_the_output_is_waited_for() {
    assert_eq!(script("(sleep 0.2; echo late) & echo soon").await.output, b"soon\nlate\n");
    // One that does not is not.
    let begin = std::time::Instant::now();
    script("sleep 30 >/dev/null 2>&1 & kill $!").await;
    assert!(begin.elapsed() < Duration::from_secs(20));
}

/// More than a pipe holds, so that somebody has to read it.
#[tokio::test]
async fn unread_input_is_reported_where_it_is_worth_it() {
    for (reports, expected) in [(true, 1), (false, 0)] {
        let log = Log::silent();
        let lines = log.subscribe(Level::Err);
        let invocation =
            Invocation { input: Bytes::from(vec![b'x'; 1 << 20]), ..invocation("", reports) };
        let finished = run("exec 0<&-; sleep 0.1", invocation, &log).await.unwrap();
        assert_eq!(finished.failure, None);
        drop(lines);
        let remembered = log.subscribe(Level::Err).remembered;
        assert_eq!(remembered.len(), expected);
        for line in remembered {
            let text = &line.text;
            assert!(text.ends_with("[ERR] Error writing payload: write |1: broken pipe"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_slow_script_is_told_once_and_runs_on() {
    let log = Log::silent();
    let finished = run("sleep 1.3; echo done", invocation("", false), &log).await.unwrap();
    assert_eq!(finished.output, b"done\n");
    let lines = log.subscribe(Level::Warn).remembered;
    assert_eq!(lines.len(), 1);
    let slow = "agent: Script 'sleep 1.3; echo done' slow, execution exceeding 1s";
    assert!(lines[0].text.ends_with(slow), "{}", lines[0].text);
}
