//! XML into a plain tree, with the reasons OME's parser gives.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// One element.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// Tag name.
    pub name: String,
    /// Attributes as written.
    pub attributes: Vec<(String, String)>,
    /// Its own text, trimmed.
    pub text: String,
    /// Elements in it.
    pub children: Vec<Node>,
}

impl Node {
    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|c| c.name == name)
    }

    /// The element at the end of a path of names, split by `/`.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('/')
            .try_fold(self, |node, name| node.child(name))
    }

    /// The text at a path.
    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(|n| n.text.as_str())
    }

    /// All children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// A reason and the byte where it was noticed.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// In the words of OME's parser.
    pub reason: &'static str,
    /// Byte offset.
    pub offset: u64,
}

/// Reads a document.
pub fn parse(text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let offset = reader.buffer_position();
        let fail = |reason| Err(Malformed { reason, offset });
        match reader.read_event() {
            Ok(Event::Start(tag)) => open.push(element(&tag).ok_or(Malformed {
                reason: "Error parsing element attribute",
                offset,
            })?),
            Ok(Event::Empty(tag)) => {
                let node = element(&tag).ok_or(Malformed {
                    reason: "Error parsing element attribute",
                    offset,
                })?;
                attach(node, &mut open, &mut root);
            }
            Ok(Event::End(_)) => match open.pop() {
                Some(mut node) => {
                    node.text = node.text.trim().to_owned();
                    attach(node, &mut open, &mut root);
                }
                None => return fail("Start-end tags mismatch"),
            },
            Ok(Event::Text(text)) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&text.xml10_content());
                }
            }
            Ok(Event::CData(text)) => {
                if let Some(node) = open.last_mut() {
                    node.text.push_str(&text.xml10_content());
                }
            }
            Ok(Event::GeneralRef(reference)) => {
                let name = reference.xml10_content().into_owned();
                let known = match name.as_str() {
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "amp" => Some('&'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().ok().flatten(),
                };
                if let Some(node) = open.last_mut() {
                    match known {
                        Some(sign) => node.text.push(sign),
                        // Left as written, as OME's parser does with what it does not know.
                        None => node.text.push_str(&format!("&{name};")),
                    }
                }
            }
            Ok(Event::Eof) if !open.is_empty() => return fail("Start-end tags mismatch"),
            Ok(Event::Eof) => {
                return root.ok_or(Malformed {
                    reason: "No document element found",
                    offset: 0,
                });
            }
            Ok(_) => {}
            Err(quick_xml::Error::IllFormed(_)) => return fail("Start-end tags mismatch"),
            Err(_) => return fail("Error parsing start element tag"),
        }
    }
}

fn element(tag: &BytesStart<'_>) -> Option<Node> {
    let mut node = Node {
        name: tag.name().as_ref().to_string(),
        ..Node::default()
    };
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .ok()?;
        node.attributes
            .push((attribute.key.as_ref().to_string(), value.into_owned()));
    }
    Some(node)
}

fn attach(node: Node, open: &mut [Node], root: &mut Option<Node>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => {
            root.get_or_insert(node);
        }
    }
}
