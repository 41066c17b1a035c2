//! How a value enters a file: one filter per format. Templates have no
//! automatic escape, because one file format's is another's injection.

use std::fmt::Write as _;

use tera::{Kwargs, State, Tera, TeraResult, Value};

/// Registers the filters. They have to be known before templates are added.
pub(super) fn register(tera: &mut Tera) {
    tera.register_filter("yaml", |value: &Value, _: Kwargs, _: &State| {
        yaml_value(value)
    });
    tera.register_filter("xml", |value: &Value, _: Kwargs, _: &State| {
        scalar(value, "xml").map(|text| xml(&text))
    });
    tera.register_filter("env", |value: &Value, _: Kwargs, _: &State| {
        env(&scalar(value, "env")?).map_err(tera::Error::message)
    });
    tera.register_filter("json", |value: &Value, _: Kwargs, _: &State| json(value));
    tera.register_filter("js", |value: &Value, _: Kwargs, _: &State| {
        json(value).map(|text| js(&text))
    });
    tera.register_filter("name", |value: &Value, _: Kwargs, _: &State| {
        let text = scalar(value, "name")?;
        restricted(&text, "a name", "letters, digits, `_` and `-`", |byte| {
            byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
        })
    });
    tera.register_filter("host", |value: &Value, _: Kwargs, _: &State| {
        let text = scalar(value, "host")?;
        restricted(
            &text,
            "a host name",
            "letters, digits, `.` and `-`",
            |byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-',
        )
    });
}

/// A string, number or boolean as text.
fn scalar(value: &Value, filter: &str) -> TeraResult<String> {
    if let Some(text) = value.as_str() {
        Ok(text.to_owned())
    } else if let Some(number) = value.as_number() {
        Ok(number.to_string())
    } else if let Some(flag) = value.as_bool() {
        Ok(flag.to_string())
    } else {
        Err(tera::Error::message(format!(
            "`{filter}` takes a text, a number or a boolean, not {}{}",
            value.name(),
            absent(value)
        )))
    }
}

fn absent(value: &Value) -> &'static str {
    if value.is_none() || value.is_undefined() {
        " (wrap the place in {% if … %}: the value is optional)"
    } else {
        ""
    }
}

/// Text that goes where no format can escape it: into a rule of Traefik, a
/// regular expression, a key. Everything unusual is refused.
fn restricted(
    text: &str,
    what: &str,
    allowed: &str,
    ok: impl Fn(u8) -> bool,
) -> TeraResult<String> {
    if !text.is_empty() && text.bytes().all(ok) {
        Ok(text.to_owned())
    } else {
        Err(tera::Error::message(format!(
            "`{}` cannot be {what} here: it takes {allowed}, and at least one",
            text.escape_debug()
        )))
    }
}

/// Any value in YAML's flow style on one line.
fn yaml_value(value: &Value) -> TeraResult<String> {
    if let Some(text) = value.as_str() {
        return Ok(yaml(text));
    }
    if let Some(items) = value.as_array() {
        let items: Vec<String> = items.iter().map(yaml_value).collect::<TeraResult<_>>()?;
        return Ok(format!("[{}]", items.join(", ")));
    }
    if value.as_map().is_some() {
        return Err(tera::Error::message(
            "`yaml` takes a text, a number, a boolean or a list of these; \
             write a map as YAML and filter its values",
        ));
    }
    scalar(value, "yaml")
}

/// A double-quoted YAML string. Traefik runs its files through Go templates
/// before it reads them as YAML, hence no `{` in it.
pub(crate) fn yaml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // `}` too, so that no pair of them closes anything.
            '{' => out.push_str("\\x7b"),
            '}' => out.push_str("\\x7d"),
            ' '..='~' => out.push(char),
            _ if char.is_alphanumeric() => out.push(char),
            // Controls, line separators, marks that turn the writing direction:
            // nothing invisible stands in a file that people read.
            _ => {
                let code = u32::from(char);
                // Writing to a String cannot fail.
                let _ = if code <= 0xff {
                    write!(out, "\\x{code:02x}")
                } else if code <= 0xffff {
                    write!(out, "\\u{code:04x}")
                } else {
                    write!(out, "\\U{code:08x}")
                };
            }
        }
    }
    out.push('"');
    out
}

/// Text for an XML element or a quoted attribute. Characters that XML 1.0
/// cannot hold in any way become U+FFFD, so that a title with one of them
/// stays a title and does not stop a review room.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // As references they survive the normalisation of line ends and of
            // attributes.
            '\n' | '\r' | '\t' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "&#{};", u32::from(char));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
    // OvenMediaEngine fills in `${…}` after it has read the XML, so no XML
    // escape holds it off; the wide dollar looks the same and is none.
    out.replace("${", "\u{ff04}{")
}

/// A value of an environment file as Node and dotenv both read it: three quote
/// styles, of which only `"` knows escapes and none holds its own quote.
pub(crate) fn env(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,:;/|*@%+=?&".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err(
            "a value with line breaks or other control characters cannot stand in an \
             environment file; remove them"
                .to_owned(),
        );
    }
    if text.ends_with('\\') {
        return Err(
            "a value that ends with a backslash cannot stand in an environment file: its \
             readers disagree about the quote after it"
                .to_owned(),
        );
    }
    let holds = |quote: char| {
        // dotenv takes a backslash for an escape of the quote after it; `"`
        // expands others as well.
        !text.contains(quote)
            && !text.contains(&format!("\\{quote}"))
            && (quote != '"' || !text.contains('\\'))
    };
    ['\'', '`', '"']
        .into_iter()
        .find(|quote| holds(*quote))
        .map(|quote| format!("{quote}{text}{quote}"))
        .ok_or_else(|| {
            "a value with all three kinds of quotes (or with `\\`, `'` and a backtick) cannot \
             stand in an environment file; leave one out"
                .to_owned()
        })
}

/// Compact JSON of any value. Keys are sorted: maps of a template have no order
/// of their own, and the same values must give the same bytes.
fn json(value: &Value) -> TeraResult<String> {
    if value.is_undefined() {
        return Err(tera::Error::message("`json` got a value that is not there"));
    }
    serde_json::to_value(value)
        .map(|value| value.to_string())
        .map_err(|error| tera::Error::message(format!("no JSON can hold this value: {error}")))
}

/// JSON made safe inside JavaScript, whatever surrounds it: a script element,
/// a template literal, another template engine.
pub(crate) fn js(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for char in json.chars() {
        let special = in_string
            && (matches!(char, '<' | '>' | '&' | '\'' | '`' | '$' | '{' | '}')
                || (!char.is_ascii() && !char.is_alphanumeric())
                || char == '\u{7f}');
        if special && !escaped {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(char);
        }
        match char {
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && char == '\\' && !escaped;
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::expect_used, reason = "tests")]

    use proptest::prelude::*;

    use super::{env, js, xml, yaml};
    use crate::render::lint::parse_back;

    /// Text as people and machines mistype it: any character, and pieces of
    /// every language that reads the files.
    pub fn any_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => any::<char>().prop_map(String::from),
            1 => prop::sample::select(vec![
                "{{", "}}", "{%", "%}", "{#", "{{ env \"HOME\" }}", "{{ 7 * 7 }}", "${env:HOME}", "${",
                "<", "</Name>", "]]>", "<!--", "&amp;", "&", "\"", "'", "`", "\\", "\\n", "\\'",
                ": ", "- ", " #", "*x", "&x", "!!", "? ", "\n", "\r\n", "\t", "\0", "\u{b}", "\u{7f}",
                "\u{85}", "\u{2028}", "\u{202e}", "\u{feff}", "\u{fffe}", "\u{ffff}", "\u{1f3ac}", "=",
                "$(id)", "null", "~", "`) || Host(`", "|", ",", "[", "]", "Nacht", " ",
            ])
            .prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    /// What of a text XML 1.0 and OvenMediaEngine can hold.
    fn in_xml(text: &str) -> String {
        text.chars()
            .map(|char| match char {
                '\t' | '\n' | '\r' => char,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                _ => char,
            })
            .collect::<String>()
            .replace("${", "\u{ff04}{")
    }

    proptest! {
        #[test]
        fn yaml_keeps_any_text(text in any_text(), other in any_text()) {
            let (one, two) = (yaml(&text), yaml(&other));
            let file = format!("a: {one}\nb: {{c: {one}, d: [{one}, {two}]}}\ne: {two}\n");
            let read: serde_json::Value = serde_yaml::from_str(&file).expect("YAML");
            prop_assert_eq!(
                read,
                serde_json::json!({"a": text, "b": {"c": text, "d": [text, other]}, "e": other})
            );
            // Neither Go templates nor a second YAML line can begin in it.
            let open = one.contains(['{', '}', '\n', '\r']);
            prop_assert!(!open);
        }

        #[test]
        fn xml_keeps_any_text(text in any_text()) {
            let escaped = xml(&text);
            let file = format!("<a b=\"|{escaped}|\"><c>|{escaped}|</c></a>");
            let wanted = format!("|{}|", in_xml(&text));
            let (attribute, inside, children) = parse_back::xml(&file).expect("XML");
            prop_assert_eq!(attribute, wanted.clone());
            prop_assert_eq!(inside, wanted);
            prop_assert_eq!(children, 1);
        }

        #[test]
        fn env_keeps_a_text_or_refuses_it(text in any_text()) {
            if let Ok(value) = env(&text) {
                let file = format!("A={value}\nB=after\n");
                let read = parse_back::env(&file).expect("environment file");
                prop_assert_eq!(read.get("A"), Some(&text));
                prop_assert_eq!(read.get("B").map(String::as_str), Some("after"));
                prop_assert_eq!(read.len(), 2);
            }
        }

        #[test]
        fn js_keeps_any_text(text in any_text()) {
            let literal = js(&serde_json::json!({"a": text}).to_string());
            let read: serde_json::Value = serde_json::from_str(&literal).expect("JSON");
            prop_assert_eq!(read, serde_json::json!({"a": text}));
            let inside = literal.trim_start_matches('{').trim_end_matches('}');
            let open = inside.contains([
                '<', '>', '&', '\'', '`', '$', '{', '}', '\u{2028}', '\u{202e}',
            ]);
            prop_assert!(!open);
        }
    }

    #[test]
    fn env_takes_what_our_files_hold() {
        assert_eq!(env("a1b2").as_deref(), Ok("a1b2"));
        assert_eq!(
            env("viewer:ab:viewer:none|host:cd:host:*").as_deref(),
            Ok("viewer:ab:viewer:none|host:cd:host:*")
        );
        assert_eq!(env(r#"[{"a":"b"}]"#).as_deref(), Ok(r#"'[{"a":"b"}]'"#));
        assert_eq!(env("it's").as_deref(), Ok("`it's`"));
        assert_eq!(env("it's `so`").as_deref(), Ok("\"it's `so`\""));
        assert_eq!(env("").as_deref(), Ok("''"));
        for refused in ["'`\"", "a\nb", "a\0", "a\\", "it's \\ `x`"] {
            assert!(env(refused).is_err(), "{refused:?}");
        }
    }
}
