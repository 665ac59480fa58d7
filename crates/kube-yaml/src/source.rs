//! The text of a document where go-yaml and libyaml disagree about it.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{DecodeStep, Fault};
use crate::events::{Failure, FailureKind, Mark, Properties};

/// Bytes that may be parsed again because of disguises, so that many of them cannot make parsing slow.
const MAX_BYTES_AGAIN: usize = 8 << 20;

/// A text as libyaml gets it.
///
/// What go-yaml reads as plain text and libyaml stumbles over is disguised: a character that occurs nowhere in the text
/// stands in its place, and is replaced again in the values. Places stay the same, since each stands for one character.
pub(crate) struct Source<'a> {
    text: Cow<'a, str>,
    /// Stands for a byte order mark, a colon, and a backslash that is left out of the value.
    stand_ins: [char; 3],
    is_disguised: bool,
    bytes_again: usize,
    has_tags: bool,
    has_escaped_slashes: bool,
}

const MARK: usize = 0;
const COLON: usize = 1;
const BACKSLASH: usize = 2;

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut source = Self {
            text: Cow::Borrowed(text),
            stand_ins: ['\0'; 3],
            is_disguised: false,
            bytes_again: 0,
            has_tags: text.contains('!'),
            has_escaped_slashes: text.contains("\\/"),
        };
        // libyaml skips a mark at the start of any line, go-yaml takes it for text.
        if text.contains('\u{feff}') {
            source.choose_stand_ins();
            source.text = Cow::Owned(text.replace('\u{feff}', source.stand_ins[MARK].encode_utf8(&mut [0; 4])));
        }
        source
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Disguises what made libyaml fail where go-yaml reads on; `None` when both fail.
    pub(crate) fn disguise(&mut self, failure: &Failure) -> Option<()> {
        let at = failure.mark.index;
        let rest = self.text.get(at..)?;
        let stand_in = match failure.kind {
            FailureKind::ColonInFlow if rest.starts_with(':') => COLON,
            FailureKind::UnknownEscape if rest.starts_with("\\'") => BACKSLASH,
            _ => return None,
        };
        self.bytes_again += self.text.len();
        if self.bytes_again > MAX_BYTES_AGAIN {
            return None;
        }
        if !self.is_disguised {
            self.choose_stand_ins();
        }
        let stand_in = self.stand_ins[stand_in];
        self.text.to_mut().replace_range(at..=at, stand_in.encode_utf8(&mut [0; 4]));
        Some(())
    }

    /// Returns a value with what the stand-ins stand for.
    pub(crate) fn undisguised(&self, text: String) -> String {
        if !self.is_disguised || !text.contains(self.stand_ins) {
            return text;
        }
        text.chars()
            .filter(|char| *char != self.stand_ins[BACKSLASH])
            .map(|char| match char {
                _ if char == self.stand_ins[MARK] => '\u{feff}',
                _ if char == self.stand_ins[COLON] => ':',
                other => other,
            })
            .collect()
    }

    fn choose_stand_ins(&mut self) {
        let mut unused = ('\u{e000}'..='\u{f8ff}').filter(|char| !self.text.contains(*char));
        // A text with all 6,400 private characters gets no stand-in and keeps what libyaml makes of it.
        self.stand_ins = [(); 3].map(|()| unused.next().unwrap_or('\u{fffd}'));
        self.is_disguised = true;
    }
}

/// What go-yaml sees in the text and libyaml's events do not show.
impl Source<'_> {
    /// Refuses the escape `\/`, which go-yaml does not know.
    pub(crate) fn refuse_escaped_slash(&self, start: Mark, end: Mark) -> Result<(), Fault> {
        if !self.has_escaped_slashes {
            return Ok(());
        }
        let mut escaped = false;
        for byte in self.text.get(start.index..end.index).unwrap_or_default().bytes() {
            if escaped && byte == b'/' {
                let advice = "write / without a backslash: Kubernetes' decoder does not know this escape in YAML";
                return Err(fault(start, "found the escape \\/ in a quoted scalar", advice));
            }
            escaped = !escaped && byte == b'\\';
        }
        Ok(())
    }

    /// Refuses a tag that a comma or a bracket follows: libyaml ends the tag there, go-yaml makes them part of it.
    pub(crate) fn check_tag(&self, properties: &Properties, start: Mark) -> Result<(), Fault> {
        let Some(source) = properties.tag.as_ref().and_then(|_| self.tag_in(start.index..self.text.len())) else {
            return Ok(());
        };
        let word = source.split(char::is_whitespace).next().unwrap_or_default();
        let open_ended =
            if word.starts_with("!<") { word.split_once('>').map_or("", |(_, behind)| behind) } else { word };
        if open_ended.contains([',', '[', ']']) {
            return Err(fault(start, "found a tag that runs into a comma or a bracket", "put a space behind the tag"));
        }
        Ok(())
    }

    /// Tells whether a plain scalar stands under a lone `!`, which makes it text.
    pub(crate) fn has_lone_tag(&self, start: Mark, end: Mark) -> bool {
        self.tag_in(start.index..end.index).is_some()
    }

    /// Returns the text from the tag of a node on, when the node in the range has one.
    fn tag_in(&self, range: Range<usize>) -> Option<&str> {
        if !self.has_tags {
            return None;
        }
        let mut rest = self.text.get(range)?;
        if rest.starts_with('&') {
            rest = rest.trim_start_matches(|char: char| !char.is_whitespace()).trim_start();
            while rest.starts_with('#') {
                rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
            }
        }
        rest.starts_with('!').then_some(rest)
    }
}

pub(crate) fn position(mark: Mark) -> (usize, usize) {
    (mark.line, mark.column)
}

pub(crate) fn fault(mark: Mark, problem: &'static str, advice: &'static str) -> Fault {
    Fault::new(position(mark), DecodeStep::Yaml, problem, advice)
}
