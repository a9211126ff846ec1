//! The units in `deploy/systemd`, read by systemd itself.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

/// What `systemd-analyze security` may find exposed, of 100.
const EXPOSURE_MAX: &str = "20";

/// The units in a folder of their own; only the place of the program is another. `None`, and a
/// word about it, where there is no systemd.
fn analyze(arguments: &[&str], unit: &str) -> Option<Output> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: systemd-analyze is not installed");
        return None;
    }
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd");
    let folder = TempDir::new().unwrap();
    for name in ["segue.service", "segue.socket"] {
        let text = fs::read_to_string(units.join(name)).unwrap();
        let text = text.replace("/usr/local/bin/segue", env!("CARGO_BIN_EXE_segue"));
        fs::write(folder.path().join(name), text).unwrap();
    }
    let unit = folder.path().join(unit);
    Some(Command::new("systemd-analyze").args(arguments).arg(unit).output().unwrap())
}

fn expect_success(output: &Output) {
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    for unit in ["segue.service", "segue.socket"] {
        let Some(output) = analyze(&["verify"], unit) else { return };
        expect_success(&output);
        let warnings = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<&str> = warnings.lines().filter(|it| it.contains("segue")).collect();
        assert!(ours.is_empty(), "{warnings}");
    }
}

#[test]
fn the_service_can_do_little_beside_its_work() {
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    if let Some(output) = analyze(&arguments, "segue.service") {
        expect_success(&output);
    }
}
