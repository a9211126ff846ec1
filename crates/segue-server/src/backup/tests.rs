//! What a manifest may say. The rest is tested with the real program.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

fn read(manifest: &Value) -> Result<Manifest, String> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(manifest::FILE), manifest.to_string()).unwrap();
    Manifest::read(folder.path()).map_err(|it| format!("{it:#}"))
}

fn file(name: &str) -> Value {
    json!({"name": name, "bytes": 1, "sha256": "00"})
}

fn manifest(files: &[Value]) -> Value {
    json!({
        "format": 1, "program": "segue", "began_at": "", "finished_at": "", "schema_version": 2,
        "files": files,
    })
}

#[test]
fn a_manifest_names_files_of_a_backup_and_nothing_else() {
    assert!(read(&manifest(&[file(DATABASE), file("jwt.json")])).is_ok());
    for (files, complaint) in [
        (vec![], "there is no segue.db in it"),
        (vec![file("jwt.json")], "there is no segue.db in it"),
        (vec![file(DATABASE), file("../jwt.json")], "no file of a backup"),
        (vec![file(DATABASE), file("/etc/passwd")], "no file of a backup"),
        (vec![file(DATABASE), file("manifest.json")], "no file of a backup"),
        (vec![file(DATABASE), file(DATABASE)], "twice"),
    ] {
        let error = read(&manifest(&files)).unwrap_err();
        assert!(error.contains(complaint) && error.contains("damaged"), "{error}");
    }
}

#[test]
fn another_format_is_named_before_anything_else_is_understood() {
    let error = read(&json!({"format": 2, "files": 7})).unwrap_err();
    assert!(error.contains("format 2, this program knows format 1"), "{error}");
    for broken in [json!({"format": 1}), json!({"format": "1"}), json!([])] {
        assert!(read(&broken).unwrap_err().contains("is damaged"), "{broken}");
    }
}

#[test]
fn a_backup_that_fails_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let (nothing, target) = (folder.path().join("nothing.db"), folder.path().join("backup"));
    let error = make(&nothing, &target, || 0).unwrap_err();
    assert!(format!("{error:#}").contains("nothing.db"), "{error:#}");
    assert!(!target.exists());
    fs::create_dir(&target).unwrap();
    make(&nothing, &target, || 0).unwrap_err();
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    // A file beside the database that is being made at this moment.
    let database = folder.path().join("segue.db");
    let options = segue_store::SqliteOptions::new(&database);
    let store = segue_store::SqliteStore::open(options).unwrap();
    fs::write(folder.path().join("demo-token"), "").unwrap();
    let error = make(&database, &target, || 0).unwrap_err();
    assert!(format!("{error:#}").contains("demo-token is empty"), "{error:#}");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    drop(store);
}
