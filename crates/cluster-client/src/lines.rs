use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use tower::BoxError;

use crate::transport::ResponseBody;

/// Longest line of a watch that is read; objects are limited to a few MiB by the API server.
pub(crate) const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// The lines of a body, read as they come.
pub(crate) struct Lines {
    body: ResponseBody,
    /// What came and was not handed out.
    rest: Bytes,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    dropping: Dropping,
    longest: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dropping {
    No,
    UntilNewline,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its bytes.
    Text(Bytes),
    /// It was longer than allowed and has been dropped.
    TooLong,
}

impl Lines {
    pub(crate) fn new(body: ResponseBody, longest: usize) -> Self {
        Self { body, rest: Bytes::new(), begun: Vec::new(), dropping: Dropping::No, longest }
    }

    /// Reads the next line that is not empty; none at the end. A last line without its end is dropped: it was cut off.
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, BoxError> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => self.rest = frame?.into_data().unwrap_or_default(),
            }
        }
    }

    fn take_line(&mut self) -> Option<Line> {
        while !self.rest.is_empty() {
            let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else {
                self.keep_beginning();
                return None;
            };
            let tail = self.rest.split_to(end);
            self.rest.advance(1);
            if self.dropping == Dropping::UntilNewline || self.begun.len() + tail.len() > self.longest {
                self.dropping = Dropping::No;
                self.begun = Vec::new();
                return Some(Line::TooLong);
            }
            // Most lines come whole, in one chunk: no copy.
            let line = if self.begun.is_empty() {
                tail
            } else {
                let mut line = std::mem::take(&mut self.begun);
                line.extend_from_slice(&tail);
                Bytes::from(line)
            };
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(Line::Text(line));
            }
        }
        None
    }

    fn keep_beginning(&mut self) {
        let part = std::mem::take(&mut self.rest);
        if self.dropping == Dropping::No {
            if self.begun.len() + part.len() > self.longest {
                self.dropping = Dropping::UntilNewline;
                self.begun = Vec::new();
            } else {
                self.begun.extend_from_slice(&part);
            }
        }
    }
}

#[cfg(test)]
mod tests;
