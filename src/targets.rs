//! The targets of the suite that the command knows: those of its crate, and those that other crates are needed for.

use std::path::PathBuf;

use highwater_conformance::suite::{Kind, Registry, Target, Wish};
use highwater_conformance::target::exec::{Adapter, Limits};
use highwater_conformance::target::{Builder, Fault};
use highwater_conformance_wire::{Product, Reached, Started};

use crate::arguments::TargetArguments;
use crate::output::Failure;

/// All kinds of target.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add(Kind::new(
        "exec:COMMAND",
        "an adapter, which `sh -c COMMAND` starts (specs/adapter.md)",
        |wish| {
            let command = argument(wish, "the command that starts the adapter, such as exec:./adapter")?;
            alone(wish, move || match Adapter::start(&command, Limits::default()) {
                Ok(adapter) => Ok(Box::new(adapter)),
                Err(misbehaviour) => Err(Fault::from(misbehaviour).to_string()),
            })
        },
    ));
    registry.add(Kind::new(
        "reference-tcp",
        "three processes of `highwater broker` on this machine",
        |wish| {
            wish.no_argument()?;
            let program =
                std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
            started(wish, Product::Reference { program })
        },
    ));
    registry.add(Kind::new(
        "kafka-real:LIB",
        "three processes of the real Kafka, whose jars are in a directory",
        |wish| {
            let lib = argument(wish, "the directory of Kafka's jars, such as kafka-real:target/kafka/lib")?;
            started(wish, Product::Kafka { java: PathBuf::from("java"), lib: PathBuf::from(lib) })
        },
    ));
    registry.add(Kind::new(
        "kafka:HOST:PORT,…",
        "a cluster that is there already and speaks Kafka's protocol",
        |wish| {
            let bootstrap = argument(wish, "where its brokers are, such as kafka:127.0.0.1:9092")?;
            alone(wish, move || boxed(Reached::new(&bootstrap)))
        },
    ));
    registry
}

/// What stands behind the colon.
fn argument(wish: &Wish<'_>, expected: &str) -> Result<String, String> {
    let found = wish.argument.filter(|argument| !argument.is_empty());
    found.map(str::to_owned).ok_or_else(|| format!("--target {}: expected {expected}", wish.name))
}

fn started(wish: &Wish<'_>, product: Product) -> Result<Target, String> {
    alone(wish, move || boxed(Started::new(product.clone())))
}

/// A target that plays one case at a time, and has no flaws.
fn alone(
    wish: &Wish<'_>,
    make: impl Fn() -> Result<Box<dyn Builder>, String> + Send + Sync + 'static,
) -> Result<Target, String> {
    wish.no_flaw()?;
    Ok(Target::new(wish.name, 1, make))
}

fn boxed<B: Builder + 'static>(built: Result<B, Fault>) -> Result<Box<dyn Builder>, String> {
    match built {
        Ok(builder) => Ok(Box::new(builder)),
        Err(fault) => Err(fault.to_string()),
    }
}

/// The target that was asked for.
pub(crate) fn open(arguments: &TargetArguments) -> Result<Target, Failure> {
    let registry = registry();
    let Some(name) = &arguments.target else {
        let known: Vec<&str> = registry.kinds().iter().map(|kind| kind.usage).collect();
        return Err(Failure::usage(format!(
            "no target to play on; name one: --target {}",
            known.join(", --target ")
        )));
    };
    registry.open(name, arguments.flaw.as_deref()).map_err(Failure::usage)
}
