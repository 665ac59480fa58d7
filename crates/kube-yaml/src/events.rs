//! libyaml's events as Rust values: the only module with unsafe code.

#![expect(unsafe_code, reason = "libyaml-rs has the interface of a C library")]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use libyaml_rs as sys;

use crate::error::{DecodeStep, Fault, position};

const ADVICE: &str = "correct the YAML there";

/// What libyaml found.
#[derive(Debug)]
pub(crate) enum Event {
    StreamStart,
    StreamEnd,
    DocumentStart {
        /// Major and minor version of a `%YAML` directive.
        version: Option<(i32, i32)>,
    },
    DocumentEnd,
    Alias(String),
    Scalar {
        properties: Properties,
        text: String,
        style: Style,
        /// The flag of this name in libyaml: a plain scalar without a tag, or any scalar under a lone `!`.
        plain_implicit: bool,
    },
    SequenceStart(Properties, Layout),
    SequenceEnd,
    MappingStart(Properties, Layout),
    MappingEnd,
}

/// Whether a collection is written by indentation or in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Block,
    Flow,
}

/// Anchor and tag of a node.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    pub(crate) anchor: Option<String>,
    pub(crate) tag: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    DoubleQuoted,
    Other,
}

/// A place in the text, all from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Bytes before it.
    pub(crate) index: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Why libyaml went no further.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// The place of the problem, where `kind` is not `Other`.
    pub(crate) mark: Mark,
    pub(crate) fault: Fault,
}

/// The failures that go-yaml does not share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// A colon before a bracket or a comma, in plain text inside brackets.
    ColonInFlow,
    /// A backslash before a character that libyaml does not expect there.
    UnknownEscape,
    Other,
}

/// A stream of events over one text.
pub(crate) struct Events<'a> {
    // libyaml keeps a pointer to its own struct, so the struct stays where it is until Drop.
    parser: *mut sys::yaml_parser_t,
    text: &'a str,
    borrows: PhantomData<&'a str>,
}

impl<'a> Events<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let parser = Box::into_raw(Box::new(MaybeUninit::<sys::yaml_parser_t>::uninit())).cast::<sys::yaml_parser_t>();
        // SAFETY: `parser` points to memory of the right size that nothing else refers to; initialize writes all of it (it
        // fails only where the allocator aborts). The text outlives the parser through the lifetime 'a, and its length is
        // that of the slice.
        unsafe {
            let initialized = sys::yaml_parser_initialize(parser);
            debug_assert!(initialized.ok, "initialize fails only without memory");
            sys::yaml_parser_set_encoding(parser, sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
        }
        Self { parser, text, borrows: PhantomData }
    }

    /// Returns the next event with the marks where it starts and ends.
    pub(crate) fn next(&mut self) -> Result<(Event, Mark, Mark), Failure> {
        let mut event = MaybeUninit::<sys::yaml_event_t>::uninit();
        // SAFETY: the parser was initialized in `new` and is used by nobody else (`&mut self`). parse writes the event,
        // zeroed first, in every case; it is read while it lives and deleted once.
        unsafe {
            if !sys::yaml_parser_parse(self.parser, event.as_mut_ptr()).ok {
                return Err(self.failure());
            }
            let event = event.assume_init_mut();
            let found = convert(event);
            let marks = (mark(event.start_mark), mark(event.end_mark));
            sys::yaml_event_delete(event);
            Ok((found, marks.0, marks.1))
        }
    }

    fn failure(&self) -> Failure {
        // SAFETY: the parser was initialized; `problem` and `context` are null or point to static C strings of libyaml.
        let (error, problem, context, offset, problem_mark, context_mark) = unsafe {
            let parser = &*self.parser;
            (
                parser.error,
                static_text(parser.problem),
                static_text(parser.context),
                usize::try_from(parser.problem_offset).unwrap_or(usize::MAX),
                mark(parser.problem_mark),
                mark(parser.context_mark),
            )
        };
        let problem = problem.unwrap_or("found something that is not YAML");
        if error == sys::YAML_READER_ERROR {
            let at = position(self.text.as_bytes(), offset);
            return Failure {
                kind: FailureKind::Other,
                mark: problem_mark,
                fault: Fault::new(at, DecodeStep::Read, problem, ADVICE),
            };
        }
        let lines = problem_mark.line.saturating_sub(context_mark.line);
        let message = match (context, lines) {
            (None, _) => problem.to_owned(),
            (Some(context), 0) => format!("{problem} {context}"),
            (Some(context), 1) => format!("{problem} {context} that starts on the line above"),
            (Some(context), _) => format!("{problem} {context} that starts {lines} lines above"),
        };
        let kind = match problem {
            "found unexpected ':'" => FailureKind::ColonInFlow,
            "found unknown escape character" => FailureKind::UnknownEscape,
            _ => FailureKind::Other,
        };
        let at = (problem_mark.line, problem_mark.column);
        Failure { kind, mark: problem_mark, fault: Fault::new(at, DecodeStep::Yaml, message, ADVICE) }
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        // SAFETY: the parser was initialized in `new` and is deleted once; the box was made there with the same layout.
        unsafe {
            sys::yaml_parser_delete(self.parser);
            drop(Box::from_raw(self.parser.cast::<MaybeUninit<sys::yaml_parser_t>>()));
        }
    }
}

/// Copies an event out of libyaml's memory.
///
/// # Safety
///
/// The event was written by `yaml_parser_parse` and not deleted yet, so that its type tells which part of `data` is valid.
unsafe fn convert(event: &sys::yaml_event_t) -> Event {
    // SAFETY: each arm reads the part of the union that the event's type names; its strings are null or end with a zero.
    unsafe {
        match event.type_ {
            sys::YAML_STREAM_START_EVENT => Event::StreamStart,
            sys::YAML_DOCUMENT_START_EVENT => {
                let version = event.data.document_start.version_directive.as_ref();
                Event::DocumentStart { version: version.map(|version| (version.major, version.minor)) }
            }
            sys::YAML_DOCUMENT_END_EVENT => Event::DocumentEnd,
            sys::YAML_ALIAS_EVENT => Event::Alias(owned(event.data.alias.anchor).unwrap_or_default()),
            sys::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let length = usize::try_from(scalar.length).unwrap_or(0);
                let text = std::slice::from_raw_parts(scalar.value, length);
                Event::Scalar {
                    properties: Properties { anchor: owned(scalar.anchor), tag: owned(scalar.tag) },
                    text: String::from_utf8_lossy(text).into_owned(),
                    style: match scalar.style {
                        sys::YAML_PLAIN_SCALAR_STYLE => Style::Plain,
                        sys::YAML_DOUBLE_QUOTED_SCALAR_STYLE => Style::DoubleQuoted,
                        _ => Style::Other,
                    },
                    plain_implicit: scalar.plain_implicit,
                }
            }
            sys::YAML_SEQUENCE_START_EVENT => {
                let start = &event.data.sequence_start;
                let layout = if start.style == sys::YAML_FLOW_SEQUENCE_STYLE { Layout::Flow } else { Layout::Block };
                Event::SequenceStart(Properties { anchor: owned(start.anchor), tag: owned(start.tag) }, layout)
            }
            sys::YAML_SEQUENCE_END_EVENT => Event::SequenceEnd,
            sys::YAML_MAPPING_START_EVENT => {
                let start = &event.data.mapping_start;
                let layout = if start.style == sys::YAML_FLOW_MAPPING_STYLE { Layout::Flow } else { Layout::Block };
                Event::MappingStart(Properties { anchor: owned(start.anchor), tag: owned(start.tag) }, layout)
            }
            sys::YAML_MAPPING_END_EVENT => Event::MappingEnd,
            _ => Event::StreamEnd,
        }
    }
}

/// Copies a C string.
///
/// # Safety
///
/// The pointer is null, or points to bytes that end with a zero.
unsafe fn owned(pointer: *const u8) -> Option<String> {
    // SAFETY: promised by the caller.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer.cast()) }.to_string_lossy().into_owned())
}

/// Reads one of libyaml's messages.
///
/// # Safety
///
/// The pointer is null, or points to static bytes that end with a zero.
unsafe fn static_text(pointer: *const i8) -> Option<&'static str> {
    // SAFETY: promised by the caller.
    if pointer.is_null() { None } else { unsafe { CStr::from_ptr(pointer.cast()) }.to_str().ok() }
}

fn mark(mark: sys::yaml_mark_t) -> Mark {
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Mark { index: number(mark.index), line: number(mark.line), column: number(mark.column) }
}
