//! The rows that describe a command's flags, and the parser that follows them by Go's rules.

use std::ffi::OsString;

use gotext::NumberError;

/// How a flag's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// May stand alone, takes a value only with `=`.
    Bool,
    /// A whole number in Go's notation.
    Int,
    /// A whole number that is not negative.
    Unsigned,
    /// Such as `1m30s`.
    Duration,
    /// Any text; a repeated flag overrides.
    Text,
    /// Any text; a repeated flag appends.
    List,
    /// `KEY=VALUE`; a repeated flag appends.
    Pairs,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Without its dash.
    pub name: &'static str,
    /// How its value is written.
    pub kind: Kind,
    /// What stands for the value in help texts; empty for booleans.
    pub value_name: &'static str,
    /// The value without the flag; empty: none.
    pub default: &'static str,
    /// The environment variable that overrides the default, unless it is empty.
    pub env: Option<&'static str>,
    /// The values there are, where they can be listed.
    pub choices: &'static [&'static str],
    /// What it is for.
    pub help: &'static str,
    /// Whether mistakes are told in the words of Go's `strconv`, as Consul's agent does.
    pub strconv: bool,
}

impl Flag {
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        value_name: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Flag {
        Flag { name, kind, value_name, default, env: None, choices: &[], help, strconv: false }
    }

    pub(crate) const fn env(mut self, variable: &'static str) -> Flag {
        self.env = Some(variable);
        self
    }

    pub(crate) const fn strconv(mut self) -> Flag {
        self.strconv = true;
        self
    }

    pub(crate) const fn choices(mut self, choices: &'static [&'static str]) -> Flag {
        self.choices = choices;
        self
    }
}

/// Why arguments could not be parsed; shown on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FlagError {
    /// Help was asked for in a place where only the parser sees it: nothing is said.
    HelpWanted,
    /// Anything else, in Go's words.
    Message(String),
}

/// A command's arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parsed {
    /// Name and value of every flag given, in order; booleans as `true` or `false`, numbers in
    /// plain decimal.
    pub given: Vec<(&'static str, String)>,
    /// What stands behind the flags.
    pub positional: Vec<OsString>,
    flags: Vec<Flag>,
}

/// Splits arguments into flags and the rest.
pub(crate) fn parse(flags: Vec<Flag>, arguments: &[OsString]) -> Result<Parsed, FlagError> {
    let mut given = Vec::new();
    let mut rest = arguments.iter();
    loop {
        let positional = rest.clone();
        let Some(argument) = rest.next().map(|argument| argument.to_string_lossy()) else { break };
        if argument == "--" {
            break;
        }
        let Some(body) = argument.strip_prefix('-').filter(|body| !body.is_empty()) else {
            rest = positional;
            break;
        };
        let body = body.strip_prefix('-').unwrap_or(body);
        if body.is_empty() || body.starts_with(['-', '=']) {
            return Err(FlagError::Message(format!("bad flag syntax: {argument}")));
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let Some(flag) = flags.iter().find(|flag| flag.name == name) else {
            if name == "h" || name == "help" {
                return Err(FlagError::HelpWanted);
            }
            let message = format!("flag provided but not defined: -{name}");
            return Err(FlagError::Message(message));
        };
        let value = match (value, flag.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true".to_owned(),
            (None, _) => rest
                .next()
                .map(|value| value.to_string_lossy().into_owned())
                .ok_or_else(|| FlagError::Message(format!("flag needs an argument: -{name}")))?,
        };
        given.push((flag.name, check(flag, value)?));
    }
    Ok(Parsed { given, positional: rest.cloned().collect(), flags })
}

/// The value in its plain form.
fn check(flag: &Flag, value: String) -> Result<String, FlagError> {
    let name = flag.name;
    let quoted = || gotext::quote(&value);
    let why = |error: NumberError, function: &str| match error {
        error if !flag.strconv => error.to_string(),
        NumberError::Syntax => format!("strconv.{function}: parsing {}: invalid syntax", quoted()),
        NumberError::Range => format!("strconv.{function}: parsing {}: {error}", quoted()),
    };
    match flag.kind {
        Kind::Bool => gotext::parse_bool(&value).map(|on| on.to_string()).map_err(|error| {
            let why = why(error, "ParseBool");
            FlagError::Message(format!("invalid boolean value {} for -{name}: {why}", quoted()))
        }),
        Kind::Int => gotext::parse_int(&value).map(|number| number.to_string()).map_err(|error| {
            let why = why(error, "Atoi");
            FlagError::Message(format!("invalid value {} for flag -{name}: {why}", quoted()))
        }),
        Kind::Unsigned => {
            gotext::parse_unsigned(&value).map(|number| number.to_string()).map_err(|error| {
                FlagError::Message(format!("invalid value {} for flag -{name}: {error}", quoted()))
            })
        }
        Kind::Pairs if !value.contains('=') => Err(FlagError::Message(format!(
            "invalid value {} for flag -{name}: Missing \"=\" value in argument: {value}",
            quoted()
        ))),
        Kind::Duration if gotext::GoDuration::parse(&value).is_err() => Err(FlagError::Message(
            format!("invalid value {} for flag -{name}: parse error", quoted()),
        )),
        Kind::Duration | Kind::Text | Kind::List | Kind::Pairs => Ok(value),
    }
}

impl Parsed {
    /// The value of a flag: the last one given, else that of its environment variable, else its
    /// default.
    pub(crate) fn text(&self, name: &str) -> String {
        if let Some(value) = self.given(name) {
            return value.to_owned();
        }
        let Some(flag) = self.flags.iter().find(|flag| flag.name == name) else {
            return String::new();
        };
        flag.env
            .and_then(std::env::var_os)
            .filter(|value| !value.is_empty())
            .map_or_else(|| flag.default.to_owned(), |value| value.to_string_lossy().into_owned())
    }

    /// The value of a flag, if it was given.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().rev().find(|(given, _)| *given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a boolean flag is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// The value of a number.
    pub(crate) fn int(&self, name: &str) -> i64 {
        // Checked when it was parsed; defaults are numbers.
        gotext::parse_int(&self.text(name)).unwrap_or_default()
    }

    /// The value of a number that is not negative.
    pub(crate) fn unsigned(&self, name: &str) -> u64 {
        // Checked when it was parsed; defaults are numbers.
        gotext::parse_unsigned(&self.text(name)).unwrap_or_default()
    }

    /// The value of a duration.
    pub(crate) fn duration(&self, name: &str) -> gotext::GoDuration {
        gotext::GoDuration::parse(&self.text(name)).unwrap_or_default()
    }

    /// All values of a list.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let given = self.given.iter().filter(|(given, _)| *given == name);
        given.map(|(_, value)| value.clone()).collect()
    }

    /// All pairs of a list of them, in order.
    pub(crate) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        // Checked when they were parsed.
        self.list(name)
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// The positional arguments as text.
    pub(crate) fn words(&self) -> Vec<String> {
        self.positional.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 7] = [
        Flag::new("on", Kind::Bool, "", "false", ""),
        Flag::new("count", Kind::Int, "N", "0", ""),
        Flag::new("wait", Kind::Duration, "D", "0s", ""),
        Flag::new("name", Kind::Text, "NAME", "nobody", ""),
        Flag::new("tag", Kind::List, "TAG", "", ""),
        Flag::new("index", Kind::Unsigned, "N", "0", ""),
        Flag::new("meta", Kind::Pairs, "PAIR", "", ""),
    ];

    fn parse_words(words: &[&str]) -> Result<Parsed, FlagError> {
        parse(FLAGS.to_vec(), &words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn flags_end_where_go_ends_them() {
        for (words, positional) in [
            (&["-on", "a", "-on"][..], &["a", "-on"][..]),
            (&["-on", "--", "-on"], &["-on"]),
            (&["-", "-on"], &["-", "-on"]),
            (&["", "-on"], &["", "-on"]),
            (&["-name", "--", "a"], &["a"]),
            (&["-on", "false"], &["false"]),
            (&["-name"; 2], &[]),
            (&[], &[]),
        ] {
            assert_eq!(
                parse_words(words).map(|parsed| parsed.words()).ok().as_deref(),
                Some(&positional.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{words:?}"
            );
        }
    }

    #[test]
    fn values_stand_behind_a_space_or_an_equals_sign() -> Result<(), FlagError> {
        let words = ["--name=a=b", "-tag", "x=1", "-tag=y", "-on=T", "-count", "0x1F", "-wait=1m"];
        let parsed = parse_words(&words)?;
        assert_eq!(parsed.text("name"), "a=b");
        assert_eq!(parsed.list("tag"), ["x=1", "y"]);
        assert!(parsed.on("on"));
        assert_eq!(parsed.int("count"), 31);
        let parsed_pairs = parse_words(&["-meta=a=b=c", "-meta", "d=", "-index=0x10"])?;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(parsed_pairs.pairs("meta"), [pair("a", "b=c"), pair("d", "")]);
        assert_eq!(parsed_pairs.unsigned("index"), 16);
        assert_eq!(parsed.duration("wait").as_nanoseconds(), 60_000_000_000);
        let repeated = parse_words(&["-on", "-on=0", "-name=x", "-name="])?;
        assert!(!repeated.on("on"));
        assert_eq!(
            (repeated.text("name"), parse_words(&[])?.text("name")),
            (String::new(), "nobody".to_owned())
        );
        Ok(())
    }

    #[test]
    fn mistakes_are_named_in_gos_words() {
        for (word, message) in [
            ("-nope", "flag provided but not defined: -nope"),
            ("--nope=1", "flag provided but not defined: -nope"),
            ("-name", "flag needs an argument: -name"),
            ("-=x", "bad flag syntax: -=x"),
            ("---name", "bad flag syntax: ---name"),
            ("--=", "bad flag syntax: --="),
            ("-on=", "invalid boolean value \"\" for -on: parse error"),
            ("-on=\t", "invalid boolean value \"\\t\" for -on: parse error"),
            ("-count=x", "invalid value \"x\" for flag -count: parse error"),
            ("-count=1e3", "invalid value \"1e3\" for flag -count: parse error"),
            (
                "-count=9223372036854775808",
                "invalid value \"9223372036854775808\" for flag -count: value out of range",
            ),
            ("-index=-1", "invalid value \"-1\" for flag -index: parse error"),
            ("-meta=x", "invalid value \"x\" for flag -meta: Missing \"=\" value in argument: x"),
            ("-wait=5", "invalid value \"5\" for flag -wait: parse error"),
        ] {
            let error = parse_words(&[word]).map(|parsed| parsed.given);
            assert_eq!(error, Err(FlagError::Message(message.to_owned())));
        }
        for (flag, word, message) in [
            (
                FLAGS[0],
                "-on=maybe",
                "invalid boolean value \"maybe\" for -on: strconv.ParseBool: parsing \"maybe\": \
                 invalid syntax",
            ),
            (
                FLAGS[1],
                "-count=x",
                "invalid value \"x\" for flag -count: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
        ] {
            let error = parse(vec![flag.strconv()], &[OsString::from(word)]).map(|p| p.given);
            assert_eq!(error, Err(FlagError::Message(message.to_owned())));
        }
        assert_eq!(parse_words(&["-help"]).map(|p| p.given), Err(FlagError::HelpWanted));
    }
}
