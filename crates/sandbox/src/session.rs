//! One session: actions come from the keyboard or a script, views from the watcher; what happened
//! and when goes to the screen.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cluster::{Cluster, Condition};
use crate::layout::Layout;
use crate::script::{Action, Target};
use crate::switch;
use crate::watcher::{self, View};

/// Longest `wait` of a script, and of the start.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes at the start, at least one.
    pub nodes: usize,
    /// Where they are.
    pub layout: Layout,
    /// `none` or `majority`.
    pub quorum: String,
    /// Steps to take after the start; None: from the keyboard.
    pub script: Option<Vec<Action>>,
    /// This program, to be started for each node.
    pub program: PathBuf,
}

/// Runs a cluster until it is told to end; the exit code. Everything started is ended again.
pub fn run(options: &Options) -> i32 {
    match Session::start(options) {
        Ok(mut session) => session.run(options.script.clone()),
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}

/// What a loss was, until its effects were seen.
struct Loss {
    node: String,
    was_primary: bool,
    at: Instant,
    detected: bool,
    moved: bool,
}

struct Session {
    cluster: Cluster,
    views: Receiver<View>,
    sender: Sender<View>,
    last: Option<View>,
    observer: Option<usize>,
    losses: Vec<Loss>,
    primary: Option<String>,
    begin: Instant,
    interrupted: Arc<AtomicBool>,
    screen: Screen,
}

impl Session {
    fn start(options: &Options) -> Result<Self, String> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, interrupted.clone())
                .map_err(|error| error.to_string())?;
        }
        for index in 0..options.nodes {
            options.layout.check(index).map_err(|error| error.to_string())?;
        }
        let listener = options.layout.listen_floating().map_err(|error| error.to_string())?;
        let cluster =
            Cluster::new(options.layout, options.program.clone(), options.quorum.clone())?;
        let layout = options.layout;
        switch::start(listener, cluster.folder.clone(), move |name| {
            let index = name.strip_prefix("node")?.parse().ok()?;
            Some(layout.page(index))
        })
        .map_err(|error| error.to_string())?;
        let (sender, views) = watcher::views();
        let mut session = Session {
            cluster,
            views,
            sender,
            last: None,
            observer: None,
            losses: Vec::new(),
            primary: None,
            begin: Instant::now(),
            interrupted,
            screen: Screen::new(options.script.is_none()),
        };
        for _ in 0..options.nodes {
            session.cluster.add()?;
        }
        let count = options.nodes;
        session.say(&format!("started {count} nodes, page: http://{}/", layout.floating()));
        Ok(session)
    }

    fn run(&mut self, script: Option<Vec<Action>>) -> i32 {
        let ended = match script {
            Some(steps) => self.play(steps),
            None => self.interactive(),
        };
        let code = match ended {
            Ok(()) => 0,
            Err(why) => {
                self.say(&why);
                1
            }
        };
        self.screen.leave();
        if self.interrupted.load(Ordering::Relaxed) { 130 } else { code }
    }

    fn play(&mut self, steps: Vec<Action>) -> Result<(), String> {
        self.wait()?;
        steps
            .into_iter()
            .take_while(|step| *step != Action::Quit)
            .try_for_each(|step| self.take(step))
    }

    fn interactive(&mut self) -> Result<(), String> {
        let mut selected = None;
        self.screen.help();
        loop {
            self.look(Duration::ZERO)?;
            let Some(key) = self.screen.key()? else { continue };
            let target = selected.map_or(Target::Primary, Target::Node);
            let action = match key {
                KeyCode::Char(digit @ '0'..='9') => {
                    selected = digit.to_digit(10).map(|digit| digit as usize);
                    self.say(&format!("selected node{digit}"));
                    continue;
                }
                KeyCode::Char('k') => Action::Kill(target),
                KeyCode::Char('s') => Action::Stop(target),
                KeyCode::Char('p') => Action::Pause(target),
                KeyCode::Char('h') => Action::Heal,
                KeyCode::Char('a') => Action::Add,
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                _ => {
                    self.screen.help();
                    continue;
                }
            };
            selected = None;
            if let Err(why) = self.take(action) {
                self.say(&why);
            }
        }
    }

    fn take(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Kill(target) => self.lose(target, "killed", Cluster::kill)?,
            Action::Stop(target) => self.lose(target, "leaving", Cluster::stop)?,
            Action::Pause(target) => self.lose(target, "paused", Cluster::pause)?,
            Action::Heal => {
                for index in self.cluster.heal()? {
                    self.say(&format!("node{index} healed"));
                }
            }
            Action::Add => {
                let index = self.cluster.add()?;
                self.say(&format!("node{index} added"));
            }
            Action::Sleep(length) => {
                let end = Instant::now() + length;
                while Instant::now() < end {
                    self.look(Duration::from_millis(50))?;
                }
            }
            Action::Wait => self.wait()?,
            Action::Quit => {}
        }
        Ok(())
    }

    fn lose(
        &mut self,
        target: Target,
        how: &str,
        act: fn(&mut Cluster, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        let index = match target {
            Target::Node(index) => index,
            Target::Primary => {
                let primary = self.primary.as_deref().ok_or("nobody is primary now")?;
                self.cluster
                    .nodes
                    .iter()
                    .position(|node| node.name == primary)
                    .ok_or("nobody is primary now")?
            }
        };
        let at = Instant::now();
        act(&mut self.cluster, index)?;
        let node = self.cluster.nodes[index].name.clone();
        let was_primary = self.primary.as_ref() == Some(&node);
        self.say(&format!("{node}{} {how}", if was_primary { " (primary)" } else { "" }));
        self.losses.push(Loss { node, was_primary, at, detected: false, moved: !was_primary });
        if self.observer == Some(index) {
            self.observer = None;
        }
        Ok(())
    }

    /// Until the running nodes agree: all alive, the others not, one primary.
    fn wait(&mut self) -> Result<(), String> {
        let asked = Instant::now();
        while asked.elapsed() < WAIT_LIMIT {
            self.look(Duration::from_millis(50))?;
            if self.is_settled(asked) {
                return Ok(());
            }
        }
        Err(format!("the nodes do not agree after {} s", WAIT_LIMIT.as_secs()))
    }

    fn is_settled(&self, asked: Instant) -> bool {
        let Some(view) = self.last.as_ref().filter(|view| view.at > asked) else { return false };
        let as_expected = self.cluster.nodes.iter().all(|node| {
            let alive = view.members.get(&node.name).is_some_and(|row| row.status == "alive");
            alive == (node.condition == Condition::Running)
        });
        as_expected && view.primaries().len() == 1 && self.losses.is_empty()
    }

    /// Takes what the watcher saw, for at most `patience`.
    fn look(&mut self, patience: Duration) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) || self.screen.closed {
            return Err("interrupted, cleaning up".to_owned());
        }
        for (index, status) in self.cluster.deaths() {
            let words = self.cluster.last_words(index);
            self.say(&format!("node{index} has ended by itself ({status}):\n{words}"));
        }
        self.choose_observer();
        let mut view = self.views.recv_timeout(patience.max(Duration::from_millis(1))).ok();
        while let Some(newer) = self.views.try_iter().last() {
            view = Some(newer);
        }
        let Some(view) = view.filter(|view| Some(view.observer) == self.observer) else {
            return Ok(());
        };
        self.tell_changes(&view);
        self.screen.table(&self.cluster, &view);
        self.last = Some(view);
        Ok(())
    }

    fn choose_observer(&mut self) {
        let running = |index: usize| {
            let node = self.cluster.nodes.get(index);
            node.is_some_and(|node| node.condition == Condition::Running)
        };
        if self.observer.is_some_and(running) {
            return;
        }
        self.observer = (0..self.cluster.nodes.len()).rev().find(|index| running(*index));
        if let Some(index) = self.observer {
            watcher::watch(index, self.cluster.layout.rpc(index), &self.sender);
        }
    }

    fn tell_changes(&mut self, view: &View) {
        let mut lines = Vec::new();
        let begin = self.begin;
        let seconds = |at: Instant| view.at.saturating_duration_since(at).as_secs_f64();
        let primary = match view.primaries().as_slice() {
            [one] => Some((*one).to_owned()),
            _ => None,
        };
        for loss in &mut self.losses {
            let status = view.members.get(&loss.node).map_or("", |row| row.status.as_str());
            if !loss.detected && matches!(status, "failed" | "left") {
                loss.detected = true;
                let after = seconds(loss.at);
                lines.push(format!("{} is {status}: detected in {after:.1} s", loss.node));
            }
            let moved = primary.as_ref().filter(|name| **name != loss.node);
            if let (false, true, Some(to)) = (loss.moved, loss.was_primary, moved) {
                loss.moved = true;
                lines.push(format!("role moved to {to} in {:.1} s", seconds(loss.at)));
            }
        }
        self.losses.retain(|loss| !(loss.detected && loss.moved));
        if self.primary.is_none()
            && self.losses.is_empty()
            && let Some(name) = &primary
        {
            lines.push(format!("{name} is primary after {:.1} s", seconds(begin)));
        }
        let counts = |view: &View| {
            let alive = view.members.values().filter(|row| row.status == "alive").count();
            (alive, view.members.len())
        };
        if self.last.as_ref().map(counts) != Some(counts(view)) {
            let (alive, all) = counts(view);
            lines.push(format!("{alive} of {all} members alive"));
        }
        if primary.is_some() {
            self.primary = primary;
        }
        for line in lines {
            self.say(&line);
        }
    }

    fn say(&mut self, line: &str) {
        self.screen.line(self.begin.elapsed(), line);
    }
}

/// The terminal: a table that is drawn anew in place, below the lines of what happened. Without a
/// terminal just the lines.
struct Screen {
    raw: bool,
    drawn: u16,
    /// Nobody reads any more.
    closed: bool,
}

impl Screen {
    fn new(interactive: bool) -> Self {
        let terminal = interactive && io::stdin().is_terminal() && io::stdout().is_terminal();
        let raw = terminal && terminal::enable_raw_mode().is_ok();
        Screen { raw, drawn: 0, closed: false }
    }

    fn help(&mut self) {
        if self.raw {
            self.clear();
            self.print(
                "0-9 select node (else primary)  k kill  s stop  p pause  h heal  a add  q quit",
            );
        }
    }

    fn line(&mut self, after: Duration, line: &str) {
        self.clear();
        self.print(&format!("{:7.1} s  {line}", after.as_secs_f64()));
    }

    fn table(&mut self, cluster: &Cluster, view: &View) {
        if !self.raw {
            return;
        }
        self.clear();
        // What has scrolled away cannot be drawn anew: as many as fit, and a line for the rest.
        let height = terminal::size().map_or(24, |(_, rows)| usize::from(rows));
        let all = cluster.nodes.len();
        let shown = if all + 1 < height { all } else { height.saturating_sub(3).max(1) };
        for (index, node) in cluster.nodes.iter().enumerate().take(shown) {
            let row = view.members.get(&node.name);
            let status = row.map_or("unknown", |row| row.status.as_str());
            let role = row.map_or("", |row| row.role.as_str());
            let mark = if role == "primary" && status == "alive" { "*" } else { " " };
            let condition = match node.condition {
                Condition::Running => "",
                Condition::Paused => "paused",
                Condition::Ended => "ended",
            };
            let address = cluster.layout.gossip(index);
            self.print(&format!(
                "{mark} {:<8} {address:<18} {status:<8} {role:<8} {condition}",
                node.name
            ));
            self.drawn += 1;
        }
        if shown < all {
            let rest = all - shown;
            self.print(&format!("  and {rest} more: the window is too low to show them"));
            self.drawn += 1;
        }
    }

    /// The next key, waited for a moment; an error where the input has ended.
    fn key(&mut self) -> Result<Option<KeyCode>, String> {
        let wait = Duration::from_millis(50);
        if !self.raw {
            // Plain lines only: the session runs until it is interrupted.
            std::thread::sleep(wait);
            return Ok(None);
        }
        if !event::poll(wait).map_err(|error| error.to_string())? {
            return Ok(None);
        }
        match event::read().map_err(|error| error.to_string())? {
            Event::Key(key)
                if key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL =>
            {
                Ok(Some(KeyCode::Esc))
            }
            Event::Key(key) => Ok(Some(key.code)),
            _ => Ok(None),
        }
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            self.write(&format!("\x1b[{}A\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }

    fn print(&mut self, text: &str) {
        let end = if self.raw { "\r\n" } else { "\n" };
        let text = if self.raw { text.replace('\n', "\r\n") } else { text.to_owned() };
        self.write(&format!("{text}{end}"));
    }

    fn write(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        self.closed |= out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err();
    }

    fn leave(&mut self) {
        if std::mem::take(&mut self.raw) {
            let _ = terminal::disable_raw_mode();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}
