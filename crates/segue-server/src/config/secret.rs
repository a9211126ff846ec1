//! A text that must not be seen: in no log line, no error and no panic.

use std::fmt;

use subtle::ConstantTimeEq;

/// A token or a shared secret. It prints as `***`, and comparing it takes the same time wherever
/// the first difference is; the length is not hidden.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that has been checked by its reader.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that has to send it or to compute with it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether somebody offered this very text.
    pub fn matches(&self, offered: &str) -> bool {
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
