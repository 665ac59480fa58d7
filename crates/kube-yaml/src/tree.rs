use std::collections::HashMap;

use crate::Limits;
use crate::error::{DecodeStep, Fault};
use crate::events::{Event, Events, Failure, FailureKind, Layout, Mark, Properties, Style};
use crate::resolve::Tag;
use crate::source::{Source, fault, position};

/// Index of a node in its tree.
pub(crate) type NodeId = usize;

/// The nodes of one document, aliases not expanded.
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// `None` for an empty text.
    pub(crate) root: Option<NodeId>,
    pub(crate) has_aliases: bool,
}

pub(crate) struct Node {
    /// Line and column, from 0, in the text of the document.
    pub(crate) at: (usize, usize),
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Scalar {
        text: String,
        reading: Reading,
        /// Whether the scalar, as a key, merges its value into the map.
        merges: bool,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<NodeId>),
    Alias(NodeId),
}

/// How a scalar gets its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A plain scalar: by its text.
    Plain,
    /// A quoted or block scalar, or one under a lone `!`: the text itself.
    Verbatim,
    Tagged(Tag),
}

/// Parses the first document of a text; go-yaml does not look beyond it. `values_left` is lowered by the number of nodes.
pub(crate) fn parse(text: &str, limits: &Limits, values_left: &mut usize) -> Result<Tree, Fault> {
    let mut source = Source::new(text);
    loop {
        match parse_source(&source, limits, values_left) {
            Ok(tree) => return Ok(tree),
            Err(failure) => source.disguise(&failure).ok_or(failure.fault)?,
        }
    }
}

fn parse_source(source: &Source<'_>, limits: &Limits, values_left: &mut usize) -> Result<Tree, Failure> {
    let mut builder = Builder {
        tree: Tree { nodes: Vec::new(), root: None, has_aliases: false },
        open: Vec::new(),
        anchors: HashMap::new(),
        source,
        max_depth: limits.depth(),
    };
    let mut events = Events::new(source.text());
    loop {
        let (event, start, end) = events.next()?;
        let added = match event {
            Event::StreamEnd | Event::DocumentEnd => break,
            Event::StreamStart | Event::DocumentStart { version: None | Some((1, 1)) } => Ok(()),
            Event::DocumentStart { version: Some(_) } => {
                let problem = "found a %YAML directive other than %YAML 1.1";
                Err(fault(start, problem, "remove the directive: Kubernetes reads YAML 1.1"))
            }
            _ if builder.tree.nodes.len() >= *values_left => Err(too_many_values(position(start))),
            node => builder.add(node, start, end),
        };
        added.map_err(|fault| Failure { kind: FailureKind::Other, mark: start, fault })?;
    }
    *values_left -= builder.tree.nodes.len();
    Ok(builder.tree)
}

pub(crate) fn too_many_values(at: (usize, usize)) -> Fault {
    Fault::new(at, DecodeStep::Limit, "found more values than one file may hold", "split the file")
}

struct Builder<'a> {
    tree: Tree,
    /// Collections that are not complete.
    open: Vec<(NodeId, Layout)>,
    anchors: HashMap<String, NodeId>,
    source: &'a Source<'a>,
    max_depth: usize,
}

impl Builder<'_> {
    fn add(&mut self, event: Event, start: Mark, end: Mark) -> Result<(), Fault> {
        match event {
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::SequenceStart(properties, layout) => {
                self.enter(Content::Sequence(Vec::new()), layout, properties, start)?;
            }
            Event::MappingStart(properties, layout) => {
                self.enter(Content::Mapping(Vec::new()), layout, properties, start)?;
            }
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    return Err(fault(
                        start,
                        "found an alias of an unknown anchor",
                        "define the anchor above its first alias",
                    ));
                };
                self.tree.has_aliases = true;
                self.attach(Content::Alias(target), start);
            }
            Event::Scalar { properties, text, style, plain_implicit } => {
                self.check_scalar(&text, style, start, end)?;
                self.source.check_tag(&properties, start)?;
                let merges =
                    text == "<<" && (plain_implicit || properties.tag.as_deref().map(Tag::of) == Some(Tag::Merge));
                let is_plain = style == Style::Plain && plain_implicit;
                let reading = match &properties.tag {
                    Some(tag) if tag == "!" => Reading::Verbatim,
                    Some(tag) => Reading::Tagged(Tag::of(tag)),
                    None if is_plain && !self.source.has_lone_tag(start, end) => Reading::Plain,
                    None => Reading::Verbatim,
                };
                let id = self.attach(Content::Scalar { text: self.source.undisguised(text), reading, merges }, start);
                self.anchor(properties, id);
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart { .. } | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Refuses what libyaml reads and go-yaml does not.
    fn check_scalar(&self, text: &str, style: Style, start: Mark, end: Mark) -> Result<(), Fault> {
        let in_brackets = self.open.last().is_some_and(|(_, layout)| *layout == Layout::Flow);
        match style {
            Style::Plain if in_brackets && text.contains('?') => {
                Err(fault(start, "found ? in plain text inside [ ] or { }", "put the text in quotes"))
            }
            Style::DoubleQuoted => self.source.refuse_escaped_slash(start, end),
            Style::Plain | Style::Other => Ok(()),
        }
    }

    fn enter(&mut self, content: Content, layout: Layout, properties: Properties, start: Mark) -> Result<(), Fault> {
        if self.open.len() >= self.max_depth {
            return Err(too_deep(position(start)));
        }
        self.source.check_tag(&properties, start)?;
        let id = self.attach(content, start);
        self.anchor(properties, id);
        self.open.push((id, layout));
        Ok(())
    }

    fn attach(&mut self, content: Content, start: Mark) -> NodeId {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(Node { at: position(start), content });
        match self.open.last() {
            None => self.tree.root = Some(id),
            Some(&(parent, _)) => {
                if let Content::Sequence(children) | Content::Mapping(children) = &mut self.tree.nodes[parent].content {
                    children.push(id);
                }
            }
        }
        id
    }

    fn anchor(&mut self, properties: Properties, id: NodeId) {
        if let Some(anchor) = properties.anchor {
            self.anchors.insert(anchor, id);
        }
    }
}

pub(crate) fn too_deep(at: (usize, usize)) -> Fault {
    Fault::new(at, DecodeStep::Limit, "found maps and lists nested deeper than allowed", "nest them less deeply")
}
