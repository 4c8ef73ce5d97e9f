//! What the data directory holds, at the agent's start.

use std::sync::Arc;

use catalog::CheckId;

use crate::check_definition::CheckKind;
use crate::checks::SavedCopy;
use crate::files::{self, Kind};
use crate::interface::{Fact, Key, Output, Source};
use crate::machine::Local;
use crate::time::Time;

/// What the names of files end with that somebody has not written to their end.
const UNFINISHED: &str = "tmp";

impl Local {
    /// Takes over the files of the data directory: their paths below it, and what stands in them.
    /// To be called behind [`Local::register_files`]: what the configuration defines wins, and the
    /// file of the same ID goes. Checks begin critical, but for what a TTL still holds true.
    ///
    /// A file that cannot be read stays, and is a [`Fact::BadFile`].
    pub fn load(&mut self, now: Time, saved: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let mut known: Vec<(Kind, String, Vec<u8>)> = Vec::new();
        for (file, bytes) in saved {
            let Some(kind) = Kind::of(&file) else { continue };
            if file.ends_with(UNFINISHED) {
                self.outputs.push_back(Output::Remove { file });
            } else {
                known.push((kind, file, bytes));
            }
        }
        // Services before their checks, checks before what they were told.
        known.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (kind, file, bytes) in known {
            let loaded = match kind {
                Kind::Service => self.load_service(&file, &bytes),
                Kind::Check => self.load_check(now, &file, &bytes),
                Kind::State => self.load_state(now, &file, &bytes),
            };
            match loaded {
                Err(why) => self.fact(Fact::BadFile { file, why }),
                // Agents before Consul 1.11 named files by another hash.
                Ok(Some(own)) if own != file => {
                    self.outputs.push_back(Output::Move { from: file, to: own });
                }
                Ok(_) => {}
            }
        }
        self.settle(now);
    }

    /// The name that its file has here, of a service that is taken over; so of checks below.
    fn load_service(&mut self, file: &str, bytes: &[u8]) -> Result<Option<String>, String> {
        let mut entry = files::read_service(bytes).map_err(|why| why.to_string())?;
        let id = entry.row.id.clone();
        if id.is_empty() || entry.row.name.is_empty() {
            return Err("no service".to_owned());
        }
        if self.services.get(&id).is_some_and(|known| known.source == Source::File) {
            self.outputs.push_back(Output::Remove { file: file.to_owned() });
            return Ok(None);
        }
        entry.row.node = self.config.node.name.clone();
        self.services.insert(id.clone(), entry);
        self.stale.insert(id.clone());
        let own = files::service(&id);
        self.queue.mark(Key::Service(id));
        Ok(Some(own))
    }

    fn load_check(
        &mut self,
        now: Time,
        file: &str,
        bytes: &[u8],
    ) -> Result<Option<String>, String> {
        let saved = files::read_check(bytes).map_err(|why| why.to_string())?;
        let id = saved.row.id.clone();
        if id.is_empty() {
            return Err("no check".to_owned());
        }
        let defined = self.checks.get(&id).is_some_and(|known| known.source == Source::File);
        let service = &saved.row.service_id;
        let orphan = !service.is_empty() && !self.services.contains_key(service);
        if defined || orphan {
            self.outputs.push_back(Output::Remove { file: file.to_owned() });
            return Ok(None);
        }
        if let Some(definition) = &saved.definition {
            self.check_allowed(definition, saved.source).map_err(|why| why.to_string())?;
        }
        let definition = saved.definition.map(Arc::new);
        self.install_check(
            now,
            saved.row,
            definition,
            &saved.token,
            saved.source,
            SavedCopy::Leave,
        );
        Ok(Some(files::check(&id)))
    }

    fn load_state(
        &mut self,
        now: Time,
        file: &str,
        bytes: &[u8],
    ) -> Result<Option<String>, String> {
        let saved = files::read_state(bytes).map_err(|why| why.to_string())?;
        let lives = saved.expires > now;
        let Some(status) = saved.status.filter(|_| lives && self.has_ttl(&saved.check)) else {
            self.outputs.push_back(Output::Remove { file: file.to_owned() });
            return Ok(None);
        };
        let Some(check) = self.checks.get_mut(&saved.check) else { return Ok(None) };
        check.row.status = status.as_str().into();
        if !self.config.discard_check_output {
            check.row.output = saved.output.into();
        }
        self.stale.insert(check.row.service_id.clone());
        let own = files::check_state(&saved.check);
        self.mark_check(saved.check);
        Ok(Some(own))
    }

    fn has_ttl(&self, id: &CheckId) -> bool {
        self.checks.get(id).is_some_and(|check| check.is_kind(CheckKind::Ttl))
    }
}
