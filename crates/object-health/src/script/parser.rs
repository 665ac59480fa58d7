//! Words to statements.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::lexer::{Token, Word};

/// How deep blocks and brackets may nest, so that no script exhausts the stack.
const MAX_DEPTH: usize = 40;

/// A name and the fields after it: `obj.status.health`.
pub(super) type Path = Vec<String>;

/// One statement.
#[derive(Debug)]
pub(super) enum Statement {
    /// `local name = value`.
    Local(String, Expression),
    /// `path = value`.
    Assign(Path, Expression),
    /// `if … then … elseif … then … else … end`; the arms in order, `else` as an arm that always holds.
    If(Vec<(Expression, Vec<Statement>)>),
    /// `return value`.
    Return(Expression),
}

/// An expression. Chains of one operator are flat, so that their length costs no stack.
#[derive(Debug)]
pub(super) enum Expression {
    /// `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A variable or a field below it.
    Path(Path),
    /// `{ name = value, … }`.
    Table(Vec<(String, Expression)>),
    /// `not a`.
    Not(Box<Expression>),
    /// `a == b`.
    Equal(Box<Expression>, Box<Expression>),
    /// `a ~= b`.
    Unequal(Box<Expression>, Box<Expression>),
    /// `a and b and …`.
    And(Vec<Expression>),
    /// `a or b or …`.
    Or(Vec<Expression>),
    /// `a .. b .. …`.
    Join(Vec<Expression>),
}

const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
];

/// Reads a whole script; the error names the line and word that is not understood.
pub(super) fn parse(tokens: Vec<Token<'_>>) -> Result<Vec<Statement>, String> {
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), line: 1, depth: 0 };
    let block = parser.block()?;
    if parser.tokens.peek().is_some() { Err(parser.not_understood()) } else { Ok(block) }
}

struct Parser<'a> {
    tokens: Peekable<IntoIter<Token<'a>>>,
    line: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn not_understood(&mut self) -> String {
        match self.tokens.peek() {
            None => "the script ends too early".to_owned(),
            Some(Token { word, line }) => match word {
                Word::Name(name) => format!("line {line}: `{name}` is not understood here"),
                Word::Mark(mark) => format!("line {line}: `{mark}` is not understood here"),
                Word::Text(_) | Word::Number(_) => format!("line {line}: a value is not understood here"),
            },
        }
    }

    fn next(&mut self) -> Option<Word<'a>> {
        let token = self.tokens.next()?;
        self.line = token.line;
        Some(token.word)
    }

    fn take(&mut self, wanted: &Word<'_>) -> bool {
        self.tokens.next_if(|token| token.word == *wanted).is_some()
    }

    fn take_keyword(&mut self, word: &str) -> bool {
        self.take(&Word::Name(word))
    }

    fn take_mark(&mut self, mark: &'static str) -> bool {
        self.take(&Word::Mark(mark))
    }

    fn need(&mut self, wanted: &Word<'_>) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.not_understood()) }
    }

    fn name(&mut self) -> Result<&'a str, String> {
        match self.tokens.peek() {
            Some(Token { word: Word::Name(name), .. }) if !KEYWORDS.contains(name) => {
                let name = *name;
                self.next();
                Ok(name)
            }
            _ => Err(self.not_understood()),
        }
    }

    fn nested<T>(&mut self, read: fn(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth == MAX_DEPTH {
            return Err(format!("line {}: nested more than {MAX_DEPTH} deep", self.line));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Reads statements up to a word that ends a block, which is left.
    fn block(&mut self) -> Result<Vec<Statement>, String> {
        let mut statements = Vec::new();
        loop {
            while self.take_mark(";") {}
            match self.tokens.peek().map(|token| &token.word) {
                None | Some(Word::Name("end" | "else" | "elseif")) => return Ok(statements),
                _ => statements.push(self.statement()?),
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, String> {
        if self.take_keyword("return") {
            return self.return_value();
        }
        if self.take_keyword("if") {
            return self.nested(Self::branches);
        }
        if self.take_keyword("local") {
            let name = self.name()?.to_owned();
            let value = if self.take_mark("=") { self.expression()? } else { Expression::Nil };
            return Ok(Statement::Local(name, value));
        }
        let path = self.path()?;
        if path[0] == "obj" {
            return Err(format!("line {}: `obj` must not be changed", self.line));
        }
        self.need(&Word::Mark("="))?;
        Ok(Statement::Assign(path, self.expression()?))
    }

    /// Reads what follows `return`; it must be the last statement of its block.
    fn return_value(&mut self) -> Result<Statement, String> {
        let ends = |token: Option<&Token<'_>>| {
            matches!(
                token.map(|token| &token.word),
                None | Some(Word::Name("end" | "else" | "elseif") | Word::Mark(";"))
            )
        };
        let value = if ends(self.tokens.peek()) { Expression::Nil } else { self.expression()? };
        if ends(self.tokens.peek()) { Ok(Statement::Return(value)) } else { Err(self.not_understood()) }
    }

    fn branches(&mut self) -> Result<Statement, String> {
        let mut arms = Vec::new();
        loop {
            let condition = self.expression()?;
            self.need(&Word::Name("then"))?;
            arms.push((condition, self.block()?));
            if self.take_keyword("elseif") {
                continue;
            }
            if self.take_keyword("else") {
                arms.push((Expression::Bool(true), self.block()?));
            }
            self.need(&Word::Name("end"))?;
            return Ok(Statement::If(arms));
        }
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut path = vec![self.name()?.to_owned()];
        loop {
            if self.take_mark(".") {
                path.push(self.name()?.to_owned());
            } else if self.take_mark("[") {
                match self.next() {
                    Some(Word::Text(field)) => path.push(field),
                    _ => return Err(format!("line {}: only a quoted name is understood in brackets", self.line)),
                }
                self.need(&Word::Mark("]"))?;
            } else {
                return Ok(path);
            }
        }
    }

    fn expression(&mut self) -> Result<Expression, String> {
        self.nested(|parser| parser.chain(&Word::Name("or"), Expression::Or, Self::conjunction))
    }

    fn conjunction(&mut self) -> Result<Expression, String> {
        self.chain(&Word::Name("and"), Expression::And, Self::comparison)
    }

    fn joined(&mut self) -> Result<Expression, String> {
        self.chain(&Word::Mark(".."), Expression::Join, Self::operand)
    }

    fn chain(
        &mut self,
        operator: &Word<'_>,
        make: fn(Vec<Expression>) -> Expression,
        operand: fn(&mut Self) -> Result<Expression, String>,
    ) -> Result<Expression, String> {
        let first = operand(self)?;
        let mut operands = vec![first];
        while self.take(operator) {
            operands.push(operand(self)?);
        }
        Ok(if operands.len() > 1 { make(operands) } else { operands.remove(0) })
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.joined()?;
        if self.take_mark("==") {
            Ok(Expression::Equal(Box::new(left), Box::new(self.joined()?)))
        } else if self.take_mark("~=") {
            Ok(Expression::Unequal(Box::new(left), Box::new(self.joined()?)))
        } else {
            Ok(left)
        }
    }

    fn operand(&mut self) -> Result<Expression, String> {
        let constant = match self.tokens.peek().map(|token| &token.word) {
            Some(Word::Name("nil")) => Expression::Nil,
            Some(Word::Name("true")) => Expression::Bool(true),
            Some(Word::Name("false")) => Expression::Bool(false),
            Some(Word::Number(number)) => Expression::Number(*number),
            Some(Word::Text(text)) => Expression::Text(text.clone()),
            Some(Word::Name("not")) => {
                self.next();
                return self.nested(|parser| Ok(Expression::Not(Box::new(parser.operand()?))));
            }
            Some(Word::Mark("(")) => {
                self.next();
                let inner = self.expression()?;
                return self.need(&Word::Mark(")")).map(|()| inner);
            }
            Some(Word::Mark("{")) => {
                self.next();
                return self.table();
            }
            _ => return self.path().map(Expression::Path),
        };
        self.next();
        Ok(constant)
    }

    fn table(&mut self) -> Result<Expression, String> {
        let mut fields = Vec::new();
        while !self.take_mark("}") {
            let name = self.name()?.to_owned();
            self.need(&Word::Mark("="))?;
            fields.push((name, self.expression()?));
            if !self.take_mark(",") && !self.take_mark(";") {
                self.need(&Word::Mark("}"))?;
                break;
            }
        }
        Ok(Expression::Table(fields))
    }
}
