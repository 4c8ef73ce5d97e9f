//! Requests one after another on many connections.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant as Moment, sleep_until};

use crate::exchange::{Exchange, request};
use crate::template::Template;

/// What is sent, and how hard.
pub(crate) struct Press {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) seconds: f64,
    /// How many at most; 0 for no end.
    pub(crate) count: u64,
    /// How many a second at most; 0 for as many as it can.
    pub(crate) rate: f64,
    pub(crate) method: String,
    pub(crate) path: Template,
    pub(crate) body: Template,
}

struct Progress {
    begun: Instant,
    next: Cell<u64>,
    failed: Cell<u64>,
    waits: RefCell<Vec<u32>>,
}

impl Press {
    /// Runs to the end; the report.
    pub(crate) async fn run(self) -> String {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Exchange::new(TcpStream::connect(self.address).await.unwrap()));
        }
        let progress = Rc::new(Progress {
            begun: Instant::now(),
            next: Cell::new(0),
            failed: Cell::new(0),
            waits: RefCell::default(),
        });
        let press = Rc::new(self);
        let (local, mut tasks) = (LocalSet::new(), JoinSet::new());
        for connection in connections {
            tasks.spawn_local_on(press.clone().connection(connection, progress.clone()), &local);
        }
        local.run_until(tasks.join_all()).await;
        let seconds = progress.begun.elapsed().as_secs_f64();
        let mut waits = progress.waits.take();
        waits.sort_unstable();
        let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or(0);
        format!(
            r#"{{"operations":{},"failed":{},"seconds":{seconds:.6},"p50":{},"p99":{}}}"#,
            waits.len(),
            progress.failed.get(),
            at(50),
            at(99)
        )
    }

    async fn connection(self: Rc<Self>, mut exchange: Exchange, progress: Rc<Progress>) {
        let (mut path, mut body, mut text) = (String::new(), String::new(), String::new());
        let end = Duration::from_secs_f64(self.seconds);
        loop {
            let n = progress.next.get();
            if progress.begun.elapsed() > end || (self.count > 0 && n >= self.count) {
                return;
            }
            progress.next.set(n + 1);
            if self.rate > 0.0 {
                let due = progress.begun + Duration::from_secs_f64(n as f64 / self.rate);
                sleep_until(Moment::from_std(due)).await;
            }
            for part in [&mut path, &mut body, &mut text] {
                part.clear();
            }
            self.path.write(n, &mut path);
            self.body.write(n, &mut body);
            request(&self.method, &path, &body, &mut text);
            let sent = Instant::now();
            exchange.send(&text).await.unwrap();
            if exchange.answered().await.unwrap() != 200 {
                progress.failed.set(progress.failed.get() + 1);
            }
            let micros = u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX);
            progress.waits.borrow_mut().push(micros);
        }
    }
}
