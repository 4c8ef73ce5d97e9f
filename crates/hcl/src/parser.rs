//! From tokens to values.

use std::collections::BTreeMap;

use gotext::decode::Value;

use crate::scanner::{Scanner, Token};
use crate::{DEPTH, HclError, Place};

/// Reads a whole text.
pub(crate) fn file(text: &str) -> Result<Value, HclError> {
    let mut scanner = Scanner::new(text);
    let (token, place) = scanner.next()?;
    let mut parser = Parser { scanner, token, place };
    let fields = parser.items(DEPTH, false)?;
    Ok(Value::Object(fields.list))
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    /// The token that comes next, and its place.
    token: Token,
    place: Place,
}

/// Fields in the order of the text, each key once.
#[derive(Default)]
struct Fields {
    list: Vec<(String, Value)>,
    /// Where a key stands in the list, and whether blocks made its value.
    known: BTreeMap<String, (usize, bool)>,
}

impl Fields {
    /// Blocks are gathered; of anything else the last is kept.
    fn add(&mut self, key: String, value: Value, block: bool) {
        let Some((index, blocks)) = self.known.get_mut(&key) else {
            self.known.insert(key.clone(), (self.list.len(), block));
            self.list.push((key, value));
            return;
        };
        match (&mut self.list[*index].1, value) {
            (Value::List(all), Value::List(more)) if *blocks && block => all.extend(more),
            (old, value) => *old = value,
        }
        *blocks = block;
    }
}

impl Parser<'_> {
    /// Takes the next token.
    fn advance(&mut self) -> Result<Token, HclError> {
        let (token, place) = self.scanner.next()?;
        self.place = place;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn deeper(&self, depth: usize) -> Result<usize, HclError> {
        depth.checked_sub(1).ok_or_else(|| HclError::at(self.place, "nested too deeply"))
    }

    /// The items of an object: to the end of the text or, if braces stand around it, to the closing
    /// one, which is left.
    fn items(&mut self, depth: usize, braces: bool) -> Result<Fields, HclError> {
        let mut fields = Fields::default();
        while self.token != Token::End && !(braces && self.token == Token::ClosingBrace) {
            let Some((key, value, block)) = self.item(depth)? else { break };
            fields.add(key, value, block);
            if braces && self.token == Token::Comma {
                self.advance()?;
            }
        }
        Ok(fields)
    }

    /// Keys and a value; nothing if the text ends where the value would begin. Also says whether
    /// the value is a block.
    fn item(&mut self, depth: usize) -> Result<Option<(String, Value, bool)>, HclError> {
        let first = self.key()?;
        let mut labels = Vec::new();
        while matches!(self.token, Token::Identifier(_) | Token::Text(_)) {
            if labels.len() >= depth {
                return Err(HclError::at(self.place, "nested too deeply"));
            }
            labels.push(self.key()?);
        }
        let mut value = match self.token {
            Token::Assign if labels.is_empty() => {
                self.advance()?;
                if self.token == Token::End {
                    return Ok(None);
                }
                let block = self.token == Token::OpeningBrace;
                let value = self.value(depth)?;
                return Ok(Some((
                    first,
                    if block { Value::List(vec![value]) } else { value },
                    block,
                )));
            }
            Token::OpeningBrace => self.object(self.deeper(depth - labels.len())?)?,
            _ => {
                let problem = format!(
                    "a value or a block expected behind key '{first}', got: {}",
                    self.token
                );
                return Err(HclError::at(self.place, problem));
            }
        };
        for label in labels.into_iter().rev() {
            value = Value::Object(vec![(label, Value::List(vec![value]))]);
        }
        Ok(Some((first, Value::List(vec![value]), true)))
    }

    fn key(&mut self) -> Result<String, HclError> {
        match &self.token {
            Token::Identifier(_) | Token::Text(_) => {}
            other => return Err(HclError::at(self.place, format!("a key expected, got: {other}"))),
        }
        match self.advance()? {
            Token::Identifier(key) | Token::Text(key) => Ok(key),
            _ => unreachable!("the token was looked at"),
        }
    }

    /// A value, objects as they are.
    fn value(&mut self, depth: usize) -> Result<Value, HclError> {
        match self.token {
            Token::OpeningBrace => return self.object(self.deeper(depth)?),
            Token::OpeningBracket => return self.list(self.deeper(depth)?),
            Token::Text(_) | Token::Heredoc(_) | Token::Number(_) | Token::Bool(_) => {}
            _ => {
                let problem = format!("a value expected, got: {}", self.token);
                return Err(HclError::at(self.place, problem));
            }
        }
        Ok(match self.advance()? {
            Token::Text(text) | Token::Heredoc(text) => Value::Text(text),
            Token::Number(number) => Value::Number(number),
            Token::Bool(value) => Value::Bool(value),
            _ => unreachable!("the token was looked at"),
        })
    }

    /// From the opening to the closing brace.
    fn object(&mut self, depth: usize) -> Result<Value, HclError> {
        self.advance()?;
        let fields = self.items(depth, true)?;
        if self.token != Token::ClosingBrace {
            // The end is looked for once more, a column further: so does the program whose error
            // texts these are.
            let place = Place { column: self.place.column + 1, ..self.place };
            let problem = format!("object expected closing RBRACE got: {}", self.token);
            return Err(HclError::at(place, problem));
        }
        self.advance()?;
        Ok(Value::Object(fields.list))
    }

    /// From the opening to the closing bracket.
    fn list(&mut self, depth: usize) -> Result<Value, HclError> {
        self.advance()?;
        let mut items = Vec::new();
        while self.token != Token::ClosingBracket {
            items.push(self.value(depth)?);
            match self.token {
                Token::Comma => drop(self.advance()?),
                Token::ClosingBracket => {}
                _ => {
                    let problem =
                        format!("a comma or the end of the list expected, got: {}", self.token);
                    return Err(HclError::at(self.place, problem));
                }
            }
        }
        self.advance()?;
        Ok(Value::List(items))
    }
}
