//! The command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Parser, ValueEnum, value_parser};
use highwater_cluster::ClusterArguments;
use highwater_model::catalogue;
use highwater_simulation::Profile;

/// Kafka's three leader elections: as checked models, and as brokers and clusters that Kafka's clients use, with tools for them
#[derive(Debug, Parser)]
#[command(name = "highwater", version, max_term_width = 110, after_help = EXITS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

const EXITS: &str = "\
Exit codes:
  0  everything asked for holds, or was done
  1  something is violated; of a broker, a cluster or a tool: it failed
  2  the command line or a property file makes no sense, or a file cannot be had
  3  incomplete: out of memory or time, or interrupted; never a pass";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Exhaust a model, or all, and decide every claim; draw what is violated
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
    /// List the models, or say all about one: bounds, grains, rules, claims, flaws, controls
    Models {
        /// The model
        #[arg(value_parser = model_names())]
        model: Option<String>,
    },
    /// List the flaws, or run the whole matrix
    Flaws(FlawsArguments),
    /// Walk through a model in the browser (Stateright's Explorer)
    Explore(ExploreArguments),
    /// Run whole clusters from seeds, under faults, and check every invariant at each step
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArguments),
    /// Hold a target to the cases of the conformance suite
    #[command(after_help = CONFORMANCE_EXAMPLES)]
    Conformance(ConformanceArguments),
    /// Play a scenario from a file on a target
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArguments),
    /// Tell whether what was seen of a quorum is a behaviour of the model
    #[command(after_help = ADMIT_EXAMPLES)]
    Admit(AdmitArguments),
    /// For whoever writes an adapter, to have a system tested by the conformance suite (specs/adapter.md)
    Adapter {
        #[command(subcommand)]
        subcommand: AdapterSubcommand,
    },
    /// Run a broker, a controller or both, from a property file as Kafka's, until SIGTERM or Ctrl-C
    #[command(after_help = BROKER_EXAMPLES)]
    Broker(BrokerArguments),
    /// Run a cluster on this machine: real processes, a live view, nodes to kill and links to cut
    #[command(after_help = CLUSTER_EXAMPLES)]
    Cluster(ClusterArguments),
    /// Format a data directory, say what is in one, make ids (as kafka-storage.sh)
    Storage(highwater_tool::storage::StorageArgs),
    /// Create, change, delete, describe and list topics (as kafka-topics.sh)
    #[command(after_help = TOPICS_EXAMPLES)]
    Topics(highwater_tool::topics::TopicsArgs),
    /// Write lines of standard input as records (as kafka-console-producer.sh)
    Produce(highwater_tool::produce::ProduceArgs),
    /// Print records (as kafka-console-consumer.sh)
    Consume(highwater_tool::consume::ConsumeArgs),
    /// List, describe, reset and delete consumer groups (as kafka-consumer-groups.sh)
    #[command(after_help = GROUPS_EXAMPLES)]
    Groups(highwater_tool::groups::GroupsArgs),
    /// Describe the metadata quorum (as kafka-metadata-quorum.sh)
    Quorum(highwater_tool::quorum::QuorumArgs),
    /// Elect preferred or unclean leaders (as kafka-leader-election.sh)
    Elect(highwater_tool::elect::ElectArgs),
    /// Describe and change configuration of topics, brokers and groups (as kafka-configs.sh)
    Configs(highwater_tool::configs::ConfigsArgs),
    /// Print what is in log segments, indexes and snapshots (as kafka-dump-log.sh)
    DumpLog(highwater_tool::dump_log::DumpLogArgs),
    /// A shell over the image that a metadata log or snapshot makes (as kafka-metadata-shell.sh)
    Metadata(highwater_tool::metadata::MetadataArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages
    Man {
        /// Into this directory, which must exist
        directory: PathBuf,
    },
    /// Print the JSON Schema of a report
    Schema {
        /// Of which
        #[arg(default_value = "report")]
        which: SchemaOf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SchemaOf {
    /// What `check --json` writes
    Report,
    /// A counterexample
    Story,
    /// What `conformance --json` writes
    Conformance,
    /// A scenario of the suite
    Scenario,
    /// The lines between the conformance suite and an adapter
    Adapter,
    /// What `replay --events` writes and `admit` reads
    Trace,
}

const ADAPTER_CHECK_EXAMPLES: &str = "\
Examples:
  highwater adapter check \"python3 conformance/adapters/toy/toy.py\"
  highwater adapter check \"highwater adapter serve model\"
  highwater adapter check --time-limit 60s --json - ./adapter

Exit code 1: an answer made no sense, or the adapter broke the protocol.";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum AdapterSubcommand {
    /// Try everything that an adapter promises, act by act, and judge each answer
    #[command(after_help = ADAPTER_CHECK_EXAMPLES)]
    Check(AdapterCheckArguments),
    /// Speak the protocol for a target of the suite: what a sound adapter says
    Serve {
        /// Which
        target: ServedTarget,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AdapterCheckArguments {
    /// Starts the adapter; given to `sh -c`
    pub(crate) command: String,
    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) time_limit: Duration,
    /// Write the report as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServedTarget {
    /// The model kraft
    Model,
    /// The reference's quorum, in simulated time
    Reference,
}

const TOPICS_EXAMPLES: &str = "\
Examples:
  highwater topics --bootstrap-server 127.0.0.1:9092 --create --topic t --partitions 3 --replication-factor 3
  highwater topics --bootstrap-server 127.0.0.1:9092 --describe --topic 't.*'
  highwater topics --bootstrap-server 127.0.0.1:9092 --list";

const GROUPS_EXAMPLES: &str = "\
Examples:
  highwater groups --bootstrap-server 127.0.0.1:9092 --list --state
  highwater groups --bootstrap-server 127.0.0.1:9092 --describe --group g --members --verbose
  highwater groups --bootstrap-server 127.0.0.1:9092 --reset-offsets --to-earliest --group g --topic t --execute";

const BROKER_EXAMPLES: &str = "\
Examples:
  highwater broker server.properties
  highwater broker --override log.dirs=/tmp/1 --override node.id=1 server.properties

SIGTERM or Ctrl-C stops it in good order: leaderships move first. The second ends it at once.
Exit code 1: it had to stop, or did not stop in good order.";

/// What a broker is started with.
#[derive(Debug, Args)]
pub(crate) struct BrokerArguments {
    /// The property file, in Kafka's names
    #[arg(value_name = "server.properties")]
    pub(crate) file: PathBuf,
    /// Sets a property over the file; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) overrides: Vec<(String, String)>,
    /// End at once when standard input ends: with whoever started it
    #[arg(long, hide = true)]
    pub(crate) until_end_of_input: bool,
    /// What is logged to standard error
    #[arg(long, value_enum, default_value_t = LogLevel::Info)]
    pub(crate) log_level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

const CLUSTER_EXAMPLES: &str = "\
Examples:
  highwater cluster                               three nodes, each broker and controller
  highwater cluster --nodes 3 --controllers 3     three brokers, three controllers
  highwater cluster --port 9092                   brokers at 9092, 9093 and 9094
  highwater cluster --dir /tmp/demo               kept, and found again at the next start
  highwater cluster kill 1 --dir /tmp/demo        in another terminal
  highwater cluster cut 1 2 --dir /tmp/demo       1 and 2 do not reach each other
  highwater cluster cut 1 --from 2 --dir /tmp/demo   1 does not hear 2
  highwater cluster status --json --dir /tmp/demo

Standard output has a line HOST:PORT for each broker, once it serves. Ctrl-C or SIGTERM stops all, the second kills what is left.
Exit code 1: it could not go on; 2: it could not begin, or an order was refused.";

const CHECK_EXAMPLES: &str = "\
Examples:
  highwater check                                 every model at its default bounds
  highwater check kraft --flaw A01                Raft's Figure 8, shortest form
  highwater check kraft --flaw A01 --svg f.svg    the same as a picture
  highwater check kraft --flaw A01 --scenario f.scenario   for `replay`, on any system
  highwater check isr --without partition-epoch   one rule off
  highwater check kraft --epochs 3 --json -       other bounds, as JSON
  highwater check kraft --claim truncation-ahead  how a claim's witness is reached";

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The model; all of them if none is named
    #[arg(value_parser = model_names())]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Decide this claim and tell its story: a counterexample, or the way to a witness
    #[arg(long, value_name = "NAME", requires = "model")]
    pub(crate) claim: Option<String>,
    /// Safety, liveness, or both; bounds by name go to safety unless `liveness` is asked for
    #[arg(long, value_enum, default_value_t = SearchChoice::Both)]
    pub(crate) search: SearchChoice,
    /// The large bounds: minutes and gigabytes
    #[arg(long)]
    pub(crate) deep: bool,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Count states, not orbits of node names
    #[arg(long)]
    pub(crate) no_symmetry: bool,
    /// Write the report as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the counterexample as an SVG space-time diagram
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) svg: Option<PathBuf>,
    /// Write the counterexample as one self-contained HTML page
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) html: Option<PathBuf>,
    /// Write a counterexample of kraft as a scenario, for `replay` on any target; `-` is standard output
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) scenario: Option<PathBuf>,
}

/// What of a model is checked.
#[derive(Debug, Args)]
pub(crate) struct Shape {
    #[command(flatten)]
    pub(crate) bounds: BoundArguments,
    /// A coarser model of the same protocol (`highwater models MODEL` lists them)
    #[arg(long, requires = "model")]
    pub(crate) grain: Option<String>,
    /// Switch a historic bug on
    #[arg(long, value_name = "ID", requires = "model", conflicts_with_all = ["without", "control"])]
    pub(crate) flaw: Option<String>,
    /// Switch a rule of the protocol off; may be repeated
    #[arg(long, value_name = "RULE", requires = "model", conflicts_with = "control")]
    pub(crate) without: Vec<String>,
    /// Switch a change on that looks like a bug and is none
    #[arg(long, value_name = "NAME", requires = "model")]
    pub(crate) control: Option<String>,
    /// Start from the state in this file, in the form of a counterexample's `state`; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "model")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SearchChoice {
    Both,
    Safety,
    Liveness,
}

/// What a search may take.
#[derive(Debug, Args)]
pub(crate) struct Resources {
    /// Worker threads; all cores by default
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Memory for states, such as 4GB; four fifths of what is free by default
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Wall time a search, such as 90s or 10m
    #[arg(long, value_name = "LIMIT", value_parser = humantime::parse_duration)]
    pub(crate) time: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct FlawsArguments {
    /// Of this model; of all if none is named
    #[arg(value_parser = model_names())]
    pub(crate) model: Option<String>,
    /// Run the matrix: every flaw must break what it says, every control must break nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

const SIMULATE_EXAMPLES: &str = "\
Examples:
  highwater simulate                              100 seeds
  highwater simulate --seeds 10000                what continuous integration runs
  highwater simulate --seed 7 --trace             one seed, event by event
  highwater simulate --scenario FILE              what an earlier run wrote
  highwater simulate --flaw A01 --profile elections   (a build with --features flaws)";

#[derive(Debug, Args)]
pub(crate) struct SimulateArguments {
    /// This seed alone
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from", "scenario"])]
    pub(crate) seed: Option<u64>,
    /// So many seeds; stops at the first that fails
    #[arg(long, value_name = "COUNT", conflicts_with = "scenario", value_parser = value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// From this seed on
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "scenario")]
    pub(crate) from: u64,
    /// The scenario in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["steps", "time", "nodes", "profile", "flaw"])]
    pub(crate) scenario: Option<PathBuf>,
    /// Steps under faults; 2000 if nothing is said
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Virtual time under faults, such as 10s
    #[arg(long = "for", id = "time", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) time: Option<Duration>,
    /// The number of nodes; drawn from the seed if nothing is said
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=8))]
    pub(crate) nodes: Option<u8>,
    /// The kind of world; drawn from the seed if nothing is said
    #[arg(long, value_parser = profiles())]
    pub(crate) profile: Option<Profile>,
    /// Switch a historic bug on; only in a build with the feature `flaws`
    #[arg(long, value_name = "ID")]
    pub(crate) flaw: Option<String>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Tell every event of a seed or scenario
    #[arg(long, conflicts_with_all = ["seeds", "json"])]
    pub(crate) trace: bool,
    /// Worker threads; all cores by default. They change nothing but the time it takes
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Where the shrunk scenario of a failure goes; highwater-seed-N.scenario.json if nothing is said
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    pub(crate) write: Option<PathBuf>,
    /// Look for every flaw of the reference, and print the table of how each falls
    #[arg(long, conflicts_with_all = ["seed", "seeds", "from", "scenario", "steps", "time", "nodes", "profile", "flaw", "trace", "json"])]
    pub(crate) kill_table: bool,
    /// The table has to stand in this file as it comes out (specs/simulation.md)
    #[arg(long, value_name = "FILE", requires = "kill_table")]
    pub(crate) check: Option<PathBuf>,
    /// How many runs shrinking may take
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub(crate) shrink_runs: u32,
}

const CONFORMANCE_EXAMPLES: &str = "\
Examples:
  highwater conformance --list                       the cases
  highwater conformance --target model               all of them on the models
  highwater conformance --target reference KH        those of a group; KH-01 is one, kraft/commit those of clauses
  highwater conformance --target model --json m.json --junit m.xml
  highwater conformance --target reference --html matrix.html --with m.json   one page, two targets
  highwater conformance --random 2000 --target reference   schedules that nobody thought of
  highwater conformance --random 9000 --target model --flaw A01 --scenario found.scenario
  highwater conformance --kill-matrix                (a build with --features flaws)

Exit code 1: a MUST does not hold, a SHOULD under --strict, or a case passes that was expected to fail; 2: the target cannot be
reached; 3: something could not be told, or nothing was played.";

/// What of the suite is run, and what becomes of it.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArguments {
    /// Cases by id (KH-01), by what ids begin with (KH), or by clause (kraft/commit); all if none is named
    #[arg(value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    /// The same; may be repeated
    #[arg(long, value_name = "CASE")]
    pub(crate) only: Vec<String>,
    #[command(flatten)]
    pub(crate) on: TargetArguments,
    /// So many random schedules instead of cases; stops at the first that fails, and makes it short
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..), requires = "target",
        conflicts_with_all = ["cases", "only", "list", "expected_failures", "kill_matrix", "with"])]
    pub(crate) random: Option<u32>,
    /// What the schedules are of
    #[arg(long, value_enum, default_value_t = RandomOf::Quorums, requires = "random")]
    pub(crate) of: RandomOf,
    /// Write the schedule that fails as a scenario, for `replay`; `-` is standard output
    #[arg(long, value_name = "FILE", requires = "random")]
    pub(crate) scenario: Option<PathBuf>,
    /// How many plays it may take to make it short
    #[arg(long, value_name = "N", default_value_t = 2000, requires = "random")]
    pub(crate) shrink_runs: u32,
    /// List the cases, with what they need and which flaws they kill
    #[arg(long, conflicts_with_all = ["target", "kill_matrix", "with"])]
    pub(crate) list: bool,
    /// A SHOULD that does not hold is a violation
    #[arg(long)]
    pub(crate) strict: bool,
    /// Cases that are expected to fail, `CASE-ID reason` a line; one that passes is a violation
    #[arg(long, value_name = "FILE")]
    pub(crate) expected_failures: Option<PathBuf>,
    /// Cases played at once, where the target can; all cores by default
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Write the report as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a self-contained page: a matrix of cases and targets, with a diagram of each failure
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// A report of another run (`--json`), for the same page; may be repeated. Without a target only these are shown
    #[arg(long, value_name = "FILE", requires = "html")]
    pub(crate) with: Vec<PathBuf>,
    /// Play every flaw of the reference against the cases, and print which dies by which
    #[arg(long, conflicts_with_all = ["target", "flaw", "expected_failures", "json", "junit", "html", "with", "strict"])]
    pub(crate) kill_matrix: bool,
    /// The matrix has to stand in this file as it comes out (specs/conformance.md)
    #[arg(long, value_name = "FILE", requires = "kill_matrix")]
    pub(crate) check: Option<PathBuf>,
}

/// What random schedules are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RandomOf {
    /// Quorums of three and five voters
    Quorums,
    /// Clusters of three brokers
    Clusters,
}

/// On what something is played.
#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// The target
    #[arg(long, value_name = "TARGET", help = target_help())]
    pub(crate) target: Option<String>,
    /// Switch a historic bug on in it (model; reference, in a build with --features flaws)
    #[arg(long, value_name = "ID", requires = "target")]
    pub(crate) flaw: Option<String>,
    /// For all chance in the target
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// The targets, each with what it is.
fn target_help() -> String {
    let registry = crate::targets::registry();
    let kinds = registry.kinds().iter().map(|kind| format!("{}: {}", kind.usage, kind.summary));
    format!("The target. {}", kinds.collect::<Vec<_>>().join("; "))
}

const REPLAY_EXAMPLES: &str = "\
Examples:
  highwater replay figure-8.scenario --target model
  highwater replay figure-8.scenario --target model --flaw A01 --svg figure-8.svg
  highwater replay - --target reference --trace < figure-8.scenario

specs/scenarios.md has the language.";

/// What is played, and what becomes of it.
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The scenario, in text or JSON; `-` is standard input
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: PathBuf,
    #[command(flatten)]
    pub(crate) on: TargetArguments,
    /// Tell every step, even if all goes as the scenario says
    #[arg(long)]
    pub(crate) trace: bool,
    /// Write the report as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write what happened as an SVG space-time diagram
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write what happened as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write what the nodes of a quorum were seen to do, for `admit`; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
}

const ADMIT_EXAMPLES: &str = "\
Examples:
  highwater replay figure-8.scenario --target reference --events trace.json
  highwater admit trace.json

Exit code 1: the trace is no behaviour of the model; 3: it goes beyond what the model has room for.";

/// What is judged, and by which rules.
#[derive(Debug, Args)]
pub(crate) struct AdmitArguments {
    /// The trace, as `replay --events` writes it; `-` is standard input
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// The model
    #[arg(long, default_value = "kraft", value_parser = ["kraft"])]
    pub(crate) model: String,
    /// Write the verdict as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExploreArguments {
    /// The model
    #[arg(value_parser = model_names())]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Where to serve; loopback unless you say otherwise
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) address: SocketAddr,
}

fn profiles() -> impl TypedValueParser<Value = Profile> {
    let choice = |profile: Profile| PossibleValue::new(profile.name()).help(profile.summary());
    PossibleValuesParser::new(Profile::ALL.map(choice))
        .try_map(|name| Profile::named(&name).ok_or("no such kind of world"))
}

fn model_names() -> PossibleValuesParser {
    catalogue().iter().map(|entry| entry.name()).collect::<Vec<_>>().into()
}

/// One flag a bound of any model; which model has which is said by the model when it is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct BoundArguments {
    pub(crate) given: Vec<(String, i64)>,
}

/// Every bound's name with what it means, and to which models, in the order of names.
fn bound_flags() -> BTreeMap<&'static str, Vec<(&'static str, Vec<&'static str>)>> {
    let mut flags: BTreeMap<&'static str, Vec<(&'static str, Vec<&'static str>)>> = BTreeMap::new();
    for entry in catalogue() {
        for bound in entry.card().bounds {
            let meanings = flags.entry(bound.name).or_default();
            match meanings.iter_mut().find(|(summary, _)| *summary == bound.summary) {
                Some((_, models)) => models.push(entry.name()),
                None => meanings.push((bound.summary, vec![entry.name()])),
            }
        }
    }
    flags
}

impl Args for BoundArguments {
    fn augment_args(command: Command) -> Command {
        bound_flags().into_iter().fold(command, |command, (name, meanings)| {
            let meaning = |(summary, models): &(&str, Vec<&str>)| format!("{}: {summary}", models.join(", "));
            command.arg(
                Arg::new(name)
                    .long(name)
                    .value_name("N")
                    .help(meanings.iter().map(meaning).collect::<Vec<_>>().join("; "))
                    .help_heading("Bounds")
                    .allow_negative_numbers(true)
                    .requires("model")
                    .value_parser(value_parser!(i64)),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for BoundArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut arguments = Self::default();
        arguments.update_from_arg_matches(matches)?;
        Ok(arguments)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = |name: &&str| matches.get_one::<i64>(name).map(|value| ((*name).to_owned(), *value));
        self.given = bound_flags().keys().filter_map(given).collect();
        Ok(())
    }
}
