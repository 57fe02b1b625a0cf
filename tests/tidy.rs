//! Documents and code say the same: clauses, flaw pages, sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use highwater_model::catalogue;
use highwater_model::family::Card;
use highwater_simulation::kill;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cards() -> Vec<Card> {
    catalogue().iter().map(|entry| entry.card()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below `directory` whose name ends in `suffix`, build output aside.
fn files(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                found.extend(files(&path, suffix));
            }
        } else if name.ends_with(suffix) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether `text` has the form of a clause: `kraft/vote/1`.
fn is_clause(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    parts.len() == 3
        && word(parts[0])
        && word(parts[1])
        && !parts[2].is_empty()
        && parts[2].bytes().all(|byte| byte.is_ascii_digit())
}

/// Clauses as `specs/*.md` define them (in bold, `**kraft/vote/1**`), each with the line that does.
fn defined() -> BTreeMap<String, String> {
    let mut clauses = BTreeMap::new();
    for path in
        fs::read_dir(root().join("specs")).expect("specs/").map(|entry| entry.expect("an entry").path())
    {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for line in read(&path).lines() {
            // Odd pieces between ** stand in bold.
            for bold in line.split("**").skip(1).step_by(2).filter(|bold| is_clause(bold)) {
                let earlier = clauses.insert(bold.to_owned(), line.to_owned());
                assert!(earlier.is_none(), "{}: the clause {bold} is defined twice", path.display());
            }
        }
    }
    clauses
}

/// The cores of the reference that have rules and flaws.
const CORES: [&str; 3] = ["quorum", "partition", "controller"];

/// A flaw of a core. Its list is compiled with the feature `flaws` only, so here it is read as text.
struct CoreFlaw {
    core: &'static str,
    id: String,
    name: String,
    /// What it changes.
    rules: Vec<String>,
}

/// A rule of a core, with the clauses that its comment names.
struct CoreRule {
    name: String,
    clauses: Vec<String>,
}

/// What stands between `before` and the next of `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

fn core_flaws() -> Vec<CoreFlaw> {
    let mut flaws = Vec::new();
    for core in CORES {
        let path = root().join(format!("reference/core/src/{core}/flaws.rs"));
        let source = read(&path);
        let entries: Vec<&str> = source.split("Flaw {").skip(1).collect();
        assert!(!entries.is_empty(), "{}: no flaw is found", path.display());
        assert_eq!(source.matches("id: \"").count(), entries.len(), "{}: an id a flaw", path.display());
        for entry in entries {
            let field = |name: &str| {
                let found = between(entry, &format!("{name}: \""), "\"");
                found.unwrap_or_else(|| panic!("{}: a flaw without {name}", path.display())).to_owned()
            };
            let changes = entry.split(" rules.").skip(1).filter_map(|change| change.split_once(" = "));
            let rules: Vec<String> = changes.map(|(rule, _)| rule.to_owned()).collect();
            assert!(!rules.is_empty(), "{}: {} changes no rule", path.display(), field("id"));
            flaws.push(CoreFlaw { core, id: field("id"), name: field("name"), rules });
        }
    }
    flaws
}

fn core_rules(core: &str) -> Vec<CoreRule> {
    let path = root().join(format!("reference/core/src/{core}/rules.rs"));
    let source = read(&path);
    let body = between(&source, "pub struct Rules {\n", "\n    }\n");
    let body = body.unwrap_or_else(|| panic!("{}: has no `pub struct Rules`", path.display()));
    let mut rules = Vec::new();
    let mut clauses = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            let codes = comment.split('`').skip(1).step_by(2);
            clauses.extend(codes.filter(|code| is_clause(code)).map(str::to_owned));
        } else if let Some((name, _)) = line.split_once(": ") {
            rules.push(CoreRule { name: name.to_owned(), clauses: std::mem::take(&mut clauses) });
        }
    }
    assert!(!rules.is_empty(), "{}: no rule is found", path.display());
    rules
}

#[test]
fn clauses_used_in_models_are_defined_in_specs() {
    let defined = defined();
    for card in cards() {
        let rules = card.rules.iter().map(|rule| (rule.name, rule.clause));
        let claims = card.claims.iter().map(|claim| (claim.name, claim.clause));
        for (name, clause) in rules.chain(claims) {
            assert!(
                defined.contains_key(clause),
                "{}: {name} names the clause {clause}, which no page of specs/ defines; write **{clause}** there",
                card.name
            );
        }
    }
}

#[test]
fn clauses_named_in_code_are_defined_in_specs() {
    let defined = defined();
    let families: BTreeSet<&str> = defined.keys().filter_map(|clause| clause.split('/').next()).collect();
    for path in files(root(), ".rs") {
        for (index, line) in read(&path).lines().enumerate() {
            // Odd pieces between ` stand in code.
            let named = line.split('`').skip(1).step_by(2).filter(|code| is_clause(code));
            for clause in
                named.filter(|clause| families.contains(clause.split('/').next().unwrap_or_default()))
            {
                assert!(
                    defined.contains_key(clause),
                    "{}:{}: names the clause {clause}, which no page of specs/ defines; write **{clause}** there",
                    path.display(),
                    index + 1
                );
            }
        }
    }
}

#[test]
fn clauses_defined_in_specs_are_used_by_a_rule_or_claim() {
    let used: BTreeSet<&str> = cards()
        .iter()
        .flat_map(|card| {
            card.rules
                .iter()
                .map(|rule| rule.clause)
                .chain(card.claims.iter().map(|claim| claim.clause))
                .collect::<Vec<_>>()
        })
        .collect();
    let models: BTreeSet<&str> = catalogue().iter().map(|entry| entry.name()).collect();
    for (clause, line) in defined() {
        let of_a_model = clause.split('/').next().is_some_and(|family| models.contains(family));
        let excused = line.contains("(not modelled)");
        assert!(
            !of_a_model || excused || used.contains(clause.as_str()),
            "specs: {clause} is used by no rule and no claim; use it, drop it, or mark its line (not modelled)"
        );
    }
}

#[test]
fn flaws_have_pages_that_name_rule_claims_steps_and_command() {
    for card in cards() {
        for flaw in &card.flaws {
            let path = root().join("specs/flaws").join(format!("{}.md", flaw.id));
            let page = read(&path);
            let expect = |what: &str| {
                assert!(
                    page.contains(what),
                    "{}: does not say {what:?} (model {})",
                    path.display(),
                    card.name
                );
            };
            expect(flaw.name);
            expect(flaw.rule);
            expect(&format!("highwater check {} --flaw {}", card.name, flaw.id));
            for (claim, steps) in &flaw.breaks {
                expect(claim);
                let said =
                    page.split(|c: char| !c.is_ascii_digit()).any(|number| *number == steps.to_string());
                assert!(
                    said,
                    "{}: {claim} breaks after {steps} steps, a number it does not name",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn flaw_pages_belong_to_a_flaw() {
    let of_models = cards().into_iter().flat_map(|card| card.flaws).map(|flaw| flaw.id.to_owned());
    let ids: BTreeSet<String> = of_models.chain(core_flaws().into_iter().map(|flaw| flaw.id)).collect();
    for path in files(&root().join("specs/flaws"), ".md") {
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(
            id == "README" || ids.contains(&id),
            "{}: no model and no core has the flaw {id}",
            path.display()
        );
    }
}

#[test]
fn flaws_of_cores_have_pages_that_name_rules_clause_and_command() {
    let of_models: BTreeSet<&str> =
        cards().iter().flat_map(|card| card.flaws.iter().map(|flaw| flaw.id).collect::<Vec<_>>()).collect();
    for flaw in core_flaws() {
        let path = root().join("specs/flaws").join(format!("{}.md", flaw.id));
        let page = read(&path);
        let page_of = format!("{} (core {})", path.display(), flaw.core);
        let title = format!("# {} {}", flaw.id, flaw.name);
        assert_eq!(page.lines().next(), Some(&*title), "{page_of}: the title; one id is one bug by one name");
        let says_unmodelled = page.contains("**Models:** no model has this rule");
        assert!(
            says_unmodelled != of_models.contains(&*flaw.id),
            "{page_of}: it says `no model has this rule` if that is so"
        );
        let rules = core_rules(flaw.core);
        let mut clauses = Vec::new();
        for name in &flaw.rules {
            let is_named = |line: &str| line.contains(flaw.core) && line.contains(&format!("`{name}`"));
            assert!(page.lines().any(is_named), "{page_of}: has no line that names `{name}` and its core");
            let rule = rules.iter().find(|rule| rule.name == *name);
            let rule = rule.unwrap_or_else(|| panic!("{page_of}: the core has no rule {name}"));
            clauses.extend(rule.clauses.iter().cloned());
        }
        let names_clause = clauses.iter().any(|clause| page.contains(&format!("`{clause}`")));
        assert!(names_clause, "{page_of}: names none of the clauses of its rules, {clauses:?}");
        let target = kill::TARGETS.iter().find(|target| target.id == flaw.id);
        if let Some(target) = target {
            let (id, profile, seeds) = (target.id, target.profile.name(), target.seeds);
            let command = format!("simulate --flaw {id} --profile {profile} --seeds {seeds}`");
            assert!(page.contains(&command), "{page_of}: does not say {command:?}");
        } else {
            let command = format!("cargo test -p highwater-core --features flaws --test {} ", flaw.core);
            let test = page.split(&command).nth(1).and_then(|rest| rest.split(['`', '\n']).next());
            let test = test.unwrap_or_else(|| panic!("{page_of}: does not say {command:?} and a test"));
            let tests = read(&root().join(format!("reference/core/tests/{}/flaws.rs", flaw.core)));
            assert!(tests.contains(&format!("fn {test}()")), "{page_of}: there is no test {test}");
        }
    }
}

#[test]
fn rules_of_cores_name_their_clause_and_are_broken_by_a_flaw() {
    let flaws = core_flaws();
    let defined = defined();
    for core in CORES {
        for rule in core_rules(core) {
            let name = &rule.name;
            assert!(!rule.clauses.is_empty(), "{core}: the rule {name} names no clause of specs/");
            for clause in &rule.clauses {
                assert!(defined.contains_key(clause), "{core}: {name}: specs/ has no clause {clause}");
            }
            let broken = flaws.iter().any(|flaw| flaw.core == core && flaw.rules.contains(name));
            assert!(broken, "{core}: no flaw of this core breaks the rule {name}");
        }
    }
}

#[test]
fn every_rule_and_every_claim_has_a_flaw_that_breaks_it() {
    for card in cards() {
        for rule in &card.rules {
            let broken = card.flaws.iter().any(|flaw| flaw.rule == rule.name);
            assert!(broken, "{}: no flaw breaks the rule {}", card.name, rule.name);
        }
        for flaw in &card.flaws {
            let known = card.rules.iter().any(|rule| rule.name == flaw.rule);
            assert!(known, "{}: flaw {} breaks the rule {}, which is none", card.name, flaw.id, flaw.rule);
        }
        for claim in card.claims.iter().filter(|claim| claim.kind != "sometimes") {
            let broken =
                card.flaws.iter().any(|flaw| flaw.breaks.iter().any(|(name, _)| *name == claim.name));
            assert!(broken, "{}: no flaw breaks the claim {}", card.name, claim.name);
        }
    }
}

#[test]
fn names_within_a_model_are_unique() {
    for card in cards() {
        let names = |names: Vec<&str>, what: &str| {
            let unique: BTreeSet<&str> = names.iter().copied().collect();
            assert_eq!(unique.len(), names.len(), "{}: two {what} have one name: {names:?}", card.name);
        };
        names(card.rules.iter().map(|rule| rule.name).collect(), "rules");
        names(card.claims.iter().map(|claim| claim.name).collect(), "claims");
        names(card.flaws.iter().map(|flaw| flaw.id).collect(), "flaws");
        names(card.bounds.iter().map(|bound| bound.name).collect(), "bounds");
    }
}

#[test]
fn source_files_are_not_too_long() {
    for path in files(root(), ".rs") {
        let lines = read(&path).lines().count();
        assert!(lines <= 700, "{}: {lines} lines; past 700 a file wants to become a folder", path.display());
    }
}

#[test]
fn words_of_scenarios_are_in_their_page() {
    use highwater_conformance::scenario::{HEAD, Kind, Role, VERBS};
    use highwater_conformance::target::Capability;

    let page = read(&root().join("specs/scenarios.md"));
    let verbs = VERBS.iter().map(|(verb, _)| ("step", *verb));
    let keys = HEAD.iter().map(|key| ("key", *key));
    let kinds = Kind::ALL.iter().map(|kind| ("kind of message", kind.word()));
    let roles = Role::ALL.iter().map(|role| ("role", role.word()));
    let capabilities = Capability::ALL.iter().map(|capability| ("capability", capability.word()));
    for (what, word) in verbs.chain(keys).chain(kinds).chain(roles).chain(capabilities) {
        let named = [format!("`{word}`"), format!("`{word} ")].iter().any(|named| page.contains(named));
        assert!(named, "specs/scenarios.md: does not tell the {what} `{word}`");
    }
}

#[test]
fn scenarios_shown_in_specs_play_on_the_model() {
    use highwater_conformance::suite::{Item, Options, Registry, Silent, run};

    let page = read(&root().join("specs/scenarios.md"));
    let target = Registry::default().open("model", None).expect("the target");
    let mut shown = 0;
    for language in ["scenario", "json"] {
        for text in page.split(&format!("```{language}\n")).skip(1) {
            let text = text.split("```").next().unwrap_or_default().to_owned();
            let scenario = highwater_conformance::scenario::read(&text)
                .unwrap_or_else(|error| panic!("specs/scenarios.md: {error} in\n{text}"));
            let item = Item { id: "example".to_owned(), scenario, text };
            // The model has no brokers.
            let is_of_cluster = item.scenario.is_of_cluster();
            let report = run(&target, &[item], &Options::default(), &Silent).expect("a run");
            let totals = report.totals;
            let as_expected = if is_of_cluster { totals.skip } else { totals.pass };
            assert_eq!(as_expected, 1, "specs/scenarios.md: {:?}", report.cases[0].failure);
            shown += usize::from(!is_of_cluster);
        }
    }
    assert!(shown >= 2, "the page shows scenarios in both forms");
}

#[test]
fn schemas_in_specs_are_fresh() {
    let schemas = [
        ("report", serde_json::to_string_pretty(&schemars::schema_for!(highwater_model::family::Report))),
        ("story", serde_json::to_string_pretty(&schemars::schema_for!(highwater_model::trace::Story))),
        (
            "conformance",
            serde_json::to_string_pretty(&schemars::schema_for!(highwater_conformance::report::Report)),
        ),
        (
            "scenario",
            serde_json::to_string_pretty(&schemars::schema_for!(highwater_conformance::scenario::Scenario)),
        ),
        (
            "adapter",
            serde_json::to_string_pretty(&schemars::schema_for!(
                highwater_conformance::target::exec::protocol::Message
            )),
        ),
        (
            "trace",
            serde_json::to_string_pretty(&schemars::schema_for!(highwater_conformance::admission::Trace)),
        ),
    ];
    for (name, schema) in schemas {
        let path = root().join(format!("specs/{name}.schema.json"));
        let fresh = schema.expect("a schema is JSON");
        assert_eq!(
            read(&path).trim_end(),
            fresh,
            "{}: is stale; write it anew with: highwater schema {name} > specs/{name}.schema.json",
            path.display()
        );
    }
}
