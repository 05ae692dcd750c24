//! Writes output lines.

use super::super::op::{Answer, Device, Failed, Line, Out, Refusal};

/// Appends an output line, `\n` included, that the input line `n` gave.
pub fn write_line(out: &mut Vec<u8>, n: u64, line: &Line) {
    raw(out, "{\"t\":");
    number(out, line.t);
    raw(out, ",\"n\":");
    number(out, n);
    match &line.out {
        Out::Close { device, reason, by } => {
            raw(out, ",\"out\":\"close\"");
            names(out, device);
            text_field(out, "reason", reason);
            if let Some(by) = by {
                text_field(out, "by", by.name());
            }
        }
        Out::Event { action, reason, device, kicked } => {
            raw(out, ",\"out\":\"event\"");
            text_field(out, "action", action);
            text_field(out, "reason", reason);
            names(out, device);
            if let Some(kicked) = kicked {
                list_field(out, "kicked", kicked, |out, device| text(out, device));
            }
        }
        Out::Status { user, state, custom, to } => {
            raw(out, ",\"out\":\"status\"");
            text_field(out, "user", user);
            text_field(out, "state", state.name());
            text_field(out, "custom", custom);
            list_field(out, "to", to, |out, session| text(out, session));
        }
        Out::Result(Ok(answer)) => {
            raw(out, ",\"out\":\"result\",\"ok\":{");
            write_answer(out, answer);
            raw(out, "}");
        }
        Out::Result(Err(refusal)) => {
            raw(out, ",\"out\":\"result\",\"err\":{");
            write_refusal(out, refusal);
            raw(out, "}");
        }
    }
    raw(out, "}\n");
}

fn write_answer(out: &mut Vec<u8>, answer: &Answer) {
    match answer {
        Answer::Done => {}
        Answer::Query { statuses, failures } => {
            list_field(out, "statuses", statuses, |out, (user, state, custom)| {
                raw(out, "{");
                text_field(out, "user", user);
                text_field(out, "state", state.name());
                text_field(out, "custom", custom);
                raw(out, "}");
            });
            list_field(out, "failures", failures, write_failed);
        }
        Answer::Subscribe { evicted, failures } => {
            list_field(out, "evicted", evicted, |out, user| text(out, user));
            list_field(out, "failures", failures, write_failed);
        }
        Answer::Unsubscribe { failures } => list_field(out, "failures", failures, write_failed),
        Answer::Inspect { state, custom, platforms } => {
            text_field(out, "state", state.name());
            text_field(out, "custom", custom);
            list_field(out, "platforms", platforms, |out, (platform, state)| {
                raw(out, "[");
                text(out, platform.name());
                raw(out, ",");
                text(out, state.name());
                raw(out, "]");
            });
        }
    }
}

fn write_refusal(out: &mut Vec<u8>, refusal: &Refusal) {
    let Refusal { code, limit, retry_after, failures, field } = refusal;
    text_field(out, "code", code);
    for (name, value) in [("limit", limit), ("retry_after", retry_after)] {
        if let Some(value) = *value {
            key(out, name);
            number(out, value);
        }
    }
    if let Some(failures) = failures {
        list_field(out, "failures", failures, write_failed);
    }
    if let Some(field) = field {
        text_field(out, "field", field);
    }
}

fn write_failed(out: &mut Vec<u8>, failed: &Failed) {
    raw(out, "{");
    text_field(out, "user", &failed.user);
    text_field(out, "reason", failed.reason);
    raw(out, "}");
}

fn names(out: &mut Vec<u8>, device: &Device) {
    text_field(out, "user", &device.user);
    text_field(out, "platform", device.platform.name());
    text_field(out, "device", &device.device);
}

fn text_field(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    text(out, value);
}

fn list_field<T>(out: &mut Vec<u8>, name: &str, items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    key(out, name);
    raw(out, "[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            raw(out, ",");
        }
        each(out, item);
    }
    raw(out, "]");
}

/// Appends a key, after a comma unless it is the first of its object.
fn key(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        raw(out, ",");
    }
    raw(out, "\"");
    raw(out, name);
    raw(out, "\":");
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a string; what needs no escape is copied in runs.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        escape(out, byte);
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            raw(out, "\\u00");
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    out.extend([b'\\', short]);
}

fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
