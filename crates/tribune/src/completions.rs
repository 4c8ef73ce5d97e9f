//! Completions for shells, made from the tables of commands.
//!
//! A command is known by its key: the program it belongs to and its name, as in `serf members`,
//! `consul kv get` or `tribune cluster`.

use crate::command::{COMMANDS, Command};
use crate::consul;
use crate::flags::{Flag, Kind};
use crate::tribune::OWN_COMMANDS;

/// The commands that only `tribune` has.
const OWN: [&str; 6] = ["serf", "cluster", "simulate", "why", "completions", "manual"];

/// Shells that `tribune completions` writes for.
const SHELLS: &str = "bash zsh fish";

/// Flags whose values are files although their kind does not say so.
const FILES: [&str; 10] = [
    "ca-file",
    "ca-path",
    "client-cert",
    "client-key",
    "config-dir",
    "config-file",
    "data-dir",
    "log-file",
    "pid-file",
    "token-file",
];

/// All commands under their keys; `tribune` has `why` too.
fn keyed() -> Vec<(String, &'static Command)> {
    let serfs = COMMANDS.iter().map(|command| (format!("serf {}", command.name), command));
    let own = OWN_COMMANDS.iter().map(|command| (format!("tribune {}", command.name), *command));
    let why = COMMANDS.iter().filter(|command| command.name == "why");
    let why = why.map(|command| ("tribune why".to_owned(), command));
    let consuls = consul::COMMANDS.iter();
    let consuls = consuls.map(|command| (format!("consul {}", command.name), command));
    serfs.chain(own).chain(why).chain(consuls).collect()
}

/// What may follow a key that is no whole command.
fn continued() -> Vec<(String, String)> {
    let serfs: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    let consuls: Vec<_> = consul::top_level().map(|command| command.name).collect();
    let own = OWN.iter().copied().chain(consuls.iter().copied());
    let mut all = vec![
        ("serf".to_owned(), serfs.join(" ")),
        ("consul".to_owned(), consuls.join(" ")),
        ("tribune".to_owned(), own.collect::<Vec<_>>().join(" ")),
        ("tribune completions".to_owned(), SHELLS.to_owned()),
    ];
    for command in consul::COMMANDS {
        let words: Vec<_> = consul::children(command.name).map(|(word, _)| word).collect();
        if !words.is_empty() {
            all.push((format!("consul {}", command.name), words.join(" ")));
        }
    }
    all
}

/// The cases by which a shell follows the words of a command: from a key and the next word to the
/// next key. Bash and zsh read them alike.
fn steps(indent: &str) -> String {
    let mut steps = format!("{indent}'tribune serf') key=serf ;;\n");
    let consuls: Vec<_> =
        consul::top_level().map(|command| format!("'tribune {}'", command.name)).collect();
    steps.push_str(&format!("{indent}{}) key=\"consul $word\" ;;\n", consuls.join("|")));
    let mut known: Vec<_> = keyed().into_iter().map(|(key, _)| format!("'{key}'")).collect();
    known.push("'tribune completions'".to_owned());
    steps.push_str(&format!("{indent}{}) key=\"$key $word\" ;;\n", known.join("|")));
    steps.push_str(&format!("{indent}*) break ;;\n"));
    steps
}

/// Whether the value of a flag is a file.
fn is_path(flag: &Flag) -> bool {
    flag.value_name == "PATH" || FILES.contains(&flag.name)
}

fn flag_words(command: &Command) -> String {
    let words: Vec<_> = (command.flags)().iter().map(|flag| format!("-{}", flag.name)).collect();
    words.join(" ")
}

/// For bash; one function serves all names.
pub(crate) fn bash() -> String {
    let mut flags = String::new();
    let mut values = String::new();
    for (key, command) in keyed() {
        flags.push_str(&format!("        '{key}') words='{}' ;;\n", flag_words(command)));
        for flag in (command.flags)() {
            let case = format!("    '{key}:-{}') ", flag.name);
            if !flag.choices.is_empty() {
                values.push_str(&format!("{case}words='{}' ;;\n", flag.choices.join(" ")));
            } else if is_path(&flag) {
                values.push_str(&format!("{case}files=1 ;;\n"));
            } else if flag.kind != Kind::Bool {
                values.push_str(&format!("{case}return ;;\n"));
            }
        }
    }
    let words: String = continued()
        .iter()
        .map(|(key, words)| format!("        '{key}') words='{words}' ;;\n"))
        .collect();
    format!(
        r#"# Completions of serf, consul and tribune for bash.
_tribune() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local at=1 key=${{COMP_WORDS[0]##*/}} word words='' files=''
    COMPREPLY=()
    # bash cuts words at "=" too.
    if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    while ((at < COMP_CWORD)); do
        word=${{COMP_WORDS[at]}}
        case "$key $word" in
{steps}        esac
        ((at++))
    done
    case "$key:$previous" in
{values}    esac
    if [[ -n $files ]]; then
        COMPREPLY=($(compgen -f -- "$current"))
        return
    fi
    if [[ -z $words && $current == -* ]]; then
        case $key in
{flags}        esac
    elif [[ -z $words ]] && ((at == COMP_CWORD)); then
        case $key in
{words}        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _tribune serf consul tribune"#,
        steps = steps("        "),
    )
}

/// For zsh.
pub(crate) fn zsh() -> String {
    let words: String = continued()
        .iter()
        .map(|(key, words)| format!("    '{key}') compadd {words}; return ;;\n"))
        .collect();
    let mut cases = String::new();
    for (key, command) in keyed() {
        let specs: Vec<_> = (command.flags)().iter().map(zsh_spec).collect();
        if !specs.is_empty() {
            let specs = specs.join(" \\\n            ");
            cases.push_str(&format!("    '{key}')\n        _arguments {specs} ;;\n"));
        }
    }
    format!(
        "#compdef serf consul tribune\n\
         # Completions of serf, consul and tribune for zsh.\n\
         local key=${{words[1]:t}} word\n\
         local -i at=2\n\
         while ((at < CURRENT)); do\n    \
             word=$words[at]\n    \
             case \"$key $word\" in\n{steps}    \
             esac\n    \
             ((at++))\n\
         done\n\
         if ((at == CURRENT)) && [[ $words[CURRENT] != -* ]]; then\n    \
             case $key in\n{words}    \
             esac\n\
         fi\n\
         shift $((at - 2)) words\n\
         ((CURRENT -= at - 2))\n\
         case $key in\n{cases}esac",
        steps = steps("    "),
    )
}

fn zsh_spec(flag: &Flag) -> String {
    let repeats = matches!(flag.kind, Kind::List | Kind::Pairs);
    let repeat = if repeats { "*" } else { "" };
    let help = zsh_quoted(flag.help).replace('[', "\\[").replace(']', "\\]");
    if flag.kind == Kind::Bool {
        return format!("'{repeat}-{}[{help}]'", flag.name);
    }
    let action = if !flag.choices.is_empty() {
        format!("({})", flag.choices.join(" "))
    } else if is_path(flag) {
        "_files".to_owned()
    } else {
        String::new()
    };
    let value = flag.value_name.replace(['[', ']', ':'], "");
    format!("'{repeat}-{}=[{help}]:{value}:{action}'", flag.name)
}

/// Inside single quotes, where a colon separates.
fn zsh_quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace(':', "\\:")
}

/// For fish. A key is a condition: which words were seen.
pub(crate) fn fish() -> String {
    let mut script = "# Completions of serf, consul and tribune for fish.\n\
                      complete -c serf -c consul -c tribune -f\n"
        .to_owned();
    for (key, words) in continued() {
        let (programs, condition) = fish_place(&key);
        let condition = match condition.as_str() {
            "" => "__fish_use_subcommand".to_owned(),
            seen => format!("{seen}; and not __fish_seen_subcommand_from {words}"),
        };
        script.push_str(&format!("complete {programs} -n '{condition}' -a '{words}'\n"));
        if key == "serf" {
            script.push_str(&format!(
                "complete -c tribune -n '__fish_seen_subcommand_from serf; and not \
                 __fish_seen_subcommand_from {words}' -a '{words}'\n"
            ));
        }
    }
    for (key, command) in keyed() {
        for flag in (command.flags)() {
            script.push_str(&fish_line(&key, &flag));
        }
    }
    script.truncate(script.trim_end().len());
    script
}

/// The programs to which a key applies, and the words that it wants to have been seen.
fn fish_place(key: &str) -> (&'static str, String) {
    let (program, name) = key.split_once(' ').unwrap_or((key, ""));
    let programs = match program {
        "consul" if name.is_empty() => "-c consul",
        "consul" => "-c consul -c tribune",
        // What begins with `tribune serf` is serf's too.
        "serf" if !name.is_empty() => "-c serf -c tribune",
        "serf" => "-c serf",
        _ => "-c tribune",
    };
    let seen: Vec<_> = name
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| format!("__fish_seen_subcommand_from {word}"))
        .collect();
    (programs, seen.join("; and "))
}

fn fish_line(key: &str, flag: &Flag) -> String {
    let (programs, seen) = fish_place(key);
    let mut line =
        format!("complete {programs} -n '{seen}' -o {} -d '{}'", flag.name, fish_quoted(flag.help));
    if flag.kind != Kind::Bool {
        line.push_str(if is_path(flag) { " -r -F" } else { " -x" });
    }
    if !flag.choices.is_empty() {
        line.push_str(&format!(" -a '{}'", flag.choices.join(" ")));
    }
    line.push('\n');
    line
}

fn fish_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
