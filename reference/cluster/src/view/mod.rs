//! The live view: a function of what is known of the cluster and of what the person who looks at it has chosen.

mod keys;
mod live;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

use crate::state::{
    ClusterState, NodeState, PartitionState, ProcessState, QuorumState, ReplicaState, listed,
};
pub use keys::{Action, press};
pub(crate) use live::{Live, Pressed, keys};

/// So many lines of events are shown.
const EVENT_LINES: u16 = 6;

const HELP: &str = "↑↓ 1-9 node · k kill · s stop · t start · p pause · r resume · c cut · o cut one way · i isolate · h heal · q quit";

/// What is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The place of the chosen node among all.
    pub node: usize,
    /// If a link is to be cut: which, so far.
    pub cut: Option<CutChoice>,
    /// What the last key did not do, and why.
    pub refusal: Option<String>,
}

/// A link that is being chosen, of the chosen node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutChoice {
    /// The place of the other node.
    pub other: usize,
    /// What comes from the other only.
    pub one_way: bool,
}

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, state: &ClusterState, choice: &Choice) {
    let nodes = u16::try_from(state.nodes.len()).unwrap_or(u16::MAX).saturating_add(3);
    let areas = Layout::vertical([
        Constraint::Length(nodes),
        Constraint::Min(3),
        Constraint::Length(EVENT_LINES + 2),
        Constraint::Length(1),
    ]);
    let [nodes, partitions, events, help] = areas.areas(frame.area());
    draw_nodes(frame, nodes, state, choice);
    draw_partitions(frame, partitions, state);
    draw_events(frame, events, state);
    frame.render_widget(foot(state, choice), help);
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn colour(process: ProcessState) -> Color {
    match process {
        ProcessState::Running => Color::Green,
        ProcessState::Starting | ProcessState::Stopping => Color::Cyan,
        ProcessState::Paused => Color::Yellow,
        ProcessState::Stopped => Color::DarkGray,
        ProcessState::Killed | ProcessState::Failed => Color::Red,
    }
}

fn quorum_title(quorum: Option<&QuorumState>) -> String {
    match quorum {
        Some(quorum) => format!(
            " quorum: leader {}, epoch {}, HW {} ",
            quorum.leader, quorum.epoch, quorum.high_watermark
        ),
        None => " quorum: no leader answers ".to_owned(),
    }
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, state: &ClusterState, choice: &Choice) {
    let rows = state.nodes.iter().enumerate().map(|(place, node)| {
        let is_target = choice.cut.is_some_and(|cut| cut.other == place);
        let mark = match (place == choice.node, is_target) {
            (true, _) => "▶",
            (_, true) => "✂",
            _ => " ",
        };
        let row = Row::new([
            Cell::from(mark),
            Cell::from(node.id.to_string()),
            Cell::from(Span::styled(node.process.to_string(), Style::new().fg(colour(node.process)))),
            Cell::from(node.roles.clone()),
            Cell::from(node.address.map_or_else(String::new, |address| address.to_string())),
            Cell::from(quorum_role(node, state.quorum.as_ref())),
            Cell::from(node.quorum.map_or_else(String::new, |belief| belief.epoch.to_string())),
            Cell::from(log_end(node.id, state.quorum.as_ref())),
            Cell::from(cuts(node.id, state)),
        ]);
        if place == choice.node { row.style(bold()) } else { row }
    });
    let widths = [
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(8),
        Constraint::Length(17),
        Constraint::Length(15),
        Constraint::Length(10),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Min(10),
    ];
    let heads = ["", "id", "process", "roles", "clients at", "quorum", "epoch", "LEO", "does not hear"];
    let block = Block::bordered()
        .title(format!(" cluster {} ", state.cluster_id))
        .title(Line::from(quorum_title(state.quorum.as_ref())).right_aligned());
    frame.render_widget(Table::new(rows, widths).header(Row::new(heads).style(bold())).block(block), area);
}

/// What a node is in the quorum, as far as it says.
fn quorum_role(node: &NodeState, quorum: Option<&QuorumState>) -> String {
    match node.quorum {
        Some(belief) if belief.leader == Some(node.id) => {
            // One that was deposed and does not know it yet still believes.
            let is_it = quorum.is_some_and(|quorum| quorum.leader == node.id && quorum.epoch == belief.epoch);
            if is_it { "leader".to_owned() } else { "leader?".to_owned() }
        }
        Some(belief) => {
            belief.leader.map_or_else(|| "candidate".to_owned(), |leader| format!("follows {leader}"))
        }
        None => String::new(),
    }
}

fn log_end(id: i32, quorum: Option<&QuorumState>) -> String {
    quorum.and_then(|quorum| quorum.ends.get(&id)).map_or_else(String::new, ToString::to_string)
}

fn cuts(id: i32, state: &ClusterState) -> String {
    let unheard: Vec<String> =
        state.cuts.iter().filter(|(_, to)| *to == id).map(|(from, _)| from.to_string()).collect();
    unheard.join(",")
}

fn draw_partitions(frame: &mut Frame<'_>, area: Rect, state: &ClusterState) {
    let rows = state.partitions.iter().map(|partition| {
        let leader = partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
        let shrunk = partition.isr.len() < partition.replicas.len();
        let isr = if shrunk { Style::new().fg(Color::Yellow) } else { Style::new() };
        let lead = if partition.leader.is_none() { Style::new().fg(Color::Red) } else { Style::new() };
        Row::new([
            Cell::from(format!("{}-{}", partition.topic, partition.partition)),
            Cell::from(Span::styled(leader, lead)),
            Cell::from(partition.leader_epoch.to_string()),
            Cell::from(Span::styled(listed(&partition.isr), isr)),
            Cell::from(replicas(partition)),
        ])
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(6),
        Constraint::Length(5),
        Constraint::Length(9),
        Constraint::Fill(2),
    ];
    let heads = ["partition", "leader", "epoch", "ISR", "replicas, LEO/HW each"];
    // What does not fit is said.
    let room = usize::from(area.height.saturating_sub(3));
    let hidden = state.partitions.len().saturating_sub(room);
    let title = match (hidden, state.more_partitions) {
        (0, false) => " partitions ".to_owned(),
        (hidden, false) => format!(" partitions, {hidden} more below "),
        (_, true) => " partitions, many more below ".to_owned(),
    };
    let block = Block::bordered().title(title);
    frame.render_widget(Table::new(rows, widths).header(Row::new(heads).style(bold())).block(block), area);
}

fn replicas(partition: &PartitionState) -> String {
    let number = |offset: Option<i64>| offset.map_or_else(|| "?".to_owned(), |offset| offset.to_string());
    let one = |replica: &ReplicaState| {
        format!("{}: {}/{}", replica.node, number(replica.log_end), number(replica.high_watermark))
    };
    let all: Vec<String> = partition.replicas.iter().map(one).collect();
    all.join("  ")
}

fn draw_events(frame: &mut Frame<'_>, area: Rect, state: &ClusterState) {
    let lines: Vec<Line<'_>> = state
        .events
        .iter()
        .rev()
        .flat_map(|event| {
            let mut lines: Vec<String> = event.to_string().lines().map(str::to_owned).collect();
            lines.reverse();
            lines
        })
        .take(usize::from(EVENT_LINES))
        .map(Line::from)
        .collect();
    let lines: Vec<Line<'_>> = lines.into_iter().rev().collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" events ")), area);
}

/// The last line: what a key would do, or why the last one did nothing.
fn foot(state: &ClusterState, choice: &Choice) -> Paragraph<'static> {
    let id = |place: usize| state.nodes.get(place).map_or(0, |node| node.id);
    let text = match (&choice.cut, &choice.refusal) {
        (Some(cut), _) => {
            let (node, other) = (id(choice.node), id(cut.other));
            let what = if cut.one_way {
                format!("what goes from {other} to {node}")
            } else {
                format!("the link between {node} and {other}")
            };
            format!("cut {what}?  ↑↓ 1-9 another · Enter cut · Esc leave it")
        }
        (None, Some(refusal)) => refusal.clone(),
        (None, None) => HELP.to_owned(),
    };
    Paragraph::new(text)
}

#[cfg(test)]
mod tests;
