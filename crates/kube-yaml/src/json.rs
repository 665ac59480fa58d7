use serde_json::{Map, Value};

use crate::encoding::lossy;
use crate::error::{DecodeStep, Fault, position};
use crate::number::Number;
use crate::tree::{too_deep, too_many_values};

/// Reads one JSON value after another from a text, as Go's `json.Decoder` and then Kubernetes' JSON decoder do: the last of
/// two equal keys wins, integers of 64 bits stay exact, what is not Unicode becomes U+FFFD.
pub(crate) struct JsonStream<'a> {
    text: &'a [u8],
    /// Bytes read.
    pub(crate) at: usize,
    max_depth: usize,
    values_left: usize,
}

impl<'a> JsonStream<'a> {
    pub(crate) fn new(text: &'a [u8], max_depth: usize, max_values: usize) -> Self {
        Self { text, at: 0, max_depth, values_left: max_values }
    }

    /// Skips white space and returns whether anything follows.
    pub(crate) fn has_more(&mut self) -> bool {
        self.skip_blanks();
        self.at < self.text.len()
    }

    /// Reads the next value.
    pub(crate) fn value(&mut self) -> Result<Value, Fault> {
        self.nested_value(0)
    }

    /// Returns a fault at the present position.
    pub(crate) fn fault(&self, problem: impl Into<String>) -> Fault {
        Fault::new(position(self.text, self.at), DecodeStep::Json, problem, "correct the JSON there")
    }

    fn nested_value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.skip_blanks();
        self.values_left =
            self.values_left.checked_sub(1).ok_or_else(|| too_many_values(position(self.text, self.at)))?;
        match self.peek() {
            Some(b'{') => self.object(depth).map(Value::Object),
            Some(b'[') => self.array(depth).map(Value::Array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.expected("a JSON value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Map<String, Value>, Fault> {
        let mut map = Map::new();
        self.enter(depth)?;
        if self.skip(b'}') {
            return Ok(map);
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in double quotes"));
            }
            let key = self.string()?;
            if !self.skip(b':') {
                return Err(self.expected("a colon after the key"));
            }
            let value = self.nested_value(depth + 1)?;
            map.insert(key, value);
            if self.skip(b'}') {
                return Ok(map);
            }
            if !self.skip(b',') {
                return Err(self.expected("a comma or } after the value"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, Fault> {
        let mut values = Vec::new();
        self.enter(depth)?;
        if self.skip(b']') {
            return Ok(values);
        }
        loop {
            values.push(self.nested_value(depth + 1)?);
            if self.skip(b']') {
                return Ok(values);
            }
            if !self.skip(b',') {
                return Err(self.expected("a comma or ] after the value"));
            }
        }
    }

    /// Steps over the bracket that opens a collection.
    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= self.max_depth {
            return Err(too_deep(position(self.text, self.at)));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
            bytes.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(String::from_utf8(bytes).unwrap_or_else(|error| lossy(error.as_bytes())));
                }
                Some(b'\\') => {
                    let char = self.escape()?;
                    bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(self.expected("a character or the closing quote of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let char = match self.text.get(self.at + 1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.expected("an escape that JSON knows")),
        };
        self.at += 2;
        Ok(char)
    }

    /// Reads `\uXXXX`, or two of them that make one character.
    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let Some(first) = self.unit(self.at) else { return Err(self.expected("four hexadecimal digits after \\u")) };
        self.at += 6;
        if let Some(char) = char::from_u32(first) {
            return Ok(char);
        }
        let Some(second) = self.unit(self.at).filter(|unit| first < 0xdc00 && (0xdc00..0xe000).contains(unit)) else {
            return Ok(char::REPLACEMENT_CHARACTER);
        };
        self.at += 6;
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        self.skip_byte(b'-');
        if !self.skip_byte(b'0') {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.skip_byte(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if self.skip_byte(b'e') || self.skip_byte(b'E') {
            is_integer = false;
            if !self.skip_byte(b'+') {
                self.skip_byte(b'-');
            }
            self.digits()?;
        }
        let digits = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        let integer = || digits.parse().map(Number::Int).or_else(|_| digits.parse().map(Number::Uint)).ok();
        let float = || digits.parse().map(Number::Float).ok();
        let number = if is_integer { integer().or_else(float) } else { float() };
        number.and_then(Number::into_value).ok_or_else(|| self.fault("found a number beyond the range of 64 bits"))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("true, false or null"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Skips white space, and then the byte if it follows.
    fn skip(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        self.skip_byte(byte)
    }

    fn skip_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn expected(&self, what: &str) -> Fault {
        let found = if self.at < self.text.len() { "found something else" } else { "the file ends" };
        self.fault(format!("{found} where {what} was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<(Value, usize), Fault> {
        let mut stream = JsonStream::new(text, 3, 10);
        stream.value().map(|value| (value, stream.at))
    }

    #[test]
    fn values_are_those_of_go() {
        let check = |text: &[u8], expected: &str| {
            let (value, _) = read(text).unwrap_or_else(|fault| panic!("{text:?}: {fault:?}"));
            assert_eq!(value.to_string(), expected);
        };
        check(br#" {"a" : [1, -0, 1.0, 1e2, true, null] }"#, r#"{"a":[1,0,1,100,true,null]}"#);
        check(br#"{"a":1,"a":{"b":2}}"#, r#"{"a":{"b":2}}"#);
        check(br#""\u0041\ud83d\ude00\/\n\ud800x\udc00""#, "\"A\u{1f600}/\\n\u{fffd}x\u{fffd}\"");
        check(br#""\ud800\u0041""#, "\"\u{fffd}A\"");
        check(b"\"\xff\xfe\"", "\"\u{fffd}\u{fffd}\"");
        check(b"18446744073709551615", "18446744073709551615");
        check(b"18446744073709551616", "1.8446744073709552e+19");
        check(b"[]", "[]");
        check(b"{}", "{}");
    }

    #[test]
    fn faults_name_the_place() {
        let check = |text: &[u8], at: (usize, usize)| {
            let fault = read(text).unwrap_err();
            assert_eq!((fault.line, fault.column), at, "{fault:?}");
        };
        check(b"", (0, 0));
        check(b"{\n  a: 1}", (1, 2));
        check(b"{\"a\" 1}", (0, 5));
        check(b"{\"a\": 1,}", (0, 8));
        check(b"[1 2]", (0, 3));
        check(b"[01]", (0, 2));
        check(b"\"a\nb\"", (0, 2));
        check(br#""\x""#, (0, 1));
        check(br#""\u12G4""#, (0, 1));
        check(b"1.", (0, 2));
        check(b"1e999", (0, 5));
        check(b"tru", (0, 0));
        check(b"[[[[]]]]", (0, 3));
        check(b"[1,2,3,4,5,6,7,8,9,10]", (0, 19));
    }

    #[test]
    fn a_value_ends_where_the_next_begins() {
        assert_eq!(read(b"{}{}").map(|(_, at)| at), Ok(2));
        assert_eq!(read(b"12x").map(|(_, at)| at), Ok(2));
        assert_eq!(read(b"nullx").map(|(_, at)| at), Ok(4));
    }
}
