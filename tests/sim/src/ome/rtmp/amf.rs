//! AMF0, as far as encoders use it.

use serde_json::{Map, Number, Value};

/// All values of a payload; stops at the first it does not know.
pub fn read(bytes: &[u8]) -> Vec<Value> {
    let mut rest = bytes;
    let mut out = Vec::new();
    while let Some(value) = value(&mut rest) {
        out.push(value);
    }
    out
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn short(rest: &mut &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    Some(String::from_utf8_lossy(take(rest, length.into())?).into_owned())
}

fn object(rest: &mut &[u8]) -> Option<Value> {
    let mut map = Map::new();
    loop {
        let key = short(rest)?;
        if key.is_empty() && rest.first() == Some(&9) {
            take(rest, 1)?;
            return Some(Value::Object(map));
        }
        map.insert(key, value(rest)?);
    }
}

fn value(rest: &mut &[u8]) -> Option<Value> {
    Some(match take(rest, 1)?[0] {
        0 => Number::from_f64(f64::from_be_bytes(take(rest, 8)?.try_into().ok()?))
            .map_or(Value::Null, Value::Number),
        1 => Value::Bool(take(rest, 1)?[0] != 0),
        2 => Value::String(short(rest)?),
        3 => object(rest)?,
        5 | 6 => Value::Null,
        8 => {
            take(rest, 4)?;
            object(rest)?
        }
        12 => {
            let length = u32::from_be_bytes(take(rest, 4)?.try_into().ok()?);
            Value::String(String::from_utf8_lossy(take(rest, length as usize)?).into_owned())
        }
        _ => return None,
    })
}

/// Values as a payload. Arrays are not needed and become null.
pub fn write(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        put(value, &mut out);
    }
    out
}

fn put_short(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(number) => {
            out.push(0);
            out.extend_from_slice(&number.as_f64().unwrap_or(0.0).to_be_bytes());
        }
        Value::Bool(truth) => out.extend_from_slice(&[1, u8::from(*truth)]),
        Value::String(text) => {
            out.push(2);
            put_short(text, out);
        }
        Value::Object(map) => {
            out.push(3);
            for (key, value) in map {
                put_short(key, out);
                put(value, out);
            }
            out.extend_from_slice(&[0, 0, 9]);
        }
        Value::Null | Value::Array(_) => out.push(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back() {
        let values = [
            json!("connect"),
            json!(1.0),
            json!({"app": "live", "ok": true}),
            Value::Null,
        ];
        assert_eq!(read(&write(&values)), values);
        assert_eq!(read(&[2, 0, 9, b'x']), Vec::<Value>::new(), "cut short");
    }
}
