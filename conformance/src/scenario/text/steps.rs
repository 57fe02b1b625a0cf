//! Steps as text.

use super::super::{Expectation, Forged, Kind, Post, Role, Step, Who};
use super::words::Words;
use super::{cluster, probe};

/// The words that steps begin with, each with how it goes on.
pub const VERBS: [(&str, &str); 32] = [
    ("append", "append NODE VALUE [refused]"),
    ("ask", "ask NODE REQUEST KEY=VALUE… -> ANSWER"),
    ("beat", "beat NODE"),
    ("bring", "bring KIND NODE -> NODE"),
    ("campaign", "campaign NODE [loses]"),
    ("configure", "configure TOPIC KEY=VALUE [refused NAME]"),
    ("copy", "copy KIND NODE -> NODE"),
    ("crash", "crash NODE"),
    ("create", "create TOPIC on NODE… [min-isr N] [unclean on|off]"),
    ("cut", "cut NODE -> NODE, or cut NODE -- NODE for both ways"),
    ("delete", "delete TOPIC"),
    ("deliver", "deliver KIND NODE -> NODE"),
    ("drop", "drop KIND NODE -> NODE"),
    ("elect", "elect preferred|unclean TOPIC [refused NAME]"),
    ("exchange", "exchange NODE -- NODE"),
    (
        "expect",
        "expect NODE [not] leader|follower|candidate|unattached|observer, NODE follows NODE, NODE epoch N, NODE voted NODE|nobody, \
         NODE log|committed is|has|lacks VALUE…, NODE log epochs N…, logs agree, or no leader; of a cluster: expect TOPIC SIGHT, which are \
         leader NODE, leader not NODE, no leader, led, isr NODE…, isr lacks NODE, elr [NODE…], reads is|has|lacks VALUE…, \
         high-watermark N, log-end N, [at NODE] [for Ns], expect controller [[not] NODE], expect held KIND NODE -> NODE, or \
         expect not held KIND NODE -> NODE [for Ns]",
    ),
    ("expire", "expire NODE"),
    ("forge", "forge LEADER -> FOLLOWER VALUE@EPOCH…, where EPOCH is current, current+N or a number"),
    ("heal", "heal [NODE]"),
    ("hold", "hold KIND NODE -> NODE"),
    ("isolate", "isolate NODE"),
    ("kill", "kill NODE"),
    ("pause", "pause NODE"),
    ("produce", "produce TOPIC [to NODE] [acks 0|1|all] VALUE… [fails|refused [NAME]|anyhow]"),
    ("replicate", "replicate LEADER -> FOLLOWER [until VALUE]"),
    ("resign", "resign NODE"),
    ("restart", "restart NODE, which is kill and start"),
    ("resume", "resume NODE"),
    ("settle", "settle"),
    ("start", "start NODE"),
    ("stop", "stop NODE"),
    ("wipe", "wipe NODE"),
];

/// The steps of a line's part: two for a word that stands for two.
pub(super) fn read(words: &mut Words<'_>, is_of_cluster: bool) -> Result<Vec<Step>, String> {
    let Some(verb) = words.maybe() else {
        return Err("found nothing before or behind a ';', expected a step".to_owned());
    };
    let Some((_, usage)) = VERBS.iter().find(|(known, _)| *known == verb) else {
        let known: Vec<&str> = VERBS.iter().map(|(verb, _)| *verb).collect();
        return Err(format!("found {verb:?}, expected a step: {}", known.join(", ")));
    };
    let usage = |because: String| format!("{because}; write: {usage}");
    let steps = steps_of(verb, words, is_of_cluster).map_err(usage)?;
    match words.maybe() {
        None => Ok(steps),
        Some(more) => Err(usage(format!("found {more:?}, expected the end of the step"))),
    }
}

fn steps_of(verb: &str, words: &mut Words<'_>, is_of_cluster: bool) -> Result<Vec<Step>, String> {
    let one = match verb {
        "kill" => Step::Kill { node: words.who()? },
        "crash" => Step::Crash { node: words.who()? },
        "start" => Step::Start { node: words.who()? },
        "restart" => {
            let node = words.who()?;
            let back = if node == Who::Controller { Who::Former } else { node };
            return Ok(vec![Step::Kill { node }, Step::Start { node: back }]);
        }
        "wipe" => Step::Wipe { node: words.who()? },
        "cut" => {
            let from = words.who()?;
            let both = match words.word("-> or --")? {
                "->" => false,
                "--" => true,
                other => return Err(format!("found {other:?}, expected \"->\" or \"--\"")),
            };
            let to = words.who()?;
            let mut cuts = vec![Step::Cut { from, to }];
            if both {
                cuts.push(Step::Cut { from: to, to: from });
            }
            return Ok(cuts);
        }
        "isolate" => Step::Isolate { node: words.who()? },
        "heal" => Step::Heal { node: words.maybe().map(str::parse).transpose()? },
        "beat" => Step::Beat { node: words.node()? },
        "expire" => Step::Expire { node: words.node()? },
        "campaign" => Step::Campaign { node: words.node()?, loses: words.flag("loses") },
        "deliver" => Step::Deliver(post(words, is_of_cluster)?),
        "bring" => Step::Bring(post(words, is_of_cluster)?),
        "drop" => Step::Drop(post(words, is_of_cluster)?),
        "hold" => Step::Hold(post(words, is_of_cluster)?),
        "copy" => Step::Copy(post(words, is_of_cluster)?),
        "exchange" => {
            let one = words.node()?;
            words.exactly("--")?;
            Step::Exchange { one, other: words.node()? }
        }
        "append" => {
            let (node, value) = (words.node()?, words.word("a value")?.to_owned());
            Step::Append { node, value, refused: words.flag("refused") }
        }
        "replicate" => {
            let (leader, follower) = words.arrow()?;
            let until = words.flag("until").then(|| words.word("a value").map(str::to_owned)).transpose()?;
            Step::Replicate { leader, follower, until }
        }
        "forge" => {
            let (leader, follower) = words.arrow()?;
            let records = words.values(&[]).iter().map(|word| forged(word)).collect::<Result<_, _>>()?;
            Step::Forge { leader, follower, records }
        }
        "resign" => Step::Resign { node: words.node()? },
        "settle" => Step::Settle,
        "stop" => Step::Stop { node: words.who()? },
        "pause" => Step::Pause { node: words.who()? },
        "resume" => Step::Resume { node: words.who()? },
        "create" => Step::Create(cluster::topic(words)?),
        "produce" => Step::Produce(cluster::produce(words)?),
        "elect" => cluster::elect(words)?,
        "configure" => cluster::configure(words)?,
        "delete" => Step::Delete { topic: words.word("the name of a topic")?.to_owned() },
        "ask" => Step::Ask(Box::new(probe::ask(words)?)),
        _ if is_of_cluster => Step::Expect(cluster::expectation(words)?),
        _ => Step::Expect(expectation(words)?),
    };
    Ok(vec![one])
}

/// `VALUE@EPOCH`.
fn forged(word: &str) -> Result<Forged, String> {
    match word.rsplit_once('@') {
        Some((value, epoch)) if !value.is_empty() => {
            Ok(Forged { value: value.to_owned(), epoch: epoch.parse()? })
        }
        _ => Err(format!("found {word:?}, expected a record with its epoch, such as x@current")),
    }
}

/// `KIND NODE -> NODE`.
pub(super) fn post(words: &mut Words<'_>, is_of_cluster: bool) -> Result<Post, String> {
    let word = words.word("the kind of a message")?;
    let kinds = || Kind::ALL.into_iter().filter(|kind| kind.is_of_clusters() == is_of_cluster);
    let kind = kinds().find(|kind| kind.word() == word).ok_or_else(|| {
        let known: Vec<&str> = kinds().map(Kind::word).collect();
        format!("found {word:?}, expected the kind of a message: {}", known.join(", "))
    })?;
    let (from, to) = words.arrow()?;
    Ok(Post { kind, from, to })
}

fn expectation(words: &mut Words<'_>) -> Result<Expectation, String> {
    if words.flag("logs") {
        return words.exactly("agree").map(|()| Expectation::LogsAgree);
    }
    if words.flag("no") {
        return words.exactly("leader").map(|()| Expectation::NoLeader);
    }
    let node = words.node()?;
    let not = words.flag("not");
    let word = words.word("what is expected of it")?;
    if let Some(role) = Role::ALL.into_iter().find(|role| role.word() == word) {
        return Ok(Expectation::Role { node, role, not });
    }
    if not {
        return Err(format!("found not {word}, expected a role behind not"));
    }
    Ok(match word {
        "follows" => Expectation::Follows { node, leader: words.node()? },
        "epoch" => {
            let word = words.word("a number")?;
            let epoch = word.parse().map_err(|_| format!("found epoch {word}, expected a number"))?;
            Expectation::Epoch { node, epoch }
        }
        "voted" if words.flag("nobody") => Expectation::Voted { node, candidate: None },
        "voted" => Expectation::Voted { node, candidate: Some(words.node()?) },
        "log" if words.flag("epochs") => {
            let number = |word: &String| {
                word.parse::<u64>().map_err(|_| format!("found {word:?} among epochs, expected a number"))
            };
            Expectation::LogEpochs {
                node,
                epochs: words.values(&[]).iter().map(number).collect::<Result<_, _>>()?,
            }
        }
        "log" => Expectation::Log { node, content: words.content(&[])? },
        "committed" => Expectation::Committed { node, content: words.content(&[])? },
        other => {
            return Err(format!("found {other:?}, expected a role, follows, epoch, voted, log or committed"));
        }
    })
}
