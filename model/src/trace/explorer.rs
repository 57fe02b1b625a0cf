//! What Stateright's Explorer shows of a step and of a path: our words and our diagram.

use stateright::Path;

use super::layout::Frame;
use super::{Heading, Story, Storyboard, svg, tell, words};
use crate::check::Walk;

/// The two methods of [`stateright::Model`] that the Explorer asks, told as a [`Storyboard`] tells them. Used
/// inside a model's `impl Model`.
#[macro_export]
macro_rules! explorer_views {
    () => {
        fn format_step(&self, before: &Self::State, action: Self::Action) -> Option<String> {
            let after = self.next_state(before, action)?;
            Some($crate::trace::explorer::step(self, before, action, &after))
        }

        fn as_svg(&self, path: stateright::Path<Self::State, Self::Action>) -> Option<String> {
            $crate::trace::explorer::diagram(self, path)
        }
    };
}

/// One step: its events in sentences, then the lanes as they are after it.
pub fn step<M: Storyboard>(model: &M, before: &M::State, action: M::Action, after: &M::State) -> String {
    let story = story(model, &Walk { start: *before, steps: vec![(action, *after)], loop_to: None });
    let mut lines: Vec<String> = Vec::new();
    for step in &story.steps {
        lines.extend(step.events.iter().map(|event| words::sentence(&story, event, false)));
        for (index, lane) in step.scene.lanes.iter().enumerate() {
            let fields = lane.fields.iter().map(|(name, value)| format!("{name}={value}"));
            let parts: Vec<String> = [words::lane_name(&story, index).into_owned(), words::role(lane)]
                .into_iter()
                .chain(fields)
                .chain(words::log_of(lane))
                .filter(|part| !part.is_empty())
                .collect();
            lines.push(parts.join("  "));
        }
    }
    lines.join("\n")
}

/// A path as a space-time diagram; `None` of a path without a state.
pub fn diagram<M: Storyboard>(model: &M, path: Path<M::State, M::Action>) -> Option<String> {
    let visited = path.into_vec();
    let (start, _) = *visited.first()?;
    let action_and_state = |pair: &[(M::State, Option<M::Action>)]| Some((pair[0].1?, pair[1].0));
    let steps = visited.windows(2).filter_map(action_and_state).collect();
    let frame = Frame { standalone: false, ..Frame::default() };
    Some(svg::render(&story(model, &Walk { start, steps, loop_to: None }), &frame))
}

fn story<M: Storyboard>(model: &M, walk: &Walk<M>) -> Story {
    let heading = Heading {
        model: String::new(),
        switched: None,
        claim: String::new(),
        kind: "path".to_owned(),
        clause: String::new(),
        summary: String::new(),
        command: String::new(),
    };
    tell(model, walk, heading, |_| serde_json::Value::Null)
}
