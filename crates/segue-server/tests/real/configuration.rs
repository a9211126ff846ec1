//! The configuration of a shop whose bot needs no network.

use std::{fs, path::Path};

use crate::client;

/// The token of its connector.
pub const TOKEN: &str = "shop-token-5f1c";

/// Its text, with these lines in `[server]` and `[limits]`.
pub fn toml(server: &str, store: &str, limits: &str) -> String {
    format!(
        r#"
[server]
{server}
[store]
url = "{store}"
[limits]
{limits}
[[connectors]]
id = "shop"
token = "{TOKEN}"
hosts = ["{host}"]
bot = "ada"
[[bots]]
id = "ada"
kind = "knowledge"
name = "Ada"
greeting = "Hello."
"#,
        host = client::HOST,
    )
}

/// Puts it into this folder, where conversations are kept as well.
pub fn configure(folder: &Path, server: &str, limits: &str) {
    let text = toml(server, "sqlite:data/segue.db", limits);
    fs::write(folder.join("segue.toml"), text).unwrap();
}
