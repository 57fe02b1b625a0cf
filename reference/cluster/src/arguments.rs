//! The command line of `highwater cluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use highwater_server::config::parse_override;

use crate::control::Command;
use crate::layout::NODES_MAX;

/// What `highwater cluster` is told.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ClusterArguments {
    #[command(flatten)]
    pub(crate) run: RunArguments,
    #[command(subcommand)]
    pub(crate) order: Option<OrderArguments>,
}

/// How a cluster is run.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArguments {
    /// How many nodes; of brokers, with --controllers. Those that are in DIR already, or 3
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    pub(crate) nodes: Option<u16>,
    /// So many controllers that are no brokers; without, each node is both
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    pub(crate) controllers: Option<u16>,
    /// Clients find the first broker at this port, the second at the next, and so on; without, at ports that are free
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=i64::from(u16::MAX - NODES_MAX)))]
    pub(crate) port: Option<u16>,
    /// Where logs and data are kept for the next start; without, they are removed at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Sets a property of all nodes; may be repeated
    #[arg(long = "property", value_name = "KEY=VALUE", value_parser = parse_override)]
    pub(crate) properties: Vec<(String, String)>,
    /// Nodes reach each other without doors between them: a little faster, and no link can be cut
    #[arg(long)]
    pub(crate) direct: bool,
    /// Lines of events, on a terminal too
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Where an order goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The directory of the cluster
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// An order, and to which node.
#[derive(Debug, Clone, Args)]
pub(crate) struct ToNode {
    /// The node's id
    #[arg(value_name = "NODE")]
    pub(crate) node: i32,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Orders to a cluster that runs.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum OrderArguments {
    /// Kill a node with SIGKILL
    Kill(ToNode),
    /// Stop a node in good order, and wait for that
    Stop(ToNode),
    /// Start a node that does not run
    Start(ToNode),
    /// Pause a node with SIGSTOP
    Pause(ToNode),
    /// Let a paused node go on
    Resume(ToNode),
    /// Cut the link between two nodes; with --from, one way
    Cut {
        /// A node
        #[arg(value_name = "A")]
        node: i32,
        /// Another
        #[arg(value_name = "B", required_unless_present = "from")]
        other: Option<i32>,
        /// One way: A hears nothing of B any more
        #[arg(long, value_name = "B", conflicts_with = "other")]
        from: Option<i32>,
        #[command(flatten)]
        place: Place,
    },
    /// Cut all links of a node
    Isolate(ToNode),
    /// Heal the link between two nodes, both ways; all links if none are named
    Heal {
        /// A node
        #[arg(value_name = "A", requires = "other")]
        node: Option<i32>,
        /// Another
        #[arg(value_name = "B")]
        other: Option<i32>,
        #[command(flatten)]
        place: Place,
    },
    /// Say how the cluster is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

impl OrderArguments {
    /// The order, and where it goes.
    pub(crate) fn command(&self) -> (Command, &Place) {
        match self {
            Self::Kill(to) => (Command::Kill { node: to.node }, &to.place),
            Self::Stop(to) => (Command::Stop { node: to.node }, &to.place),
            Self::Start(to) => (Command::Start { node: to.node }, &to.place),
            Self::Pause(to) => (Command::Pause { node: to.node }, &to.place),
            Self::Resume(to) => (Command::Resume { node: to.node }, &to.place),
            Self::Isolate(to) => (Command::Isolate { node: to.node }, &to.place),
            Self::Cut { node, other: Some(other), place, .. } => {
                (Command::Cut { node: *node, other: *other }, place)
            }
            // Without the other, clap sees to it that there is `from`.
            Self::Cut { node, from, place, .. } => {
                (Command::CutFrom { node: *node, from: from.unwrap_or(*node) }, place)
            }
            Self::Heal { node, other, place } => (Command::Heal { between: node.zip(*other) }, place),
            Self::Status { place, .. } => (Command::Status, place),
        }
    }
}
