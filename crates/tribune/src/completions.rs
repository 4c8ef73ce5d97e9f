//! Completions for shells, made from the table of commands.

use crate::command::{COMMANDS, Command};
use crate::flags::{Flag, Kind};
use crate::tribune::OWN_COMMANDS;

/// The commands of `tribune` beside `serf`.
const OWN: [&str; 7] = ["serf", "cluster", "simulate", "why", "version", "completions", "manual"];

fn names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(" ")
}

/// All commands that take flags of their own: serf's, and those that are only tribune's.
fn with_flags() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().chain(OWN_COMMANDS)
}

/// Whether the value of a flag is a file.
fn is_path(flag: &Flag) -> bool {
    flag.value_name == "PATH"
}

/// For bash; one function serves both names.
pub(crate) fn bash() -> String {
    let mut flags = String::new();
    let mut values = String::new();
    for command in with_flags() {
        let words: Vec<_> =
            (command.flags)().iter().map(|flag| format!("-{}", flag.name)).collect();
        flags.push_str(&format!("        {}) words='{}' ;;\n", command.name, words.join(" ")));
        for flag in (command.flags)() {
            let case = format!("        {}:-{}) ", command.name, flag.name);
            if !flag.choices.is_empty() {
                values.push_str(&format!("{case}words='{}' ;;\n", flag.choices.join(" ")));
            } else if is_path(&flag) {
                values.push_str(&format!("{case}files=1 ;;\n"));
            } else if flag.kind != Kind::Bool {
                values.push_str(&format!("{case}return ;;\n"));
            }
        }
    }
    format!(
        r#"# Completions of serf and tribune for bash.
_tribune_serf() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local at=1 command words='' files=''
    COMPREPLY=()
    # bash cuts words at "=" too.
    if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    if [[ ${{COMP_WORDS[0]##*/}} == tribune ]]; then
        if ((COMP_CWORD == 1)); then
            COMPREPLY=($(compgen -W '{own}' -- "$current"))
            return
        fi
        case ${{COMP_WORDS[1]}} in
        serf) at=2 ;;
        completions)
            COMPREPLY=($(compgen -W 'bash zsh fish' -- "$current"))
            return ;;
        esac
    fi
    if ((COMP_CWORD == at)); then
        COMPREPLY=($(compgen -W '{names}' -- "$current"))
        return
    fi
    command=${{COMP_WORDS[at]}}
    case $command:$previous in
{values}    esac
    if [[ -n $files ]]; then
        COMPREPLY=($(compgen -f -- "$current"))
        return
    fi
    if [[ -z $words && $current == -* ]]; then
        case $command in
{flags}        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _tribune_serf serf tribune"#,
        own = OWN.join(" "),
        names = names(),
    )
}

/// For zsh.
pub(crate) fn zsh() -> String {
    let mut list = String::new();
    let mut cases = String::new();
    for command in COMMANDS {
        list.push_str(&format!("        '{}:{}'\n", command.name, zsh_quoted(command.synopsis)));
    }
    for command in with_flags() {
        let specs: Vec<_> = (command.flags)().iter().map(zsh_spec).collect();
        if !specs.is_empty() {
            let specs = specs.join(" \\\n            ");
            cases.push_str(&format!("    {})\n        _arguments {specs} ;;\n", command.name));
        }
    }
    format!(
        "#compdef serf tribune\n\
         # Completions of serf and tribune for zsh.\n\
         local -a commands\n\
         if [[ ${{words[1]:t}} == tribune ]]; then\n    \
             if ((CURRENT == 2)); then\n        \
                 compadd {own}\n        \
                 return\n    \
             fi\n    \
             if [[ $words[2] == completions ]]; then\n        \
                 compadd bash zsh fish\n        \
                 return\n    \
             fi\n    \
             if [[ $words[2] == serf ]]; then\n        \
                 shift words\n        \
                 ((CURRENT--))\n    \
             fi\n\
         fi\n\
         if ((CURRENT == 2)); then\n    \
             commands=(\n{list}    )\n    \
             _describe command commands\n    \
             return\n\
         fi\n\
         shift words\n\
         ((CURRENT--))\n\
         case $words[1] in\n{cases}esac",
        own = OWN.join(" "),
    )
}

fn zsh_spec(flag: &Flag) -> String {
    let repeat = if flag.kind == Kind::List { "*" } else { "" };
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

/// For fish.
pub(crate) fn fish() -> String {
    let names = names();
    let mut script = format!(
        "# Completions of serf and tribune for fish.\n\
         complete -c serf -c tribune -f\n\
         complete -c tribune -n __fish_use_subcommand -a '{}'\n\
         complete -c tribune -n '__fish_seen_subcommand_from completions' -a 'bash zsh fish'\n",
        OWN.join(" ")
    );
    for command in COMMANDS {
        let (name, synopsis) = (command.name, fish_quoted(command.synopsis));
        script.push_str(&format!(
            "complete -c serf -n __fish_use_subcommand -a {name} -d '{synopsis}'\n\
             complete -c tribune -n '__fish_seen_subcommand_from serf; \
             and not __fish_seen_subcommand_from {names}' -a {name} -d '{synopsis}'\n"
        ));
    }
    for command in with_flags() {
        for flag in (command.flags)() {
            script.push_str(&fish_line(command, &flag));
        }
    }
    script.truncate(script.trim_end().len());
    script
}

fn fish_line(command: &Command, flag: &Flag) -> String {
    let mut line = format!(
        "complete -c serf -c tribune -n '__fish_seen_subcommand_from {}' -o {} -d '{}'",
        command.name,
        flag.name,
        fish_quoted(flag.help)
    );
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
