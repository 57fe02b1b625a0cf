//! What runs across the rows, once they stand: lanes and arrows.

use super::super::words;
use super::rows::Builder;
use super::{Arrow, Point, Rail, hue};

impl Builder<'_> {
    /// The lines of the lanes, broken where their state turns.
    pub(super) fn rails(&mut self, top: i32, bottom: i32) {
        for (lane, column) in self.columns.iter().enumerate() {
            let look = |state: usize| {
                let view = words::scene(self.story, state).lanes.get(lane);
                let leading = view.filter(|view| words::leads(view));
                let leads = leading.map(|view| {
                    let epoch = words::epoch(view).and_then(|epoch| epoch.parse().ok());
                    hue(epoch.unwrap_or(0))
                });
                (view.is_none_or(|view| view.up), leads)
            };
            let mut from = top;
            let mut now = look(0);
            for (state, turns) in self.turns.iter().enumerate().skip(1) {
                let turn = turns[lane];
                let next = look(state);
                if next != now {
                    let rail =
                        Rail { lane, x: column.centre, top: from, bottom: turn, up: now.0, leads: now.1 };
                    self.out.rails.push(rail);
                    (from, now) = (turn, next);
                }
            }
            self.out.rails.push(Rail { lane, x: column.centre, top: from, bottom, up: now.0, leads: now.1 });
        }
    }

    pub(super) fn arrows(&mut self) {
        for ((message, origin), tips) in self.post.messages.iter().zip(&self.origins).zip(&self.tips) {
            let Some(from) = *origin else { continue };
            let name = |lane| words::lane_name(self.story, lane);
            let title = format!("{} → {}: {}", name(message.from), name(message.to), message.text);
            let sent = message.sent.map_or(0, |sent| sent.step);
            for (end, tip) in message.ends.iter().zip(tips) {
                self.out.arrows.push(Arrow {
                    from,
                    to: *tip,
                    fate: Some(end.fate),
                    sent,
                    ended: Some(end.at.step),
                    title: title.clone(),
                });
            }
            if message.ends.is_empty() {
                let outward = if message.to > message.from { 1 } else { -1 };
                let far = i32::try_from(message.to.abs_diff(message.from)).unwrap_or(1).min(2);
                let to = Point { x: from.x + outward * (34 + 16 * far), y: from.y + 12 };
                self.out.arrows.push(Arrow { from, to, fate: None, sent, ended: None, title });
            }
        }
    }
}
