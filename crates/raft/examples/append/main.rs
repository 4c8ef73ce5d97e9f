//! What a durable write costs, beside the least it could cost in the same run.
//!
//! `cargo run --release -p tribune-raft --example append [SECONDS] [DIRECTORY]`
//!
//! Three ways to write commands of 200 bytes, with one caller and with 64:
//!
//! * `flush`: a thread that writes to a preallocated file and flushes, again and again; with 64
//!   commands in each flush where there are 64 callers. No answer goes to anybody.
//! * `floor`: callers as tasks, one thread that takes what waits, writes, flushes and answers.
//! * `raft`: callers as tasks, and a [`Server`].
//!
//! Each is played three times in turn; the median by rate is shown, with the spread. Then: how
//! long it takes to lead with a log in memory, how large the files of the last log are, and how
//! long it takes to lead again with it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft::{Batch, Config, Machine, Server, Storage};

use group_log::{GroupLog, Ring};

mod group_log;

const COMMAND: usize = 200;

/// A machine that does nothing, so that only the log is measured.
struct Nothing;

impl Machine for Nothing {
    type Reply = ();
    type Image = ();

    fn apply(&mut self, _: u64, _: u64, batch: &Batch) -> Vec<()> {
        vec![(); batch.len()]
    }

    fn image(&self) {}

    fn save((): &(), _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }

    fn restore(&mut self, _: &mut dyn io::Read) -> io::Result<()> {
        Ok(())
    }
}

/// Commands a second, the median wait in microseconds, CPU microseconds a command.
#[derive(Clone, Copy)]
struct Figures {
    rate: f64,
    p50: f64,
    cpu: f64,
}

struct Meter {
    start: Instant,
    cpu: Duration,
}

impl Meter {
    fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu() }
    }

    fn stop(self, mut waits: Vec<Duration>, commands: usize) -> Figures {
        let commands = commands as f64;
        let rate = commands / self.start.elapsed().as_secs_f64();
        let cpu = (cpu() - self.cpu).as_secs_f64() * 1e6 / commands;
        waits.sort();
        Figures { rate, p50: waits[waits.len() / 2].as_secs_f64() * 1e6, cpu }
    }
}

fn cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

fn flush(directory: &Path, group: usize, length: Duration) -> Figures {
    let mut ring = Ring::new(&directory.join("flush"));
    let bytes = vec![7; (COMMAND + 4) * group];
    let (meter, mut waits) = (Meter::start(), Vec::new());
    while meter.start.elapsed() < length {
        let begun = Instant::now();
        ring.append(&bytes);
        waits.push(begun.elapsed());
    }
    let flushes = waits.len();
    meter.stop(waits, flushes * group)
}

async fn floor(directory: &Path, callers: usize, length: Duration) -> Figures {
    let log = GroupLog::start(&directory.join("floor"));
    play(callers, length, move |command| {
        let log = log.clone();
        async move { log.append(command).await }
    })
    .await
}

async fn raft(directory: &Path, callers: usize, length: Duration) -> Figures {
    let directory = directory.join("raft");
    let _ = fs::remove_dir_all(&directory);
    let storage = Storage::Disk(directory);
    let config = Config { id: 1, address: String::new(), storage };
    let server = Arc::new(Server::start(config, Nothing).await.unwrap());
    let writer = Arc::clone(&server);
    let figures = play(callers, length, move |command| {
        let server = Arc::clone(&writer);
        async move {
            server.propose(command).await.unwrap();
        }
    })
    .await;
    Arc::into_inner(server).unwrap().stop().await;
    figures
}

/// So many callers, each waiting for its answer before it writes again.
async fn play<F: Future<Output = ()> + Send + 'static>(
    callers: usize,
    length: Duration,
    write: impl Fn(Bytes) -> F + Clone + Send + Sync + 'static,
) -> Figures {
    let command = Bytes::from(vec![7; COMMAND]);
    let meter = Meter::start();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (write, command, start) = (write.clone(), command.clone(), meter.start);
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < length {
                let begun = Instant::now();
                write(command.clone()).await;
                waits.push(begun.elapsed());
            }
            waits
        });
    }
    let waits: Vec<Duration> = tasks.join_all().await.concat();
    let commands = waits.len();
    meter.stop(waits, commands)
}

/// How long it takes until a server leads, in milliseconds.
async fn start(storage: Storage) -> f64 {
    let begun = Instant::now();
    let config = Config { id: 1, address: String::new(), storage };
    let server = Server::start(config, Nothing).await.unwrap();
    let took = begun.elapsed().as_secs_f64() * 1e3;
    server.stop().await;
    took
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(2.0, |seconds| seconds.parse().unwrap());
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = parent.join(format!("tribune-append-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let length = Duration::from_secs_f64(seconds);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim_end());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for callers in [1, 64] {
        let mut all: [Vec<Figures>; 3] = [vec![], vec![], vec![]];
        for _ in 0..3 {
            all[0].push(flush(&directory, callers, length));
            all[1].push(runtime.block_on(floor(&directory, callers, length)));
            all[2].push(runtime.block_on(raft(&directory, callers, length)));
        }
        println!(
            "{callers} callers      rate/s   of flush   of floor    p50 us  CPU us   spread/s"
        );
        for runs in &mut all {
            runs.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        }
        let (of_flush, of_floor) = (all[0][1], all[1][1]);
        for (name, runs) in ["flush", "floor", "raft"].iter().zip(&all) {
            let median = runs[1];
            println!(
                "  {name:8} {:12.0} {:10.2} {:10.2} {:9.1} {:7.2}   {:.0} to {:.0}",
                median.rate,
                median.rate / of_flush.rate,
                median.rate / of_floor.rate,
                median.p50,
                median.cpu,
                runs[0].rate,
                runs[2].rate
            );
        }
    }
    let in_memory = runtime.block_on(start(Storage::Memory));
    let wal = fs::read_dir(directory.join("raft/wal")).unwrap();
    let bytes: u64 = wal.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    let on_disk = runtime.block_on(start(Storage::Disk(directory.join("raft"))));
    println!("leads in memory after {in_memory:.2} ms");
    println!("the log takes up {} KiB; leads with it after {on_disk:.1} ms", bytes >> 10);
    fs::remove_dir_all(&directory).unwrap();
}
