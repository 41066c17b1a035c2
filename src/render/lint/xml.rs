//! XML as a tree of names, texts and lines.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub name: String,
    /// Where it begins in the rendered file.
    pub line: usize,
    pub attributes: Vec<(String, String)>,
    /// Text directly in it, trimmed.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// What stands at a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    /// The text at a path of names; empty counts as absent.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)
            .map(|element| &*element.text)
            .filter(|text| !text.is_empty())
    }
}

/// Reads a whole document. The error is one clause.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let (mut line, mut counted) = (1, 0);
    loop {
        let position = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        let passed = text.as_bytes().get(counted..position).unwrap_or_default();
        line += passed.iter().filter(|byte| **byte == b'\n').count();
        counted = position;
        let wrong = |error: &dyn std::fmt::Display| format!("line {line} of the result: {error}");
        let event = reader.read_event().map_err(|error| wrong(&error))?;
        match event {
            Event::Start(start) => open.push(begin(&start, line).map_err(|error| wrong(&error))?),
            Event::Empty(start) => {
                let element = begin(&start, line).map_err(|error| wrong(&error))?;
                close(element, &mut open, &mut root).map_err(|error| wrong(&error))?;
            }
            Event::End(_) => {
                if let Some(mut element) = open.pop() {
                    element.text = element.text.trim().to_owned();
                    close(element, &mut open, &mut root).map_err(|error| wrong(&error))?;
                }
            }
            Event::Text(part) => say(&part.xml10_content(), &mut open).map_err(|e| wrong(&e))?,
            Event::CData(part) => say(&part.xml10_content(), &mut open).map_err(|e| wrong(&e))?,
            Event::GeneralRef(reference) => {
                let resolved = match reference
                    .resolve_char_ref()
                    .map_err(|error| wrong(&error))?
                {
                    Some(char) => char.to_string(),
                    None => resolve_xml_entity(&reference)
                        .map(str::to_owned)
                        .ok_or_else(|| wrong(&"an entity that XML does not define"))?,
                };
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&resolved);
                }
            }
            Event::DocType(_) => return Err(wrong(&"a DOCTYPE does not belong here")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(element) = open.last() {
        return Err(format!(
            "line {} of the result: <{}> is never closed",
            element.line, element.name
        ));
    }
    root.ok_or_else(|| "there is no element in the result".to_owned())
}

fn begin(start: &BytesStart<'_>, line: usize) -> Result<Element, String> {
    let attributes = start
        .attributes()
        .map(|attribute| {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|error| error.to_string())?;
            Ok((attribute.key.as_ref().to_owned(), value.into_owned()))
        })
        .collect::<Result<_, String>>()?;
    Ok(Element {
        name: start.name().as_ref().to_owned(),
        line,
        attributes,
        ..Element::default()
    })
}

fn say(text: &str, open: &mut [Element]) -> Result<(), &'static str> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text
            .trim_matches([' ', '\n', '\r', '\t', '\u{feff}'])
            .is_empty() => {}
        None => return Err("text outside of every element"),
    }
    Ok(())
}

fn close(
    element: Element,
    open: &mut [Element],
    root: &mut Option<Element>,
) -> Result<(), &'static str> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_some() => return Err("a second root element"),
        None => *root = Some(element),
    }
    Ok(())
}
