//! Which arrival belongs to which sending.
//!
//! A [`Story`] tells of a message by its ends and its text alone. A later arrival or loss with the same ends and
//! text is the same message; where several are on their way, the oldest that has not ended yet. What
//! arrives although all have ended is a duplicate of the youngest; what was never sent was in flight
//! at the start.

use std::collections::{HashMap, VecDeque};

use super::{Event, Story};

/// One message, from where it left to everywhere it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// From this lane.
    pub from: usize,
    /// To this lane.
    pub to: usize,
    /// What it says.
    pub text: &'a str,
    /// Where it left; `None` where it was in flight at the start.
    pub sent: Option<Moment>,
    /// Where it arrived or was lost, in order. Empty where it never was delivered.
    pub ends: Vec<End>,
}

/// An event of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    /// The step, from 1.
    pub step: usize,
    /// The index of the event in the step.
    pub event: usize,
}

/// One end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Moment,
    /// How.
    pub fate: Fate,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrived.
    Received,
    /// It had arrived before: a duplicate.
    Again,
    /// It was lost.
    Lost,
}

/// The messages of a story, and which event belongs to which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post<'a> {
    /// In the order in which they first appear.
    pub messages: Vec<Message<'a>>,
    by_moment: HashMap<Moment, (usize, Option<usize>)>,
}

impl<'a> Post<'a> {
    /// Pairs what was sent with what arrived.
    pub fn of(story: &'a Story) -> Self {
        let mut post = Self { messages: Vec::new(), by_moment: HashMap::new() };
        let mut routes: HashMap<(usize, usize, &str), Route> = HashMap::new();
        for (index, step) in story.steps.iter().enumerate() {
            for (event, what) in step.events.iter().enumerate() {
                let at = Moment { step: index + 1, event };
                let (from, to, text) = match what {
                    Event::Send { from, to, text }
                    | Event::Receive { from, to, text }
                    | Event::Lose { from, to, text } => (*from, *to, text.as_str()),
                    Event::Note { .. } => continue,
                };
                let route = routes.entry((from, to, text)).or_default();
                let next = post.messages.len();
                let lost = matches!(what, Event::Lose { .. });
                if matches!(what, Event::Send { .. }) {
                    post.messages.push(Message { from, to, text, sent: Some(at), ends: Vec::new() });
                    post.by_moment.insert(at, (next, None));
                    route.under_way.push_back(next);
                    continue;
                }
                let (message, fate) = match (route.under_way.pop_front(), route.arrived) {
                    (Some(message), _) if lost => (message, Fate::Lost),
                    (Some(message), _) => (message, Fate::Received),
                    (None, Some(message)) if lost => {
                        route.arrived = None;
                        (message, Fate::Lost)
                    }
                    (None, Some(message)) => (message, Fate::Again),
                    (None, None) => {
                        post.messages.push(Message { from, to, text, sent: None, ends: Vec::new() });
                        (next, if lost { Fate::Lost } else { Fate::Received })
                    }
                };
                if !lost {
                    route.arrived = Some(message);
                }
                let ends = &mut post.messages[message].ends;
                post.by_moment.insert(at, (message, Some(ends.len())));
                ends.push(End { at, fate });
            }
        }
        post
    }

    /// The message that an event is about, and which of its ends the event is (`None`: it is the sending).
    pub fn at(&self, moment: Moment) -> Option<(&Message<'a>, Option<End>)> {
        let (message, end) = self.by_moment.get(&moment)?;
        let message = &self.messages[*message];
        Some((message, end.map(|end| message.ends[end])))
    }

    /// The index into [`Post::messages`] of the message that an event is about, and the index of the end that it is.
    pub fn index(&self, moment: Moment) -> Option<(usize, Option<usize>)> {
        self.by_moment.get(&moment).copied()
    }

    /// How the message that is sent at `moment` ends with the very next event, where it does.
    pub fn ends_at_once(&self, moment: Moment) -> Option<Fate> {
        let (message, None) = self.at(moment)? else { return None };
        let next = Moment { event: moment.event + 1, ..moment };
        message.ends.first().filter(|end| end.at == next).map(|end| end.fate)
    }

    /// Whether an event ends a message that was sent with the event just before.
    pub fn ended_at_once(&self, moment: Moment) -> bool {
        let before = moment.event.checked_sub(1).map(|event| Moment { event, ..moment });
        before.is_some_and(|before| {
            let sent = |index: usize| self.messages[index].sent == Some(before);
            self.ends_at_once(before).is_some() && self.index(moment).is_some_and(|(index, _)| sent(index))
        })
    }

    /// Whether an event is the arrival of a duplicate.
    pub fn is_again(&self, moment: Moment) -> bool {
        self.at(moment).and_then(|(_, end)| end).is_some_and(|end| end.fate == Fate::Again)
    }
}

/// The messages of one pair of ends and one text.
#[derive(Default)]
struct Route {
    /// Sent, not ended yet, oldest first.
    under_way: VecDeque<usize>,
    /// The one that a duplicate would be of.
    arrived: Option<usize>,
}
