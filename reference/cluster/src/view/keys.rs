//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Choice, CutChoice};
use crate::control::Command;
use crate::state::ClusterState;

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing beyond another choice.
    Nothing,
    /// This order.
    Order(Command),
    /// The end.
    Quit,
}

/// Takes a key.
pub fn press(key: KeyEvent, state: &ClusterState, choice: &mut Choice) -> Action {
    choice.refusal = None;
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') { Action::Quit } else { Action::Nothing };
    }
    let count = state.nodes.len().max(1);
    if let Some(mut cut) = choice.cut {
        return match key.code {
            KeyCode::Enter => {
                choice.cut = None;
                order_cut(state, choice.node, cut)
            }
            KeyCode::Esc => {
                choice.cut = None;
                Action::Nothing
            }
            code => {
                let forwards = !matches!(code, KeyCode::Up);
                cut.other = moved(code, state, cut.other);
                if cut.other == choice.node {
                    cut.other = if forwards { cut.other + 1 } else { cut.other + count - 1 } % count;
                }
                choice.cut = Some(cut);
                Action::Nothing
            }
        };
    }
    let Some(node) = state.nodes.get(choice.node).map(|node| node.id) else { return Action::Nothing };
    match key.code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Char('k') => Action::Order(Command::Kill { node }),
        KeyCode::Char('s') => Action::Order(Command::Stop { node }),
        KeyCode::Char('t') => Action::Order(Command::Start { node }),
        KeyCode::Char('p') => Action::Order(Command::Pause { node }),
        KeyCode::Char('r') => Action::Order(Command::Resume { node }),
        KeyCode::Char('i') => Action::Order(Command::Isolate { node }),
        KeyCode::Char('h') => Action::Order(Command::Heal { between: None }),
        KeyCode::Char(which @ ('c' | 'o')) if count > 1 => {
            choice.cut = Some(CutChoice { other: (choice.node + 1) % count, one_way: which == 'o' });
            Action::Nothing
        }
        code => {
            choice.node = moved(code, state, choice.node);
            Action::Nothing
        }
    }
}

/// The place that a key leads to.
fn moved(code: KeyCode, state: &ClusterState, place: usize) -> usize {
    let count = state.nodes.len().max(1);
    match code {
        KeyCode::Down => (place + 1) % count,
        KeyCode::Up => (place + count - 1) % count,
        KeyCode::Char(digit) => digit
            .to_digit(10)
            .and_then(|id| state.nodes.iter().position(|node| i64::from(node.id) == i64::from(id)))
            .unwrap_or(place),
        _ => place,
    }
}

fn order_cut(state: &ClusterState, node: usize, cut: CutChoice) -> Action {
    let id = |place: usize| state.nodes.get(place).map(|node| node.id);
    match (id(node), id(cut.other)) {
        (Some(node), Some(from)) if cut.one_way => Action::Order(Command::CutFrom { node, from }),
        (Some(node), Some(other)) => Action::Order(Command::Cut { node, other }),
        _ => Action::Nothing,
    }
}
