//! Targets by name: what `--target` takes.
//!
//! A [`Kind`] of target makes a [`Target`] from what stands behind `--target`; the part before the first colon chooses the kind. This crate knows
//! `model` and `reference`; whoever links others (a cluster of processes, a real Kafka) adds their kinds.

use std::fmt;

use crate::target::Builder;
use crate::target::model::KraftModel;
use crate::target::reference::Reference;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// All of it: `exec:./adapter --fast`.
    pub name: &'a str,
    /// What stands behind the first colon: `./adapter --fast`.
    pub argument: Option<&'a str>,
    /// A flaw to switch on in it.
    pub flaw: Option<&'a str>,
}

impl Wish<'_> {
    /// Refuses a flaw, for kinds that cannot have any.
    ///
    /// # Errors
    /// If one is wished for.
    pub fn no_flaw(&self) -> Result<(), String> {
        match self.flaw {
            None => Ok(()),
            Some(flaw) => Err(format!(
                "--flaw {flaw}: the target {} has no flaws to switch on; the targets model and reference have",
                self.name
            )),
        }
    }

    /// Refuses what stands behind a colon, for kinds that take nothing there.
    ///
    /// # Errors
    /// If something stands there.
    pub fn no_argument(&self) -> Result<(), String> {
        match self.argument {
            None => Ok(()),
            Some(argument) => {
                Err(format!("--target {}: found {argument:?} behind the colon, expected nothing", self.name))
            }
        }
    }
}

type Open = Box<dyn Fn(&Wish<'_>) -> Result<Target, String> + Send + Sync>;
type Make = Box<dyn Fn() -> Result<Box<dyn Builder>, String> + Send + Sync>;

/// A kind of target.
pub struct Kind {
    /// How it is written, such as `exec:COMMAND`.
    pub usage: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    open: Open,
}

impl Kind {
    /// A kind whose targets `open` makes, or says why not.
    pub fn new(
        usage: &'static str,
        summary: &'static str,
        open: impl Fn(&Wish<'_>) -> Result<Target, String> + Send + Sync + 'static,
    ) -> Self {
        Self { usage, summary, open: Box::new(open) }
    }

    /// What stands before the colon.
    pub fn word(&self) -> &'static str {
        self.usage.split(':').next().unwrap_or(self.usage)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("usage", &self.usage).finish_non_exhaustive()
    }
}

/// A target: where builders of systems come from, one a thread.
pub struct Target {
    /// As `--target` says it.
    pub name: String,
    /// The flaw that is on in it.
    pub flaw: Option<String>,
    /// How many cases it can play at once. 1 where systems share something: ports, processes, a machine's time.
    pub at_once: usize,
    make: Make,
}

impl Target {
    /// A target whose builders `make` makes. It fails if the target cannot be reached, with its address and the cause.
    pub fn new(
        name: impl Into<String>,
        at_once: usize,
        make: impl Fn() -> Result<Box<dyn Builder>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), flaw: None, at_once: at_once.max(1), make: Box::new(make) }
    }

    /// The same, with a flaw that is on in it.
    pub fn flawed(self, flaw: Option<&str>) -> Self {
        Self { flaw: flaw.map(str::to_owned), ..self }
    }

    /// A builder.
    ///
    /// # Errors
    /// If the target cannot be reached.
    pub fn builder(&self) -> Result<Box<dyn Builder>, String> {
        (self.make)()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, flaw, at_once, .. } = self;
        let mut told = f.debug_struct("Target");
        told.field("name", name).field("flaw", flaw).field("at_once", at_once).finish_non_exhaustive()
    }
}

/// All kinds of target.
#[derive(Debug)]
pub struct Registry {
    kinds: Vec<Kind>,
}

impl Default for Registry {
    fn default() -> Self {
        let kinds = vec![
            Kind::new("model", "the models of Highwater, one action at a time", |wish| {
                wish.no_argument()?;
                let builder = wish.flaw.map_or(Ok(KraftModel::default()), KraftModel::with_flaw)?;
                Ok(Target::new(wish.name, usize::MAX, move || Ok(Box::new(builder))).flawed(wish.flaw))
            }),
            Kind::new("reference", "the reference's nodes, in simulated time over simulated disks", |wish| {
                wish.no_argument()?;
                let builder = wish.flaw.map_or(Ok(Reference::default()), reference_with_flaw)?;
                Ok(Target::new(wish.name, usize::MAX, move || Ok(Box::new(builder.clone())))
                    .flawed(wish.flaw))
            }),
        ];
        Self { kinds }
    }
}

impl Registry {
    /// Adds a kind.
    pub fn add(&mut self, kind: Kind) {
        self.kinds.push(kind);
    }

    /// All kinds.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The target of this name.
    ///
    /// # Errors
    /// If there is none of the kind, or the kind refuses what stands behind the colon, or the flaw.
    pub fn open(&self, name: &str, flaw: Option<&str>) -> Result<Target, String> {
        let (word, argument) =
            name.split_once(':').map_or((name, None), |(word, argument)| (word, Some(argument)));
        let kind = self.kinds.iter().find(|kind| kind.word() == word).ok_or_else(|| {
            let known: Vec<&str> = self.kinds.iter().map(|kind| kind.usage).collect();
            format!("--target {name}: there is no such target; there are {}", known.join(", "))
        })?;
        (kind.open)(&Wish { name, argument, flaw })
    }
}

#[cfg(feature = "flaws")]
fn reference_with_flaw(id: &str) -> Result<Reference, String> {
    Reference::with_flaw(id)
}

#[cfg(not(feature = "flaws"))]
fn reference_with_flaw(id: &str) -> Result<Reference, String> {
    Err(not_built(id))
}

/// Why a program without flaws has none to switch on, and what to do.
pub fn not_built(id: &str) -> String {
    format!(
        "the flaw {id} is not in this program: what ships has none; build one that has with `cargo build --release --features flaws`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_that_is_not_there_is_refused_with_those_that_are() {
        let mut registry = Registry::default();
        registry.add(Kind::new("exec:COMMAND", "an adapter", |_| Err("no".to_owned())));
        let refusal = registry.open("modell", None).expect_err("no target").to_string();
        assert_eq!(
            refusal,
            "--target modell: there is no such target; there are model, reference, exec:COMMAND"
        );
        assert_eq!(registry.open("exec:a:b", None).expect_err("no target"), "no");
    }

    #[test]
    fn model_takes_its_flaws_and_nothing_behind_a_colon() {
        let registry = Registry::default();
        assert_eq!(registry.open("model", Some("A01")).expect("a target").flaw.as_deref(), Some("A01"));
        assert!(registry.open("model", Some("A99")).expect_err("no flaw").contains("no flaw A99"));
        assert!(registry.open("model:x", None).expect_err("no target").contains("behind the colon"));
    }

    #[cfg(not(feature = "flaws"))]
    #[test]
    fn reference_without_flaws_names_the_command_that_builds_them() {
        let refusal = Registry::default().open("reference", Some("A01")).expect_err("no flaw");
        assert!(refusal.contains("cargo build --release --features flaws"), "{refusal}");
    }
}
