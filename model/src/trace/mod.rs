//! A counterexample as a story that any renderer can tell without knowing the model.
//!
//! A model that implements [`Storyboard`] turns a [`check::Walk`](crate::check::Walk) into a [`Story`], by
//! [`tell`]; the renderers see only that:
//!
//! | form | for | where |
//! |---|---|---|
//! | transcript | a terminal, a review, a golden file | [`text::render`] |
//! | JSON | other programs; the schema is `specs/story.schema.json` | serde |
//! | space–time diagram | a README | [`svg::render`] |
//! | page to step through | a reader who wants to understand | [`html::render`] |
//!
//! What they share: [`words`] says things in English, [`messages`] pairs what was sent with what arrived, and
//! [`layout`] decides where everything stands in the diagram, so that `svg` only has to draw it.
//!
//! **Promises**, each a clause of `specs/story.md`: no story makes a renderer panic, however odd; hostile text
//! stays text (no markup, no terminal escapes); a rendering needs nothing from outside itself; the same
//! story gives the same bytes; the work is linear in the story.
//!
//! **Not here**: any knowledge of a protocol. A renderer knows lanes, logs and messages, and reads one field by
//! name (`epoch` or `term`, for colour and for `n1@2`), and the role for whether the lane leads ([`words::leads`]).

use serde_json::Value;

use crate::check::{Spec, Walk};

pub mod explorer;
pub mod html;
pub mod layout;
mod measure;
pub mod messages;
mod story;
pub mod svg;
#[cfg(test)]
mod tests;
pub mod text;
pub mod words;

pub use story::{Event, Lane, LaneKind, LaneView, LogView, Mark, RecordView, Scene, Step, Story};

/// What a model owes the renderers.
pub trait Storyboard: Spec {
    /// The lanes of the diagram, in order.
    fn lanes(&self) -> Vec<Lane>;
    /// Each lane as it is in a state, in the order of [`Storyboard::lanes`].
    fn view(&self, state: &Self::State) -> Vec<LaneView>;
    /// What happened in one step, causes first.
    fn narrate(&self, before: &Self::State, action: &Self::Action, after: &Self::State) -> Vec<Event>;
    /// Names of famous states (`Figure 8 (a)`) among the walk's states; index 0 is the start.
    fn landmarks(&self, _walk: &Walk<Self>) -> Vec<(usize, String)> {
        Vec::new()
    }
}

/// What a story is about: all that the walk itself does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The model's name.
    pub model: String,
    /// The flaw or rule that was switched, where one was.
    pub switched: Option<String>,
    /// The claim's name.
    pub claim: String,
    /// `always`, `sometimes`, `leads-to` or `deadlock`.
    pub kind: String,
    /// The clause that demands it.
    pub clause: String,
    /// The claim in a sentence.
    pub summary: String,
    /// The command that shows it again.
    pub command: String,
}

/// The story of a walk; `state` writes a state in the model's readable form, which `--from` takes.
///
/// Two landmarks of one state are joined; one beyond the walk's end is ignored.
pub fn tell<M: Storyboard>(
    model: &M,
    walk: &Walk<M>,
    heading: Heading,
    state: impl Fn(&M::State) -> Value,
) -> Story {
    let mut landmarks: Vec<Option<String>> = vec![None; walk.steps.len() + 1];
    for (index, name) in model.landmarks(walk) {
        match landmarks.get_mut(index) {
            Some(Some(earlier)) => *earlier = format!("{earlier}, {name}"),
            Some(empty) => *empty = Some(name),
            None => {}
        }
    }
    let mut landmarks = landmarks.into_iter();
    let mut scene = |of: &M::State| Scene {
        landmark: landmarks.next().flatten(),
        lanes: model.view(of),
        state: state(of),
    };

    let start = scene(&walk.start);
    let mut before = &walk.start;
    let mut steps = Vec::with_capacity(walk.steps.len());
    for (action, after) in &walk.steps {
        let kind = model.action_kinds().get(model.kind_of(action));
        steps.push(Step {
            action: kind.map_or_else(|| format!("{action:?}"), |name| (*name).to_string()),
            events: model.narrate(before, action, after),
            scene: scene(after),
        });
        before = after;
    }
    let Heading { model: name, switched, claim, kind, clause, summary, command } = heading;
    Story {
        model: name,
        switched,
        claim,
        kind,
        clause,
        summary,
        command,
        lanes: model.lanes(),
        start,
        steps,
        loop_to: walk.loop_to,
    }
}
