//! `/readyz`: false when a promise cannot be kept, with the reason.

use std::fs;

use segue_core::ports::Store;
use segue_store::{SqliteOptions, SqliteStore};

use crate::support::{Bot, Running, Setup, Switch};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"";

/// Says no, for this reason alone; the metrics say the same.
async fn expect_unmet(server: &Running, check: &str, why: &str) {
    let answer = server.request("GET", "/readyz").send().await;
    let body = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!((answer.status, body.as_str()), (503, format!("{check}: {why}\n").as_str()));
    let scraped = server.metrics().await;
    for it in ["store", "disk", "files", "clock"] {
        let expected = u64::from(it != check);
        assert_eq!(scraped.count(&format!("segue_ready{{check=\"{it}\"}}")), expected, "{it}");
    }
}

async fn expect_ready(server: &Running) {
    let answer = server.request("GET", "/readyz").send().await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"ready\n".as_slice()));
    let scraped = server.metrics().await;
    for it in ["store", "disk", "files", "clock"] {
        assert_eq!(scraped.count(&format!("segue_ready{{check=\"{it}\"}}")), 1, "{it}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_write_is_no_store() {
    let switch = Switch::default();
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).also(METRICS);
    let server = setup.start_with(switch.tweaks()).await;
    expect_ready(&server).await;
    switch.off();
    expect_unmet(&server, "store", "it cannot write").await;
    switch.on();
    expect_ready(&server).await;
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_full() {
    let bot = Bot::start().await;
    // No disk has a petabyte free.
    let setup = Setup::new(&bot).sqlite().also(METRICS).limits("disk_free_mib_min = 1000000000");
    let server = setup.start().await;
    let answer = server.request("GET", "/readyz").send().await;
    let body = String::from_utf8(answer.body).unwrap();
    let free: u64 =
        body.strip_prefix("disk: ").unwrap().split(' ').next().unwrap().parse().unwrap();
    let why = format!("{free} MiB are free, at least 1000000000 MiB are needed\n");
    assert_eq!((answer.status, body), (503, format!("disk: {why}")));
    let scraped = server.metrics().await;
    assert_eq!(scraped.count("segue_ready{check=\"disk\"}"), 0);
    assert!(scraped.count("segue_store_free_bytes") / (1_024 * 1_024) > 0);
}

#[tokio::test]
async fn files_that_were_removed_or_replaced_are_not_ours() {
    for (name, what) in [
        ("segue.db", "database"),
        ("segue.db-wal", "write-ahead log"),
        ("segue.lock", "lock of the data folder"),
    ] {
        let bot = Bot::start().await;
        let setup = Setup::new(&bot).sqlite().also(METRICS);
        let server = setup.start().await;
        expect_ready(&server).await;
        let path = setup.folder().unwrap().join(name);
        let aside = setup.folder().unwrap().join("aside");
        fs::rename(&path, &aside).unwrap();
        expect_unmet(&server, "files", &format!("the {what} was removed")).await;
        fs::write(&path, fs::read(&aside).unwrap()).unwrap();
        expect_unmet(&server, "files", &format!("the {what} was replaced")).await;
        fs::rename(&aside, &path).unwrap();
        expect_ready(&server).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_far_behind_the_log_is_wrong() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(METRICS);
    let path = setup.folder().unwrap().join("segue.db");
    let store = SqliteStore::open(SqliteOptions::new(&path)).unwrap();
    let now = (segue_server::server::sources().now)();
    let hour_ms = 3_600_000;
    store.record_start(now + hour_ms, 0).await.unwrap();
    store.close().await;
    let server = setup.start().await;
    let answer = server.request("GET", "/readyz").send().await;
    let body = String::from_utf8(answer.body).unwrap();
    let behind_s = body.strip_prefix("clock: it is ").unwrap().split(' ').next().unwrap();
    let behind_s: u64 = behind_s.parse().unwrap();
    assert!((3_500..=3_600).contains(&behind_s), "{body}");
    assert_eq!((answer.status, body.ends_with(" s behind the log\n")), (503, true), "{body}");
    assert_eq!(server.metrics().await.count("segue_ready{check=\"clock\"}"), 0);
}
