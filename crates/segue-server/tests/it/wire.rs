//! Frames of the WebSocket protocol by hand, for what no library would send.

use serde_json::Value;

/// Continuation of a message.
pub const CONTINUATION: u8 = 0x0;
/// A text message.
pub const TEXT: u8 = 0x1;
/// A close.
pub const CLOSE: u8 = 0x8;
/// A ping.
pub const PING: u8 = 0x9;
/// The last frame of its message.
pub const FIN: u8 = 0x80;

/// A frame as a client sends it. `first` is its first byte: flags and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = head(first, payload.len(), 0x80);
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A frame without a mask, as only a server may send it.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len(), 0);
    bytes.extend(payload);
    bytes
}

/// A text frame with this JSON.
pub fn json(value: &Value) -> Vec<u8> {
    frame(FIN | TEXT, value.to_string().as_bytes())
}

/// A close with this code.
pub fn close(code: u16) -> Vec<u8> {
    frame(FIN | CLOSE, &code.to_be_bytes())
}

fn head(first: u8, length: usize, mask: u8) -> Vec<u8> {
    let mut bytes = vec![first];
    if let Ok(short) = u8::try_from(length)
        && short <= 125
    {
        bytes.push(mask | short);
    } else if let Ok(longer) = u16::try_from(length) {
        bytes.push(mask | 0x7e);
        bytes.extend(longer.to_be_bytes());
    } else {
        bytes.push(mask | 0x7f);
        bytes.extend((length as u64).to_be_bytes());
    }
    bytes
}
