//! The reader of Go's syntax: a text becomes an expression for the compiler.

use regex_syntax::hir::{Capture, Class, ClassUnicode, Hir, Look, Repetition};

use super::PatternError;
use super::class::{self, Budget};

/// How deep groups may nest: the compiler recurses.
const DEPTH: usize = 128;

/// How often a repetition may repeat, those within it multiplied, as in Go.
const REPEATS: u64 = 1000;

const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_RANGE: &str = "invalid character class range";
const BAD_REPEAT: &str = "invalid repeat count";
const BAD_PERL: &str = "invalid or unsupported Perl syntax";

/// Longest part of a pattern that an error shows, in characters.
const SHOWN: usize = 64;

/// Reads a pattern, with or without what its groups match. Beside the expression: what it cost.
pub(super) fn parse(
    text: &str,
    limit: usize,
    captures: bool,
) -> Result<(Hir, usize), PatternError> {
    let mut parser = Parser {
        text,
        rest: text,
        captures,
        groups: 0,
        flags: Flags::default(),
        outer: Vec::new(),
        group: Group::default(),
        budget: Budget::new(limit),
    };
    parser.read()?;
    if !parser.outer.is_empty() {
        return Err(wrong("missing closing )", text));
    }
    Ok((parser.group.finished().hir, parser.budget.spent()))
}

fn wrong(rule: &'static str, place: &str) -> PatternError {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    PatternError::Syntax { rule, place: place.chars().take(SHOWN).map(plain).collect() }
}

/// What `(?i)` and its like have set.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    fold: bool,
    lazy: bool,
    lines: bool,
    dot_is_all: bool,
}

/// Something that may be repeated.
struct Piece {
    hir: Hir,
    /// The counted repetitions within, multiplied along the deepest path.
    repeats: u64,
}

/// What stands between two parentheses, as far as it is read.
#[derive(Default)]
struct Group {
    alternatives: Vec<Hir>,
    run: Vec<Piece>,
    repeats: u64,
    /// Its number, if what it matches is asked for.
    number: Option<u32>,
    /// Those that hold again behind the group.
    flags: Flags,
}

impl Group {
    fn end_alternative(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.repeats = run.iter().map(|piece| piece.repeats).fold(self.repeats, u64::max);
        self.alternatives.push(Hir::concat(run.into_iter().map(|piece| piece.hir).collect()));
    }

    fn finished(mut self) -> Piece {
        self.end_alternative();
        let hir = Hir::alternation(self.alternatives);
        let hir = match self.number {
            Some(index) => Hir::capture(Capture { index, name: None, sub: Box::new(hir) }),
            None => hir,
        };
        Piece { hir, repeats: self.repeats }
    }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
    captures: bool,
    /// How many groups with a number were opened.
    groups: u32,
    flags: Flags,
    outer: Vec<Group>,
    group: Group,
    budget: Budget,
}

impl<'t> Parser<'t> {
    fn read(&mut self) -> Result<(), PatternError> {
        let mut last_repeat = None;
        while let Some(next) = self.rest.chars().next() {
            let here = self.rest;
            self.rest = &here[next.len_utf8()..];
            let mut repeat = Some(here);
            match next {
                '*' => self.repeat(here, last_repeat, (0, None))?,
                '+' => self.repeat(here, last_repeat, (1, None))?,
                '?' => self.repeat(here, last_repeat, (0, Some(1)))?,
                '{' => match counted(here) {
                    Some((count, after)) => {
                        self.rest = after;
                        self.repeat_counted(here, last_repeat, count)?;
                    }
                    // Begins no repetition.
                    None => {
                        self.literal(u32::from('{'))?;
                        repeat = None;
                    }
                },
                _ => {
                    self.atom(next, here)?;
                    repeat = None;
                }
            }
            last_repeat = repeat;
        }
        Ok(())
    }

    /// Reads what is no repetition; `next` is behind us, `here` begins with it.
    fn atom(&mut self, next: char, here: &'t str) -> Result<(), PatternError> {
        match next {
            '(' if here.starts_with("(?") => self.perl_group(here)?,
            '(' => self.open(true)?,
            '|' => self.group.end_alternative(),
            ')' => {
                let Some(outer) = self.outer.pop() else {
                    return Err(wrong("unexpected )", self.text));
                };
                let inner = std::mem::replace(&mut self.group, outer);
                self.flags = inner.flags;
                self.group.run.push(inner.finished());
            }
            '^' => self.look(if self.flags.lines { Look::StartLF } else { Look::Start }),
            '$' => self.look(if self.flags.lines { Look::EndLF } else { Look::End }),
            '.' if self.flags.dot_is_all => self.set(class::ranges(&[('\0', char::MAX)])),
            '.' => self.set(class::ranges(&[('\0', '\x09'), ('\x0B', char::MAX)])),
            '[' => self.class(here)?,
            '\\' => self.escape(here)?,
            other => self.literal(u32::from(other))?,
        }
        Ok(())
    }

    fn push(&mut self, hir: Hir) {
        self.group.run.push(Piece { hir, repeats: 0 });
    }

    fn look(&mut self, look: Look) {
        self.push(Hir::look(look));
    }

    fn set(&mut self, class: ClassUnicode) {
        self.push(Hir::class(Class::Unicode(class)));
    }

    fn literal(&mut self, code: u32) -> Result<(), PatternError> {
        match char::from_u32(code) {
            Some(character) if !self.flags.fold => {
                let mut bytes = [0; 4];
                self.push(Hir::literal(character.encode_utf8(&mut bytes).as_bytes()));
            }
            _ => {
                let mut class = ClassUnicode::new(class::range(code, code));
                self.budget.fold(&mut class)?;
                self.set(class);
            }
        }
        Ok(())
    }

    fn repeat_counted(
        &mut self,
        here: &'t str,
        last: Option<&'t str>,
        (min, max): (u64, Option<u64>),
    ) -> Result<(), PatternError> {
        let too_many = |count: u64| count > REPEATS;
        if too_many(min) || max.is_some_and(|max| too_many(max) || min > max) {
            return Err(wrong(BAD_REPEAT, &here[..here.len() - self.rest.len()]));
        }
        // Both are at most 1,000.
        self.repeat(here, last, (min as u32, max.map(|max| max as u32)))?;
        let times = max.unwrap_or(min);
        if let Some(piece) = self.group.run.last_mut() {
            piece.repeats = times * piece.repeats.max(1);
            if times >= 2 && piece.repeats > REPEATS {
                return Err(wrong(BAD_REPEAT, &here[..here.len() - self.rest.len()]));
            }
        }
        Ok(())
    }

    /// Repeats the last piece. `last` is where the token before begins, if that was a repetition.
    fn repeat(
        &mut self,
        here: &'t str,
        last: Option<&'t str>,
        (min, max): (u32, Option<u32>),
    ) -> Result<(), PatternError> {
        let other_way = self.rest.strip_prefix('?');
        let greedy = other_way.is_some() == self.flags.lazy;
        self.rest = other_way.unwrap_or(self.rest);
        let end = self.rest.len();
        if let Some(last) = last {
            let place = &last[..last.len() - end];
            return Err(wrong("invalid nested repetition operator", place));
        }
        let Some(Piece { hir, repeats }) = self.group.run.pop() else {
            let place = &here[..here.len() - end];
            return Err(wrong("missing argument to repetition operator", place));
        };
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(hir) });
        self.group.run.push(Piece { hir, repeats });
        Ok(())
    }

    fn open(&mut self, numbered: bool) -> Result<(), PatternError> {
        if self.outer.len() >= DEPTH {
            return Err(wrong("expression nests too deeply", self.text));
        }
        let mut inner = Group { flags: self.flags, ..Group::default() };
        if numbered && self.captures {
            self.groups += 1;
            inner.number = Some(self.groups);
        }
        self.outer.push(std::mem::replace(&mut self.group, inner));
        Ok(())
    }

    /// A group that begins with `(?`, or flags without one.
    fn perl_group(&mut self, here: &'t str) -> Result<(), PatternError> {
        const BAD_NAME: &str = "invalid named capture";
        if let Some(named) = here.strip_prefix("(?P<").or_else(|| here.strip_prefix("(?<"))
            && !named.is_empty()
        {
            let Some((name, after)) = named.split_once('>') else {
                return Err(wrong(BAD_NAME, here));
            };
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(valid) {
                return Err(wrong(BAD_NAME, &here[..here.len() - after.len()]));
            }
            self.rest = after;
            return self.open(true);
        }
        let mut flags = self.flags;
        let (mut on, mut some) = (true, false);
        let mut after = here["(?".len()..].chars();
        while let Some(letter) = after.next() {
            match letter {
                'i' => (flags.fold, some) = (on, true),
                'm' => (flags.lines, some) = (on, true),
                's' => (flags.dot_is_all, some) = (on, true),
                'U' => (flags.lazy, some) = (on, true),
                '-' if on => (on, some) = (false, false),
                ':' | ')' if on || some => {
                    self.rest = after.as_str();
                    if letter == ':' {
                        self.open(false)?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => {
                    let place = &here[..here.len() - after.as_str().len()];
                    return Err(wrong(BAD_PERL, place));
                }
            }
        }
        Err(wrong(BAD_PERL, here))
    }

    /// A backslash and what comes with it.
    fn escape(&mut self, here: &'t str) -> Result<(), PatternError> {
        let after = here.get("\\x".len()..).unwrap_or_default();
        let look = match here.as_bytes().get(1) {
            Some(b'A') => Look::Start,
            Some(b'z') => Look::End,
            Some(b'b') => Look::WordAscii,
            Some(b'B') => Look::WordAsciiNegate,
            Some(b'Q') => {
                let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
                self.rest = after;
                return quoted.chars().try_for_each(|c| self.literal(u32::from(c)));
            }
            _ => {
                self.rest = here;
                if let Some(class) = self.named_set()? {
                    self.set(class);
                } else {
                    let code = self.escaped()?;
                    self.literal(code)?;
                }
                return Ok(());
            }
        };
        self.rest = after;
        self.look(look);
        Ok(())
    }

    /// `\d` or `\pL` or the like, if the rest begins with such a thing.
    fn named_set(&mut self) -> Result<Option<ClassUnicode>, PatternError> {
        let here = self.rest;
        let Some(letter) = here.strip_prefix('\\').and_then(|after| after.chars().next()) else {
            return Ok(None);
        };
        let mut negated = letter.is_ascii_uppercase();
        let mut class = if let 'p' | 'P' = letter {
            let (name, length) = match here[2..].chars().next() {
                None => return Err(wrong(BAD_RANGE, here)),
                Some('{') => match here.find('}') {
                    Some(end) => (&here[3..end], end + 1),
                    None => return Err(wrong(BAD_RANGE, here)),
                },
                Some(single) => {
                    let end = 2 + single.len_utf8();
                    (&here[2..end], end)
                }
            };
            negated ^= name.starts_with('^');
            let known = self.budget.unicode(name.strip_prefix('^').unwrap_or(name))?;
            self.rest = &here[length..];
            known.ok_or_else(|| wrong(BAD_RANGE, &here[..length]))?
        } else if let Some(class) = class::perl(letter.to_ascii_lowercase()) {
            self.rest = &here[2..];
            class
        } else {
            return Ok(None);
        };
        self.close_set(&mut class, negated)?;
        Ok(Some(class))
    }

    fn close_set(&mut self, class: &mut ClassUnicode, negated: bool) -> Result<(), PatternError> {
        if self.flags.fold {
            self.budget.fold(class)?;
        }
        if negated {
            class.negate();
        }
        Ok(())
    }

    /// The code point of an escaped character, with which the rest begins.
    fn escaped(&mut self) -> Result<u32, PatternError> {
        let here = self.rest;
        let mut after = here[1..].chars();
        let Some(letter) = after.next() else {
            return Err(wrong("trailing backslash at end of expression", ""));
        };
        let code = match letter {
            'a' => Some(0x07),
            'f' => Some(0x0C),
            'n' => Some(0x0A),
            'r' => Some(0x0D),
            't' => Some(0x09),
            'v' => Some(0x0B),
            'x' => hexadecimal(&mut after),
            '0'..='7' => {
                let digits = &here[1..];
                let is_octal = |digit: &u8| (b'0'..=b'7').contains(digit);
                let length = digits.bytes().take(3).take_while(|byte| is_octal(byte)).count();
                after = digits[length..].chars();
                // One digit that is not zero would refer to a group.
                let refers = length == 1 && letter != '0';
                if refers { None } else { u32::from_str_radix(&digits[..length], 8).ok() }
            }
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => Some(u32::from(other)),
            _ => None,
        };
        let end = here.len() - after.as_str().len();
        self.rest = after.as_str();
        code.ok_or_else(|| wrong(BAD_ESCAPE, &here[..end]))
    }

    /// A class in brackets; the first is behind us.
    fn class(&mut self, here: &'t str) -> Result<(), PatternError> {
        let negated = self.rest.starts_with('^');
        self.rest = &self.rest[usize::from(negated)..];
        let mut own = Vec::new();
        let mut named = ClassUnicode::empty();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some(class) = self.posix_set()? {
                named.union(&class);
            } else if let Some(class) = self.named_set()? {
                named.union(&class);
            } else {
                let start = self.rest;
                let low = self.class_character(here)?;
                let mut high = low;
                if let Some(after) = self.rest.strip_prefix('-')
                    && !after.is_empty()
                    && !after.starts_with(']')
                {
                    self.rest = after;
                    high = self.class_character(here)?;
                }
                if high < low {
                    return Err(wrong(BAD_RANGE, &start[..start.len() - self.rest.len()]));
                }
                own.extend(class::range(low, high));
            }
        }
        self.rest = &self.rest[1..];
        let mut class = ClassUnicode::new(own);
        self.close_set(&mut class, false)?;
        class.union(&named);
        if negated {
            class.negate();
        }
        self.set(class);
        Ok(())
    }

    /// `[:alpha:]` or the like, if the rest begins with such a thing.
    fn posix_set(&mut self) -> Result<Option<ClassUnicode>, PatternError> {
        let here = self.rest;
        let Some((name, after)) = here.strip_prefix("[:").and_then(|rest| rest.split_once(":]"))
        else {
            return Ok(None);
        };
        let whole = &here[..here.len() - after.len()];
        let plain = name.strip_prefix('^').unwrap_or(name);
        let mut class = class::posix(plain).ok_or_else(|| wrong(BAD_RANGE, whole))?;
        self.rest = after;
        self.close_set(&mut class, plain.len() < name.len())?;
        Ok(Some(class))
    }

    /// One character of the class that begins at `whole`.
    fn class_character(&mut self, whole: &'t str) -> Result<u32, PatternError> {
        match self.rest.chars().next() {
            None => Err(wrong("missing closing ]", whole)),
            Some('\\') => self.escaped(),
            Some(other) => {
                self.rest = &self.rest[other.len_utf8()..];
                Ok(u32::from(other))
            }
        }
    }
}

/// The digits of `\x`: two, or any number in braces.
fn hexadecimal(after: &mut std::str::Chars<'_>) -> Option<u32> {
    let first = after.next()?;
    if first != '{' {
        return Some(first.to_digit(16)? * 16 + after.next()?.to_digit(16)?);
    }
    let mut code: Option<u32> = None;
    loop {
        match after.next()? {
            '}' => return code,
            digit => {
                let longer = code.unwrap_or(0) * 16 + digit.to_digit(16)?;
                code = Some(longer).filter(|code| *code <= u32::from(char::MAX));
                code?;
            }
        }
    }
}

/// The counts of a repetition in braces, and what is behind it.
fn counted(here: &str) -> Option<((u64, Option<u64>), &str)> {
    let (min, after) = count(here.strip_prefix('{')?)?;
    let (max, after) = match after.strip_prefix(',') {
        None => (Some(min), after),
        Some(after) if after.starts_with('}') => (None, after),
        Some(after) => {
            let (max, after) = count(after)?;
            (Some(max), after)
        }
    };
    Some(((min, max), after.strip_prefix('}')?))
}

/// A number without leading zeros; a huge one is only known to be huge.
fn count(text: &str) -> Option<(u64, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, after) = text.split_at(length);
    if length == 0 || (length > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u64::MAX), after))
}
