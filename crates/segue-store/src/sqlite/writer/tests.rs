use super::*;

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

#[test]
fn a_failed_sync_is_the_end_wherever_it_happens() {
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
        assert!(is_fate_unknown(Stage::BeforeCommit, &failure(code)));
        assert!(is_fate_unknown(Stage::Commit, &failure(code)));
    }
}

#[test]
fn a_failed_write_is_the_end_only_where_it_may_have_been_the_commit() {
    let failure = failure(ffi::SQLITE_IOERR_WRITE);
    assert!(!is_fate_unknown(Stage::BeforeCommit, &failure));
    assert!(is_fate_unknown(Stage::Commit, &failure));
}

#[test]
fn what_passes_is_never_the_end() {
    for code in [
        ffi::SQLITE_FULL,
        ffi::SQLITE_BUSY,
        ffi::SQLITE_NOMEM,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_CONSTRAINT_UNIQUE,
    ] {
        assert!(!is_fate_unknown(Stage::BeforeCommit, &failure(code)), "{code}");
        assert!(!is_fate_unknown(Stage::Commit, &failure(code)), "{code}");
    }
}
