//! `make bench-check`: whether anything has become slower. Counts the instructions of the pure parts,
//! which no other process disturbs, and compares the server with a bare echo in one run, which other
//! processes disturb as much.
//!
//! A program of its own without a harness: it runs itself under valgrind, one part at a time.

mod figures;
mod instructions;
mod parts;
mod ratios;
mod scene;

use std::process::ExitCode;

use figures::{Figures, Measured, Verdict};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As `instructions` calls it under valgrind.
    if let [name, times] = &arguments[..]
        && let Some(part) = parts::ALL.iter().find(|it| it.name == name)
    {
        (part.run)(times.parse().expect("so many times"));
        return ExitCode::SUCCESS;
    }
    if let Some(why) = incomparable() {
        println!("bench-check compares NOTHING: {why}");
        let ignored = parts::ALL.len() + ratios::count();
        println!("test result: ok. 0 passed; 0 failed; {ignored} ignored");
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(Verdict { passed, failures }) => {
            for failure in &failures {
                println!("\nFAILED {failure}");
            }
            let (word, failed) =
                (if failures.is_empty() { "ok" } else { "FAILED" }, failures.len());
            println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored");
            if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            println!("\nbench-check could not measure: {why}");
            println!("\ntest result: FAILED. 0 passed; 1 failed; 0 ignored");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<Verdict, String> {
    let is_update = std::env::var_os("UPDATE").is_some();
    let figures = match Figures::read() {
        Err(_) if is_update => Figures::default(),
        other => other?,
    };
    let mut measured: Vec<Measured> = instructions::measure()?;
    measured.extend(ratios::measure()?);
    figures.print(&measured);
    if is_update {
        return figures.update(&measured);
    }
    Ok(figures.judge(&measured))
}

/// Why this program is another one than that of the figures: they are of `cargo test` as Cargo.toml
/// has it.
fn incomparable() -> Option<String> {
    if let Some(level) = option_env!("CARGO_PROFILE_TEST_OPT_LEVEL") {
        return Some(format!("CARGO_PROFILE_TEST_OPT_LEVEL was {level} when this was built"));
    }
    if !cfg!(debug_assertions) {
        return Some("the figures are of `cargo test --bench check`, not of `cargo bench`".into());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the figures are of Linux on x86-64".into());
    }
    None
}
