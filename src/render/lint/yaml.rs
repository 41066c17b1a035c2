//! YAML as a tree.
//!
//! A thousand rooms are a thousand routers, and the file is read back at every
//! change. [`parse`] therefore reads the plain part of the language by itself:
//! block maps, flow maps and lists, quoted texts, words and whole numbers, one
//! entry a line. It gives up at the first thing out of the ordinary, errors
//! included, and leaves the whole text to `serde_yaml`; a test holds the two to
//! the same result.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_yaml::Value;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Whole(u64),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
    /// Numbers with fractions or signs, tags: nothing Traefik's files need.
    Other,
}

impl<'a> Node<'a> {
    /// Entries of a map, none of anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        let entries = match self {
            Node::Map(entries) => &**entries,
            _ => &[],
        };
        entries.iter().map(|(key, value)| (&**key, value))
    }

    /// Items of a list, none of anything else.
    pub fn items(&self) -> &[Node<'a>] {
        match self {
            Node::List(items) => items,
            _ => &[],
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_map(&self) -> bool {
        matches!(self, Node::Map(_))
    }

    /// What stands at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node<'a>> {
        path.iter().try_fold(self, |node, name| match node {
            Node::Map(entries) => entries
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        })
    }

    /// The text at a path of keys.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Node::text)
    }

    /// The texts of a list.
    pub fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.at(&[key])
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(Node::text)
    }
}

/// Reads a document. The error is one clause with its line.
pub(super) fn parse(text: &str) -> Result<Node<'_>, String> {
    match plainly(text) {
        Some(node) => Ok(node),
        None => thoroughly(text),
    }
}

/// Reads everything YAML can say.
pub(super) fn thoroughly(text: &str) -> Result<Node<'static>, String> {
    serde_yaml::from_str::<Value>(text)
        .map(convert)
        .map_err(|error| error.to_string())
}

fn convert(value: Value) -> Node<'static> {
    match value {
        Value::Null => Node::Null,
        Value::Bool(flag) => Node::Bool(flag),
        Value::Number(number) => number.as_u64().map_or(Node::Other, Node::Whole),
        Value::String(text) => Node::Text(text.into()),
        Value::Sequence(items) => Node::List(items.into_iter().map(convert).collect()),
        Value::Mapping(map) => Node::Map(
            map.into_iter()
                .map(|(key, value)| {
                    let key = match key {
                        Value::String(text) => text,
                        other => format!("{other:?}"),
                    };
                    (key.into(), convert(value))
                })
                .collect(),
        ),
        Value::Tagged(_) => Node::Other,
    }
}

/// Reads the plain part, or nothing.
pub(super) fn plainly(text: &str) -> Option<Node<'_>> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let content = line.trim_start_matches(' ');
        if !content.is_empty() && !content.starts_with('#') {
            lines.push(Line {
                indent: line.len() - content.len(),
                content,
            });
        }
    }
    let mut block = Block {
        lines: &lines,
        next: 0,
    };
    let indent = lines.first()?.indent;
    let node = block.map(indent, 0)?;
    (block.next == lines.len()).then_some(node)
}

struct Line<'a> {
    indent: usize,
    content: &'a str,
}

struct Block<'a, 'l> {
    lines: &'l [Line<'a>],
    next: usize,
}

impl<'a> Block<'a, '_> {
    /// The lines of one indentation as a map.
    fn map(&mut self, indent: usize, depth: u8) -> Option<Node<'a>> {
        let mut entries = Vec::new();
        while let Some(line) = self
            .lines
            .get(self.next)
            .filter(|line| line.indent >= indent)
        {
            if line.indent > indent || depth > 16 {
                return None;
            }
            let (key, rest) = line.content.split_once(':')?;
            if key.is_empty() || !key.bytes().all(is_word) {
                return None;
            }
            self.next += 1;
            let value = if rest.is_empty() {
                self.nested(indent, depth)?
            } else {
                whole(rest.strip_prefix(' ')?)?
            };
            entries.push((Cow::Borrowed(key), value));
        }
        unique(entries)
    }

    /// What stands below a key without a value of its own.
    fn nested(&mut self, above: usize, depth: u8) -> Option<Node<'a>> {
        match self.lines.get(self.next) {
            Some(line) if line.indent > above => {
                if line.content.starts_with("- ") {
                    self.list(line.indent)
                } else {
                    self.map(line.indent, depth + 1)
                }
            }
            // A list may stand at its key's own indentation.
            Some(line) if line.indent == above && line.content.starts_with('-') => None,
            _ => Some(Node::Null),
        }
    }

    fn list(&mut self, indent: usize) -> Option<Node<'a>> {
        let mut items = Vec::new();
        while let Some(line) = self
            .lines
            .get(self.next)
            .filter(|line| line.indent >= indent)
        {
            if line.indent > indent {
                return None;
            }
            items.push(whole(line.content.strip_prefix("- ")?)?);
            self.next += 1;
        }
        Some(Node::List(items))
    }
}

/// Keys twice are an error, which is the other reader's to tell.
fn unique<'a>(entries: Vec<(Cow<'a, str>, Node<'a>)>) -> Option<Node<'a>> {
    let twice = if entries.len() < 12 {
        entries
            .iter()
            .enumerate()
            .any(|(index, (key, _))| entries.iter().take(index).any(|(other, _)| other == key))
    } else {
        let mut seen = HashSet::with_capacity(entries.len());
        !entries.iter().all(|(key, _)| seen.insert(key))
    };
    (!twice).then_some(Node::Map(entries))
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@' | b'/')
}

/// A value that takes the rest of a line.
fn whole(text: &str) -> Option<Node<'_>> {
    let mut flow = Flow { text, at: 0 };
    let node = flow.value(0)?;
    flow.text
        .get(flow.at..)?
        .trim_matches(' ')
        .is_empty()
        .then_some(node)
}

/// The inside of a line.
struct Flow<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Flow<'a> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn value(&mut self, depth: u8) -> Option<Node<'a>> {
        if depth > 16 {
            return None;
        }
        match self.peek()? {
            b'{' => self.map(depth),
            b'[' => self.list(depth),
            b'"' => self.double().map(Node::Text),
            b'\'' => self.single().map(Node::Text),
            _ => scalar(self.word()?),
        }
    }

    fn map(&mut self, depth: u8) -> Option<Node<'a>> {
        self.at += 1;
        let mut entries = Vec::new();
        while !self.take(b'}') {
            if !entries.is_empty() && !self.take(b',') {
                return None;
            }
            self.peek()?;
            let key = self.word()?;
            let rest = self.text.as_bytes().get(self.at..)?;
            if !rest.starts_with(b": ") {
                return None;
            }
            self.at += 2;
            entries.push((Cow::Borrowed(key), self.value(depth + 1)?));
        }
        unique(entries)
    }

    fn list(&mut self, depth: u8) -> Option<Node<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(b']') {
            if !items.is_empty() && !self.take(b',') {
                return None;
            }
            items.push(self.value(depth + 1)?);
        }
        Some(Node::List(items))
    }

    fn word(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
        self.at += length;
        rest.get(..length).filter(|word| !word.is_empty())
    }

    /// A text in single quotes that holds none.
    fn single(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.text.get(self.at + 1..)?;
        let length = rest.find('\'')?;
        let inside = rest.get(..length)?;
        self.at += length + 2;
        let doubled = self.text.as_bytes().get(self.at) == Some(&b'\'');
        (!doubled && readable(inside)).then_some(Cow::Borrowed(inside))
    }

    fn double(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.text.get(self.at + 1..)?;
        let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if rest.as_bytes().get(length) == Some(&b'"') {
            let inside = rest.get(..length)?;
            self.at += length + 2;
            return readable(inside).then_some(Cow::Borrowed(inside));
        }
        let mut out = String::new();
        let mut chars = rest.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => out.push(match chars.next()? {
                    kept @ ('"' | '\\') => kept,
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'x' => code(&mut chars, 2)?,
                    'u' => code(&mut chars, 4)?,
                    'U' => code(&mut chars, 8)?,
                    _ => return None,
                }),
                char if printable(char) => out.push(char),
                _ => return None,
            }
        }
        self.at = self.text.len() - chars.as_str().len();
        Some(Cow::Owned(out))
    }
}

fn code(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut value = 0;
    for _ in 0..digits {
        value = value * 16 + chars.next()?.to_digit(16)?;
    }
    char::from_u32(value)
}

fn readable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(printable)
}

/// What may stand in a quoted text as it is; the rest is somebody else's.
fn printable(char: char) -> bool {
    !char.is_control()
        && !matches!(
            char,
            '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Words that mean the same to every reader of YAML.
fn scalar(word: &str) -> Option<Node<'_>> {
    match word {
        "true" => return Some(Node::Bool(true)),
        "false" => return Some(Node::Bool(false)),
        _ => {}
    }
    if word.starts_with(|first: char| first.is_ascii_digit()) {
        let unit = word.trim_start_matches(|char: char| char.is_ascii_digit());
        return match unit {
            // A leading zero is octal to some.
            "" if word == "0" || !word.starts_with('0') => word.parse().ok().map(Node::Whole),
            "ms" | "s" | "m" | "h" => Some(Node::Text(word.into())),
            _ => None,
        };
    }
    let doubtful = ["null", "yes", "no", "on", "off", "y", "n", "true", "false"];
    let odd = word.starts_with(['.', '-', '@'])
        || doubtful.iter().any(|each| word.eq_ignore_ascii_case(each));
    (!odd).then_some(Node::Text(word.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Node, plainly, thoroughly};
    use crate::render::escape::{tests::any_text, yaml};

    #[test]
    fn both_readers_agree_or_the_quick_one_passes() {
        for text in [
            "a: b",
            "a: b\n",
            "a:\n  b: c\n  d: {e: f, g: [h, \"i\", 'j', {k: l}]}\nm: 7\n",
            "a: true\nb: 100ms\nc: 0\nd: -1\ne: 1.5\nf: 007\ng: 1e3\nh: yes\ni: ~\nj: null\nk: .5\n",
            "a: !!str 7\n",
            "a: &x b\nc: *x\n",
            "a: |\n  b: c\n",
            "a: >-\n  b\n",
            "a: \"b\n  c\"\n",
            "a: [b,\n  c]\n",
            "a:\n- b\n- c\n",
            "a:\n  - {b: c}\n  - d\n",
            "a:\n  - b: c\n    d: e\n",
            "a: b # why\n",
            "# why\na: b\n\n  # more\nc: d\n",
            "a: b\na: c\n",
            "a: {b: c, b: d}\n",
            "a:\n   b: c\n  d: e\n",
            "a: b\n  c: d\n",
            "\ta: b\n",
            "a: 'it''s'\n",
            "a: http://b:1\n",
            "a: {b: }\n",
            "a: {b}\n",
            "a: [b, ]\n",
            "a: [,]\n",
            "a: {}\nb: []\n",
            "? a\n: b\n",
            "\"a\": b\n",
            "a : b\n",
            "a: b: c\n",
            "a: \"\\x41\\u0042\\U00000043\\\\\\\"\"\n",
            "a: \"\\q\"\n",
            "a: \"b\" c\n",
            "---\na: b\n",
            "a: b\r\nc: d\r\n",
            "a:\nb: c\n",
            "- a\n",
            "",
            "a",
            "a: <<\n<<: {b: c}\n",
        ] {
            if let Some(quick) = plainly(text) {
                assert_eq!(Ok(quick), thoroughly(text), "{text:?}");
            }
        }
    }

    #[test]
    fn the_quick_reader_reads_what_we_write() {
        let quick = plainly("a:\n  b: {c: \"d {\", e: [f, 7, true], g: {}}\n# h\n  i: '`j`'\n");
        let Some(node) = quick else {
            unreachable!("left to the other")
        };
        assert_eq!(node.text_at(&["a", "b", "c"]), Some("d {"));
        assert_eq!(node.text_at(&["a", "i"]), Some("`j`"));
        assert_eq!(node.at(&["a", "b", "g"]), Some(&Node::Map(Vec::new())));
    }

    proptest! {
        #[test]
        fn both_readers_agree_about_any_text(text in any_text(), raw in any_text()) {
            let escaped = yaml(&text);
            let file = format!("a: {escaped}\nb: {{c: {escaped}}}\n");
            prop_assert_eq!(plainly(&file).map(Ok), Some(thoroughly(&file)));
            // And about text that went in raw, where the quick one has a say.
            for file in [format!("a: {raw}\n"), format!("a: \"{raw}\"\n"), format!("a: [{raw}]\n"), format!("a: {{b: {raw}}}\nc: d")] {
                if let Some(quick) = plainly(&file) {
                    prop_assert_eq!(Ok(quick), thoroughly(&file));
                }
            }
        }
    }
}
