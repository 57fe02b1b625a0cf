//! `quorum`: after Kafka's `MetadataQuorumCommand`.
//!
//! `describe --status` and `describe --replication`, asked of brokers, which hand on to the leader, or of controllers themselves.
//!
//! # Not implemented
//! `add-controller` and `remove-controller`: voters are static.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use highwater_client::Cluster;
use highwater_client::admin::{Admin, QuorumAnswer};
use highwater_client::cluster::Lane;
use highwater_log::files::uuid;
use highwater_wire::messages::DescribeClusterRequest;
use highwater_wire::messages::describe_quorum::response::ReplicaState;
use highwater_wire::{ErrorCode, Uuid};

use crate::online::{Settings, block_on};
use crate::{ExitKind, ToolError};

/// The arguments of `quorum`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("where").required(true).multiple(false).args(["bootstrap_server", "bootstrap_controller"])))]
pub struct QuorumArgs {
    /// Brokers to ask, as HOST:PORT with commas between them
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_server: Option<String>,
    /// Controllers to ask, as HOST:PORT with commas between them
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_controller: Option<String>,
    /// A property file with settings of the client, such as request.timeout.ms
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,
    #[command(subcommand)]
    command: QuorumCommand,
}

/// What `quorum` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum QuorumCommand {
    /// Describe the metadata quorum
    Describe(DescribeArgs),
}

/// The arguments of `quorum describe`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(false).args(["status", "replication"])))]
pub struct DescribeArgs {
    /// Leader, epoch, high watermark, voters
    #[arg(long)]
    status: bool,
    /// Each voter and observer: how far it is, and when it last fetched
    #[arg(long)]
    replication: bool,
    /// Times as milliseconds ago
    #[arg(long, requires = "replication")]
    human_readable: bool,
}

/// Does what the arguments say.
///
/// # Errors
/// If it cannot.
pub fn run(args: &QuorumArgs, out: &mut dyn Write, _err: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let QuorumCommand::Describe(what) = &args.command;
    let (cluster_id, answer) = block_on(ask(args))?;
    let leader = answer.quorum.leader_id;
    let replica =
        |replicas: &[ReplicaState]| replicas.iter().find(|replica| replica.replica_id == leader).cloned();
    let leader = replica(&answer.quorum.current_voters).ok_or_else(|| {
        ToolError::Refused(format!("the leader {leader} is no voter of the quorum as it describes itself"))
    })?;
    match what.replication {
        true => replication(&answer, &leader, what.human_readable, out)?,
        false => status(&cluster_id, &answer, &leader, out)?,
    }
    Ok(ExitKind::Success)
}

async fn ask(args: &QuorumArgs) -> Result<(String, QuorumAnswer), ToolError> {
    let settings = Settings::load(args.command_config.as_deref(), &[])?;
    let by_broker = args.bootstrap_server.is_some();
    let place = args.bootstrap_server.as_ref().or(args.bootstrap_controller.as_ref());
    let config = settings.cluster(place.map_or("", |place| place))?;
    settings.done()?;
    if by_broker {
        let admin = Admin::new(Cluster::connect(config).await?);
        let cluster = admin.describe_cluster().await?;
        return Ok((cluster.cluster_id.to_string(), admin.describe_quorum().await?));
    }
    let cluster = Cluster::unconnected(config);
    let answer = Admin::describe_quorum_by_controllers(&cluster).await?;
    let mut cluster_id = String::new();
    let mut last = None;
    for place in &cluster.config().bootstrap {
        let request = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
        let asked = match cluster.place(place, Lane::Ask).await {
            Ok(connection) => connection.ask(&request).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(answer) if answer.error_code == 0 => {
                cluster_id = answer.cluster_id.to_string();
                last = None;
                break;
            }
            Ok(answer) => {
                let code = ErrorCode(answer.error_code);
                last = Some(ToolError::Refused(format!("DescribeCluster of {place}: {code}")));
            }
            Err(error) => last = Some(error.into()),
        }
    }
    last.map_or(Ok((cluster_id, answer)), Err)
}

fn status(
    cluster_id: &str,
    answer: &QuorumAnswer,
    leader: &ReplicaState,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let quorum = &answer.quorum;
    let last = quorum.current_voters.iter().min_by_key(|voter| voter.log_end_offset).unwrap_or(leader);
    let times = (leader.last_caught_up_timestamp, last.last_caught_up_timestamp);
    let lag_time = match times {
        _ if last.replica_id == leader.replica_id => 0,
        (leader, follower) if leader >= 0 && follower >= 0 => leader - follower,
        _ => -1,
    };
    let shown = |replicas: &[ReplicaState]| {
        let replicas: Vec<String> = replicas.iter().map(|replica| described(answer, replica)).collect();
        format!("[{}]", replicas.join(", "))
    };
    writeln!(out, "ClusterId:              {cluster_id}")?;
    writeln!(out, "LeaderId:               {}", quorum.leader_id)?;
    writeln!(out, "LeaderEpoch:            {}", quorum.leader_epoch)?;
    writeln!(out, "HighWatermark:          {}", quorum.high_watermark)?;
    writeln!(out, "MaxFollowerLag:         {}", leader.log_end_offset - last.log_end_offset)?;
    writeln!(out, "MaxFollowerLagTimeMs:   {lag_time}")?;
    writeln!(out, "CurrentVoters:          {}", shown(&quorum.current_voters))?;
    writeln!(out, "CurrentObservers:       {}", shown(&quorum.observers))?;
    Ok(())
}

/// `{"id": 1, "directoryId": "…", "endpoints": ["CONTROLLER://127.0.0.1:9093"]}`
fn described(answer: &QuorumAnswer, replica: &ReplicaState) -> String {
    let directory = match replica.replica_directory_id {
        Uuid::ZERO => "null".to_owned(),
        id => format!("\"{}\"", uuid::format(id)),
    };
    let node = answer.nodes.iter().find(|node| node.node_id == replica.replica_id);
    let endpoints: Vec<String> = node
        .iter()
        .flat_map(|node| &node.listeners)
        .map(|listener| {
            let host = if listener.host.contains(':') {
                format!("[{}]", listener.host)
            } else {
                listener.host.to_string()
            };
            format!("\"{}://{host}:{}\"", listener.name, listener.port)
        })
        .collect();
    let endpoints = if endpoints.is_empty() {
        String::new()
    } else {
        format!(", \"endpoints\": [{}]", endpoints.join(", "))
    };
    format!("{{\"id\": {}, \"directoryId\": {directory}{endpoints}}}", replica.replica_id)
}

fn replication(
    answer: &QuorumAnswer,
    leader: &ReplicaState,
    human_readable: bool,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let time = |time: i64| match (time, human_readable) {
        (..0, _) => "-1".to_owned(),
        (time, false) => time.to_string(),
        (time, true) => format!("{} ms ago", now.saturating_sub(time).max(0)),
    };
    let quorum = &answer.quorum;
    let followers = quorum.current_voters.iter().filter(|voter| voter.replica_id != leader.replica_id);
    let all = [(leader, "Leader")]
        .into_iter()
        .chain(followers.map(|voter| (voter, "Follower")))
        .chain(quorum.observers.iter().map(|observer| (observer, "Observer")));
    let head = [
        "NodeId",
        "DirectoryId",
        "LogEndOffset",
        "Lag",
        "LastFetchTimestamp",
        "LastCaughtUpTimestamp",
        "Status",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for (replica, role) in all {
        rows.push(vec![
            replica.replica_id.to_string(),
            uuid::format(replica.replica_directory_id),
            replica.log_end_offset.to_string(),
            (leader.log_end_offset - replica.log_end_offset).to_string(),
            time(replica.last_fetch_timestamp),
            time(replica.last_caught_up_timestamp),
            role.to_owned(),
        ]);
    }
    table(&rows, out)
}

/// Columns as wide as their widest item, with a tab behind each.
fn table(rows: &[Vec<String>], out: &mut dyn Write) -> Result<(), ToolError> {
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for row in rows {
        for (column, item) in row.iter().enumerate() {
            let width = widths.entry(column).or_default();
            *width = (*width).max(item.len());
        }
    }
    for row in rows {
        for (column, item) in row.iter().enumerate() {
            let width = widths.get(&column).copied().unwrap_or_default();
            write!(out, "{item:width$}\t")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
