//! URLs as the wire writes them: percent-encoded (protocol, section 3). Some clients show nothing
//! for a URL with a space in it.

use std::borrow::Cow;
use std::fmt::Write;

/// Encodes what RFC 3986 does not allow where it stands; `%XX` stays what it is. Anything comes in
/// (URLs are written by bots and by whoever configures them) and comes out without spaces, controls,
/// quotes and non-ASCII. A host outside ASCII becomes its IDNA form where it has one, since few
/// clients would resolve a percent-encoded one.
pub(crate) fn encode(url: &str) -> Cow<'_, str> {
    if url.bytes().all(is_plain) {
        return Cow::Borrowed(url);
    }
    let (before, host, after) = split_at_host(url);
    let mut out = String::with_capacity(url.len() + 16);
    push_encoded(&mut out, before, Part::Elsewhere);
    match ascii_host(host) {
        Some(ascii) => out.push_str(&ascii),
        None => push_encoded(&mut out, host, Part::Host),
    }
    push_encoded(&mut out, after, Part::Elsewhere);
    Cow::Owned(out)
}

/// Brackets may stand around an address and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Elsewhere,
}

fn push_encoded(out: &mut String, part: &str, which: Part) {
    let bytes = part.as_bytes();
    let mut in_fragment = false;
    for (i, byte) in bytes.iter().copied().enumerate() {
        let allowed = match byte {
            b'%' => {
                let digits = bytes.get(i + 1..i + 3);
                digits.is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit))
            }
            // A second one is a part of the fragment that the first one begins.
            b'#' => !std::mem::replace(&mut in_fragment, true),
            b'[' | b']' => which == Part::Host,
            _ => is_plain(byte),
        };
        if allowed {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
}

/// What stands for itself wherever it stands.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=".contains(&byte)
}

/// Without an authority the whole URL comes back as the third part.
fn split_at_host(url: &str) -> (&str, &str, &str) {
    let Some(authority_at) = url.find("//").map(|it| it + 2) else { return ("", "", url) };
    if url[..authority_at].contains(['?', '#']) || url[..authority_at - 2].contains('/') {
        return ("", "", url);
    }
    let authority = &url[authority_at..];
    let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
    let host_at = authority_at + authority.rfind('@').map_or(0, |it| it + 1);
    let host = &url[host_at..authority_at + authority.len()];
    let host = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or(host) };
    let host_end = host_at + host.len();
    (&url[..host_at], host, &url[host_end..])
}

fn ascii_host(host: &str) -> Option<String> {
    if host.is_ascii() {
        return None;
    }
    let ascii = idna::domain_to_ascii(host).ok()?;
    // Some letters become a slash or a colon, and the URL would lead elsewhere.
    let is_name = |it: u8| it.is_ascii_alphanumeric() || b"-._".contains(&it);
    ascii.bytes().all(is_name).then_some(ascii)
}
