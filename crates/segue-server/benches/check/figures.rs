//! `figures.toml`: what everything came to when somebody last said that it is as it should be.

use std::{collections::BTreeMap, fmt::Write as _, fs};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/check/figures.toml");

const HEAD: &str = "\
# What `make bench-check` compares with (docs/performance.md, \"Kept there\"). `UPDATE=1 make
# bench-check` writes anew what is no longer near; a commit in which something gets slower says why.
";

const HOW_TO_ACCEPT: &str =
    "If it is worth it: `UPDATE=1 make bench-check` writes the new figure; say why in the commit.";

/// Something that was measured.
#[derive(Debug)]
pub struct Measured {
    /// What it is, with its unit.
    pub name: String,
    pub value: f64,
    pub good: Good,
    /// It may be so much worse than its figure, in per cent. As much better, and the figure leaves
    /// room to get worse unseen.
    pub worse_percent_max: f64,
}

/// Which way is better.
#[derive(Debug, Clone, Copy)]
pub enum Good {
    Low,
    High,
}

/// What was looked at, and what came of it.
#[derive(Debug, Default)]
pub struct Verdict {
    pub passed: usize,
    pub failures: Vec<String>,
}

/// The figures of the checkout.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, f64>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    New,
    Worse,
    Near,
    Better,
}

impl Measured {
    /// How much worse it is than a figure, in per cent; below zero for better.
    fn worse_percent(&self, figure: f64) -> f64 {
        let times = match self.good {
            Good::Low => self.value / figure,
            Good::High => figure / self.value,
        };
        (times - 1.0) * 100.0
    }
}

impl Figures {
    pub fn read() -> Result<Self, String> {
        let text = fs::read_to_string(PATH).map_err(|it| format!("cannot read {PATH}: {it}"))?;
        let figures = toml::from_str(&text).map_err(|it| format!("cannot read {PATH}: {it}"))?;
        Ok(Self(figures))
    }

    /// A table of everything.
    pub fn print(&self, measured: &[Measured]) {
        println!("{:<44} {:>9} {:>9} {:>9} {:>8}", "", "measured", "figure", "worse by", "allowed");
        for it in measured {
            let (name, value) = (&it.name, number(it.value));
            let Some(figure) = self.0.get(name) else {
                println!("{name:<44} {value:>9}");
                continue;
            };
            let worse = it.worse_percent(*figure);
            let figure = number(*figure);
            println!(
                "{name:<44} {value:>9} {figure:>9} {worse:>+8.1}% {:>7}%",
                it.worse_percent_max
            );
            if self.standing(it) == Standing::Better {
                println!("    much better: `UPDATE=1 make bench-check` keeps it so");
            }
        }
    }

    fn standing(&self, measured: &Measured) -> Standing {
        let Some(figure) = self.0.get(&measured.name) else { return Standing::New };
        let times = 1.0 + measured.worse_percent(*figure) / 100.0;
        let times_max = 1.0 + measured.worse_percent_max / 100.0;
        // What is no number counts as worse.
        match () {
            () if times < 1.0 / times_max => Standing::Better,
            () if times <= times_max => Standing::Near,
            () => Standing::Worse,
        }
    }

    /// Holds everything against its figure.
    pub fn judge(&self, measured: &[Measured]) -> Verdict {
        let mut verdict = Verdict::default();
        for it in measured {
            let name = &it.name;
            match self.standing(it) {
                Standing::Near | Standing::Better => verdict.passed += 1,
                Standing::New => verdict
                    .failures
                    .push(format!("{name} has no figure: `UPDATE=1 make bench-check`")),
                Standing::Worse => verdict.failures.push(format!(
                    "{name} is {}, its figure {}: {:.1} % worse, and {} % is allowed.\n    {HOW_TO_ACCEPT}",
                    number(it.value),
                    number(self.0[name]),
                    it.worse_percent(self.0[name]),
                    it.worse_percent_max,
                )),
            }
        }
        for name in self.0.keys().filter(|name| !measured.iter().any(|it| it.name == **name)) {
            verdict.failures.push(format!(
                "{name} has a figure and is not measured: `UPDATE=1 make bench-check`"
            ));
        }
        verdict
    }

    /// Writes anew what is not near its figure. What is near stays, so that a figure is not worn away
    /// by changes that are too small to see.
    pub fn update(mut self, measured: &[Measured]) -> Result<Verdict, String> {
        let mut text = HEAD.to_owned();
        for it in measured {
            if self.standing(it) != Standing::Near {
                println!("written anew: {} = {}", it.name, number(it.value));
                self.0.insert(it.name.clone(), it.value);
            }
            writeln!(text, "\"{}\" = {}", it.name, number(self.0[&it.name]))
                .expect("a string takes everything");
        }
        fs::write(PATH, text).map_err(|it| format!("cannot write {PATH}: {it}"))?;
        Ok(Verdict { passed: measured.len(), failures: Vec::new() })
    }
}

/// As the file has it: counts are whole.
fn number(value: f64) -> String {
    if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
