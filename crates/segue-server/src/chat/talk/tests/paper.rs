//! Output that a test can read and wait for.

use std::io::{self, Write};

use tokio::sync::watch;

use super::server::soon;

#[derive(Clone)]
pub struct Paper(watch::Sender<String>);

impl Default for Paper {
    fn default() -> Self {
        Self(watch::Sender::new(String::new()))
    }
}

impl Paper {
    /// What has been written.
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Waits until this has been written.
    pub async fn shows(&self, part: &str) {
        let mut reader = self.0.subscribe();
        soon(reader.wait_for(|it| it.contains(part))).await.unwrap();
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).expect("only whole characters are written");
        self.0.send_modify(|it| it.push_str(text));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
