//! What a user asks of a model, and how a request becomes a model, bounds and rules, or a refusal.

use super::{Bound, Control, Family, Flaw, Grain, Rule, Scale};

/// What to run of one model.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The bounds to start from.
    pub scale: RunScale,
    /// Bounds that were given by name.
    pub bounds: Vec<(String, i64)>,
    /// The grain's name; the model's own, fine grain if none.
    pub grain: Option<String>,
    /// What is switched.
    pub switch: Switch,
    /// Start from this state (JSON, the model's readable form) instead of its initial ones.
    pub from: Option<String>,
    /// The claim whose counterexample or witness is wanted.
    pub claim: Option<String>,
    /// Which searches.
    pub searches: Searches,
}

/// The sizes that a user can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunScale {
    /// Small, for tests.
    Test,
    /// Without arguments.
    #[default]
    Default,
    /// `--deep`.
    Deep,
}

/// Which searches a request runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Searches {
    /// Safety, then liveness where the model claims any.
    #[default]
    Both,
    /// Safety alone.
    Safety,
    /// Liveness alone.
    Liveness,
}

/// What is switched in a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Switch {
    /// The correct protocol.
    #[default]
    Nothing,
    /// A flaw by id.
    Flaw(String),
    /// Rules by name, each off.
    Without(Vec<String>),
    /// A control by name.
    Control(String),
}

/// A request that makes no sense: what was found, what was expected, the nearest choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A request resolved against a family.
pub(super) struct Resolved<F: Family> {
    pub(super) flaw: Option<&'static Flaw<F::Bounds, F::Rules>>,
    pub(super) switched: Option<String>,
    pub(super) rules: F::Rules,
    pub(super) grain: &'static str,
    /// Bounds of the safety search.
    pub(super) safety: F::Bounds,
    /// Bounds of the liveness search.
    pub(super) liveness: F::Bounds,
}

/// The name of the grain that has no name of its own.
pub(super) const FINE: &str = "fine";

pub(super) fn resolve<F: Family>(request: &Request) -> Result<Resolved<F>, Usage> {
    let mut rules = F::Rules::default();
    let (mut flaw, mut control, mut switched) = (None, None, None);
    match &request.switch {
        Switch::Nothing => {}
        Switch::Flaw(id) => {
            let found = find_flaw::<F>(id)?;
            (found.change)(&mut rules);
            switched = Some(format!("flaw {} {}", found.id, found.name));
            flaw = Some(found);
        }
        Switch::Without(names) => {
            let mut off: Vec<&str> = Vec::new();
            for name in names {
                let rule = find_rule::<F>(name)?;
                if off.contains(&rule.name) {
                    return Err(Usage(format!("--without {name} stands twice; once is enough")));
                }
                (rule.off)(&mut rules);
                off.push(rule.name);
            }
            switched = Some(format!("without {}", off.join(", ")));
        }
        Switch::Control(name) => {
            let found = find_control::<F>(name)?;
            (found.change)(&mut rules);
            switched = Some(format!("control {}", found.name));
            control = Some(found);
        }
    }
    let grain_name = request.grain.as_deref().or(flaw.and_then(|flaw| flaw.grain));
    let grain = grain_name.map(find_grain::<F>).transpose()?.flatten();
    let base = match (request.scale, &request.switch) {
        (RunScale::Test, _) => Scale::Test,
        (RunScale::Deep, _) => Scale::Deep,
        (RunScale::Default, Switch::Flaw(_) | Switch::Control(_)) => Scale::Flaw,
        (RunScale::Default, _) => Scale::Default,
    };
    let at = |scale: Scale| {
        let mut bounds = match grain {
            Some(grain) if matches!(scale, Scale::Default | Scale::Deep) => (grain.bounds)(),
            _ => F::bounds_at(scale),
        };
        if let Some(grain) = grain {
            (grain.apply)(&mut bounds);
        }
        if let Some(flaw) = flaw {
            (flaw.bounds)(&mut bounds);
        }
        if let Some(control) = control {
            (control.bounds)(&mut bounds);
        }
        bounds
    };
    let (mut safety, mut liveness) = (at(base), at(Scale::Liveness));
    // Bounds by name belong to the search that was asked for; to safety if both were.
    let named = if request.searches == Searches::Liveness { &mut liveness } else { &mut safety };
    apply_bounds::<F>(named, &request.bounds)?;
    F::admit(named, &rules).map_err(Usage)?;
    Ok(Resolved { flaw, switched, rules, grain: grain.map_or(FINE, |grain| grain.name), safety, liveness })
}

fn apply_bounds<F: Family>(bounds: &mut F::Bounds, named: &[(String, i64)]) -> Result<(), Usage> {
    for (name, value) in named {
        let table = F::bound_table();
        let Some(bound) = table.iter().find(|bound| bound.name == name) else {
            let known = table.iter().map(|bound| bound.name);
            return Err(Usage(format!(
                "{} has no bound --{name}; it has {}",
                F::NAME,
                known.map(|name| format!("--{name}")).collect::<Vec<_>>().join(" ")
            )));
        };
        (bound.set)(bounds, admit_value::<F>(bound, *value)?);
    }
    Ok(())
}

fn admit_value<F: Family>(bound: &Bound<F::Bounds>, value: i64) -> Result<u8, Usage> {
    let nearest = value.clamp(i64::from(bound.min), i64::from(bound.max));
    if nearest == value {
        return Ok(u8::try_from(value).expect("between two values of a byte"));
    }
    Err(Usage(format!(
        "--{} {value}: {} takes {} to {} ({}); the nearest is --{0} {nearest}",
        bound.name,
        F::NAME,
        bound.min,
        bound.max,
        bound.summary,
    )))
}

fn find_flaw<F: Family>(id: &str) -> Result<&'static Flaw<F::Bounds, F::Rules>, Usage> {
    let flaws = F::flaws();
    flaws.iter().find(|flaw| flaw.id.eq_ignore_ascii_case(id) || flaw.name == id).ok_or_else(|| {
        let owners = super::catalogue::models_with_flaw(id);
        if !owners.is_empty() {
            let elsewhere = owners.join(" or ");
            return Usage(format!("--flaw {id}: {} has no such flaw, it belongs to {elsewhere}", F::NAME));
        }
        let ids = flaws.iter().map(|flaw| flaw.id).collect::<Vec<_>>();
        Usage(unknown(&format!("--flaw {id}: {} has no such flaw", F::NAME), id, &ids))
    })
}

fn find_rule<F: Family>(name: &str) -> Result<&'static Rule<F::Rules>, Usage> {
    let rules = F::rules();
    rules.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let names = rules.iter().map(|rule| rule.name).collect::<Vec<_>>();
        Usage(unknown(&format!("--without {name}: {} has no such rule", F::NAME), name, &names))
    })
}

fn find_control<F: Family>(name: &str) -> Result<&'static Control<F::Bounds, F::Rules>, Usage> {
    let controls = F::controls();
    controls.iter().find(|control| control.name == name).ok_or_else(|| {
        let names = controls.iter().map(|control| control.name).collect::<Vec<_>>();
        Usage(unknown(&format!("{} has no control {name}", F::NAME), name, &names))
    })
}

fn find_grain<F: Family>(name: &str) -> Result<Option<&'static Grain<F::Bounds>>, Usage> {
    if name == FINE {
        return Ok(None);
    }
    let grains = F::grains();
    grains.iter().find(|grain| grain.name == name).map(Some).ok_or_else(|| {
        let names: Vec<_> = std::iter::once(FINE).chain(grains.iter().map(|grain| grain.name)).collect();
        Usage(unknown(&format!("--grain {name}: {} has no such grain", F::NAME), name, &names))
    })
}

/// `complaint`, the nearest of `known` to `found`, and all of them.
pub(super) fn unknown(complaint: &str, found: &str, known: &[&str]) -> String {
    let closeness =
        |name: &&&str| (strsim::jaro_winkler(&found.to_lowercase(), &name.to_lowercase()) * 1e6) as u64;
    match known.iter().max_by_key(closeness) {
        Some(nearest) => format!("{complaint}; the nearest is {nearest} (all: {})", known.join(" ")),
        None => format!("{complaint}; there are none"),
    }
}
