//! The view on a terminal.

use std::io;
use std::thread;

use crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::DefaultTerminal;
use tokio::sync::mpsc;

use super::{Choice, draw};
use crate::state::ClusterState;

/// What comes from the terminal.
#[derive(Debug)]
pub(crate) enum Pressed {
    Key(KeyEvent),
    /// The terminal has another size, say: what it shows is to be drawn again.
    Redraw,
}

/// A terminal that is the view's until this is dropped.
pub(crate) struct Live {
    terminal: DefaultTerminal,
    pub(crate) choice: Choice,
}

impl Live {
    /// Takes the terminal. A panic gives it back.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self { terminal: ratatui::try_init()?, choice: Choice::default() })
    }

    pub(crate) fn draw(&mut self, state: &ClusterState) -> io::Result<()> {
        let choice = &self.choice;
        self.terminal.draw(|frame| draw(frame, state, choice)).map(drop)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Reads keys, on a thread of its own, until nobody wants them or there are none any more.
pub(crate) fn keys() -> mpsc::Receiver<Pressed> {
    let (sender, receiver) = mpsc::channel(16);
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let pressed = match event {
                Event::Key(key) if key.kind == KeyEventKind::Press => Pressed::Key(key),
                Event::Resize(..) => Pressed::Redraw,
                _ => continue,
            };
            if sender.blocking_send(pressed).is_err() {
                return;
            }
        }
    });
    receiver
}
