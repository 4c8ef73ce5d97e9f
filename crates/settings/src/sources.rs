//! From flags and the files they name to one layer.

use std::io;

use gotext::decode::Value;

use crate::Failure;
use crate::decode::{Format, decode};
use crate::layer::{Layer, written};
use crate::schema::Kind;
use crate::table::{Row, row_of_flag};

/// One flag of the command line, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagSetting {
    /// The flag without its dashes; one of the table's.
    pub name: String,
    /// Its value: `true` or `false` for switches, plain decimal for numbers.
    pub value: String,
}

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The bytes of a file.
    File(Vec<u8>),
    /// The names in a directory, of whatever is in it.
    Directory(Vec<String>),
}

/// Access to files.
pub trait Files {
    /// What a path holds, symbolic links followed.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn open(&self, path: &str) -> io::Result<Content>;

    /// Whether a path is a directory; nothing if there is nothing.
    fn is_directory(&self, path: &str) -> Option<bool>;
}

/// What all sources say.
pub(crate) struct Reading {
    pub(crate) layer: Layer,
    /// Whether `-dev` was given.
    pub(crate) dev: bool,
    /// Whether the user interface is on for no other reason than `-dev`.
    pub(crate) ui_by_dev: bool,
    pub(crate) warnings: Vec<String>,
}

/// Reads all sources, the lowest first: `-dev`, lists of the command line, files, the other flags,
/// fragments of HCL. (The defaults are those of the table.)
pub(crate) fn read(flags: &[FlagSetting], files: &dyn Files) -> Result<Reading, Failure> {
    let (lists, scalars) = flag_layers(flags)?;
    let last = |name: &str| flags.iter().rfind(|flag| flag.name == name).map(|flag| &flag.value);
    let dev = last("dev").is_some_and(|value| value == "true");
    let mut layer = if dev { Layer::dev() } else { Layer::default() };
    layer.merge(lists);

    let mut source = Sources { files, format: None, layer: Layer::default(), warnings: Vec::new() };
    if let Some(name) = last("config-format").filter(|name| !name.is_empty()) {
        let format = Format::called(name)
            .ok_or_else(|| Failure::new("config: -config-format must be either 'hcl' or 'json'"))?;
        source.format = Some(format);
    }
    for flag in flags.iter().filter(|f| matches!(f.name.as_str(), "config-file" | "config-dir")) {
        source.path(&flag.value)?;
    }
    source.layer.merge(scalars);
    for (index, flag) in flags.iter().filter(|flag| flag.name == "hcl").enumerate() {
        source.source(&format!("flags-{index}.hcl"), Format::Hcl, flag.value.as_bytes())?;
    }
    let ui_by_dev = dev && source.layer.given("ui_config.enabled").is_none();
    layer.merge(source.layer);
    Ok(Reading { layer, dev, ui_by_dev, warnings: source.warnings })
}

/// What flags say: lists, and the rest.
fn flag_layers(flags: &[FlagSetting]) -> Result<(Layer, Layer), Failure> {
    let (mut lists, mut scalars) = (Layer::default(), Layer::default());
    for FlagSetting { name, value } in flags {
        let row = row_of_flag(name)
            .ok_or_else(|| Failure::new(format!("flag provided but not defined: -{name}")))?;
        if row.key.is_none() {
            continue;
        }
        let layer = if matches!(row.kind, Kind::List) { &mut lists } else { &mut scalars };
        layer.set(row, flag_value(row, value)?);
    }
    Ok((lists, scalars))
}

/// The value of a flag; the command line's parser has looked at it before.
fn flag_value(row: &Row, value: &str) -> Result<Value, Failure> {
    let name = row.name();
    let wrong = |what: &str, why: &dyn std::fmt::Display| {
        Failure::new(format!("invalid {what} {} for -{name}: {why}", gotext::quote(value)))
    };
    match row.kind {
        Kind::Bool => drop(gotext::parse_bool(value).map_err(|e| wrong("boolean value", &e))?),
        Kind::Int => drop(gotext::parse_int(value).map_err(|e| wrong("value", &e))?),
        _ => {}
    }
    Ok(written(row.kind, value))
}

struct Sources<'a> {
    files: &'a dyn Files,
    /// The format of every file, if it was given.
    format: Option<Format>,
    layer: Layer,
    warnings: Vec<String>,
}

impl Sources<'_> {
    /// A file, or the files of a directory; both flags take both.
    fn path(&mut self, path: &str) -> Result<(), Failure> {
        let names = match self.open(path)? {
            Content::File(text) => {
                let format = self.format_of(path).ok_or_else(|| {
                    Failure::new(format!(
                        "file {path} has unknown extension; must be .hcl or .json, or config \
                         format must be set"
                    ))
                })?;
                return self.source(path, format, &text);
            }
            Content::Directory(mut names) => {
                names.sort();
                names
            }
        };
        for name in names {
            let path = format!("{}/{name}", path.trim_end_matches('/'));
            if self.files.is_directory(&path) == Some(true) {
                continue;
            }
            let Some(format) = self.format_of(&path) else {
                self.warnings.push(format!(
                    "skipping file {path}, extension must be .hcl or .json, or config format must \
                     be set"
                ));
                continue;
            };
            if let Content::File(text) = self.open(&path)? {
                self.source(&path, format, &text)?;
            }
        }
        Ok(())
    }

    fn open(&self, path: &str) -> Result<Content, Failure> {
        self.files.open(path).map_err(|error| {
            let why = gotext::errno_text(&error);
            Failure::new(format!("config: Open failed on {path}. open {path}: {why}"))
        })
    }

    fn format_of(&self, path: &str) -> Option<Format> {
        self.format.or_else(|| Format::called(path.rsplit_once('.')?.1))
    }

    fn source(&mut self, name: &str, format: Format, text: &[u8]) -> Result<(), Failure> {
        let mut layer = decode(name, format, text)?;
        self.warnings.extend(layer.replace_old_names());
        self.layer.merge(layer);
        Ok(())
    }
}
