//! The commands of the shell, and the paths that they take.

use std::io::{self, Write};

use globset::{GlobBuilder, GlobMatcher};

use super::tree::{Node, Tree};

/// How a command went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It said why not.
    Failed,
    /// The shell is to end.
    Exit,
}

/// A command: its name, its arguments, and what it does.
pub(super) struct Command {
    pub(super) name: &'static str,
    arguments: &'static str,
    description: &'static str,
}

pub(super) const COMMANDS: [Command; 10] = [
    Command { name: "cat", arguments: "PATH...", description: "Show the contents of metadata files." },
    Command { name: "cd", arguments: "[PATH]", description: "Set the current working directory." },
    Command { name: "exit", arguments: "", description: "Exit the metadata shell." },
    Command {
        name: "find",
        arguments: "[PATH...]",
        description: "Search for nodes in the directory hierarchy.",
    },
    Command { name: "help", arguments: "", description: "Display this help message." },
    Command { name: "history", arguments: "[COUNT]", description: "Print command history." },
    Command { name: "ls", arguments: "[PATH...]", description: "List metadata nodes." },
    Command { name: "man", arguments: "COMMAND", description: "Show the help text for a specific command." },
    Command { name: "pwd", arguments: "", description: "Print the current working directory." },
    Command {
        name: "tree",
        arguments: "PATH...",
        description: "Show the contents of metadata nodes in a tree structure.",
    },
];

/// A path with what it leads to.
struct Match {
    path: Vec<String>,
    node: Node,
}

impl Match {
    fn absolute(&self) -> String {
        format!("/{}", self.path.join("/"))
    }
}

/// A tree with somebody in it.
///
/// - The working directory is one of the tree's.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) tree: Tree,
    directory: Vec<String>,
    history: Vec<String>,
    /// How wide a line may be; one entry a line without.
    pub(super) width: Option<usize>,
}

impl Shell {
    pub(super) fn new(tree: Tree) -> Self {
        Self { tree, directory: Vec::new(), history: Vec::new(), width: None }
    }

    /// Runs a line; nothing of one that is empty.
    pub(super) fn run_line(&mut self, line: &str, out: &mut dyn Write) -> io::Result<Outcome> {
        if line.trim().is_empty() {
            return Ok(Outcome::Done);
        }
        self.history.push(line.trim().to_owned());
        match words(line) {
            Some(words) => self.run(&words, out),
            None => {
                writeln!(out, "found a quote that does not end, expected a second one.")?;
                Ok(Outcome::Failed)
            }
        }
    }

    /// Runs a command given by its words.
    pub(super) fn run(&mut self, words: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
        let Some((name, arguments)) = words.split_first() else { return Ok(Outcome::Done) };
        match name.as_str() {
            "cat" => self.cat(arguments, out),
            "cd" => self.cd(arguments, out),
            "exit" | "quit" => Ok(Outcome::Exit),
            "find" => self.find(arguments, out),
            "help" => help(out),
            "history" => self.history(arguments, out),
            "ls" => self.ls(arguments, out),
            "man" => man(arguments, out),
            "pwd" => writeln!(out, "/{}", self.directory.join("/")).map(|()| Outcome::Done),
            "tree" => self.tree(arguments, out),
            other => {
                let names: Vec<String> =
                    COMMANDS.iter().map(|command| format!("'{}'", command.name)).collect();
                writeln!(out, "invalid choice: '{other}' (choose from {})", names.join(", "))?;
                Ok(Outcome::Failed)
            }
        }
    }

    fn cat(&self, targets: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
        let mut outcome = wants_paths("cat", targets, out)?;
        for target in targets {
            let matches = self.glob(target);
            if matches.is_empty() {
                writeln!(out, "cat: {target}: No such file or directory.")?;
                outcome = Outcome::Failed;
            }
            for found in matches {
                match found.node {
                    Node::File(text) => writeln!(out, "{text}")?,
                    Node::Directory(_) => {
                        writeln!(out, "cat: {target}: Is a directory")?;
                        outcome = Outcome::Failed;
                    }
                }
            }
        }
        Ok(outcome)
    }

    fn cd(&mut self, targets: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
        let target = match targets {
            [] => "/",
            [target] => target,
            _ => {
                writeln!(out, "cd: found {} paths, expected one.", targets.len())?;
                return Ok(Outcome::Failed);
            }
        };
        // Of several that fit, the last, as in Kafka.
        match self.glob(target).pop() {
            Some(Match { path, node: Node::Directory(_) }) => {
                self.directory = path;
                return Ok(Outcome::Done);
            }
            Some(_) => writeln!(out, "cd: {target}: not a directory.")?,
            None => writeln!(out, "cd: {target}: no such directory.")?,
        }
        Ok(Outcome::Failed)
    }

    fn find(&self, targets: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
        let mut outcome = Outcome::Done;
        for target in or_here(targets) {
            let mut matches = self.glob(&target);
            if matches.is_empty() {
                writeln!(out, "find: {target}: no such file or directory.")?;
                outcome = Outcome::Failed;
            } else if matches.len() == 1 {
                self.find_below(&target, &mut matches[0].path, out)?;
            } else {
                for mut found in matches {
                    self.find_below(&found.absolute(), &mut found.path, out)?;
                }
            }
        }
        Ok(outcome)
    }

    fn find_below(&self, shown: &str, path: &mut Vec<String>, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{shown}")?;
        if let Some(Node::Directory(names)) = self.node(path) {
            for name in names {
                let below = format!("{}/{name}", shown.trim_end_matches('/'));
                path.push(name);
                self.find_below(&below, path, out)?;
                path.pop();
            }
        }
        Ok(())
    }

    fn ls(&self, targets: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
        let mut outcome = Outcome::Done;
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for target in or_here(targets) {
            let matches = self.glob(&target);
            if matches.is_empty() {
                writeln!(out, "ls: {target}: no such file or directory.")?;
                outcome = Outcome::Failed;
            }
            for found in matches {
                let name = found.path.last().cloned().unwrap_or_else(|| "/".to_owned());
                match found.node {
                    Node::File(_) => files.push(name),
                    Node::Directory(names) => directories.push((name, names)),
                }
            }
        }
        columns(&files, self.width, out)?;
        let needs_intro = !files.is_empty() || directories.len() > 1;
        let mut is_first = files.is_empty();
        for (name, names) in directories.iter().filter(|(_, names)| !names.is_empty()) {
            if needs_intro {
                let gap = if is_first { "" } else { "\n" };
                writeln!(out, "{gap}{name}:")?;
                is_first = false;
            }
            columns(names, self.width, out)?;
        }
        Ok(outcome)
    }

    fn tree(&self, targets: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
        let mut outcome = wants_paths("tree", targets, out)?;
        for target in targets {
            let matches = self.glob(target);
            if matches.is_empty() {
                writeln!(out, "tree: {target}: No such file or directory.")?;
                outcome = Outcome::Failed;
            }
            for mut found in matches {
                self.tree_below(&mut found.path, 0, out)?;
            }
        }
        Ok(outcome)
    }

    fn tree_below(&self, path: &mut Vec<String>, depth: usize, out: &mut dyn Write) -> io::Result<()> {
        match self.node(path) {
            Some(Node::File(text)) => writeln!(out, "{:1$}{text}", "", depth * 2),
            Some(Node::Directory(names)) => {
                for name in names {
                    writeln!(out, "{:1$}{name}:", "", depth * 2)?;
                    path.push(name);
                    self.tree_below(path, depth + 1, out)?;
                    path.pop();
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn history(&self, arguments: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
        let count = match arguments {
            [] => usize::MAX,
            [count] if count.parse::<usize>().is_ok() => count.parse().unwrap_or_default(),
            _ => {
                writeln!(
                    out,
                    "history: found {:?}, expected how many commands to show.",
                    arguments.join(" ")
                )?;
                return Ok(Outcome::Failed);
            }
        };
        let first = self.history.len().saturating_sub(count);
        for (index, line) in self.history.iter().enumerate().skip(first) {
            writeln!(out, "{index:5}  {line}")?;
        }
        Ok(Outcome::Done)
    }

    fn node(&self, path: &[String]) -> Option<Node> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        self.tree.node(&path)
    }

    /// What a path with wildcards leads to, in the order of names.
    fn glob(&self, target: &str) -> Vec<Match> {
        let path = self.absolute(target);
        let mut found: Vec<Vec<String>> = vec![Vec::new()];
        for part in &path {
            let Some(matcher) = matcher(part) else {
                found.retain_mut(|path| {
                    path.push(part.clone());
                    self.node(path).is_some()
                });
                continue;
            };
            let below = |path: Vec<String>| {
                let names = match self.node(&path) {
                    Some(Node::Directory(names)) => names,
                    _ => Vec::new(),
                };
                let names = names.into_iter().filter(|name| matcher.is_match(name));
                names.map(|name| [path.as_slice(), &[name]].concat()).collect::<Vec<_>>()
            };
            found = found.into_iter().flat_map(below).collect();
        }
        found.into_iter().filter_map(|path| self.node(&path).map(|node| Match { path, node })).collect()
    }

    /// The parts of a path from the root on, without `.` and `..`.
    fn absolute(&self, target: &str) -> Vec<String> {
        let mut path = if target.starts_with('/') { Vec::new() } else { self.directory.clone() };
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(path.pop()),
                part => path.push(part.to_owned()),
            }
        }
        path
    }

    /// What the last word of a line may go on with: commands, or names in the tree. Also from where on it would be replaced.
    pub(super) fn complete(&self, line: &str) -> (usize, Vec<String>) {
        let from = line.rfind(char::is_whitespace).map_or(0, |index| index + 1);
        let word = &line[from..];
        if line[..from].trim().is_empty() {
            let names = COMMANDS.iter().map(|command| command.name).filter(|name| name.starts_with(word));
            return (from, names.map(str::to_owned).collect());
        }
        let (above, begun) = word.rsplit_once('/').map_or(("", word), |(above, begun)| (above, begun));
        let prefix = &word[..word.len() - begun.len()];
        let directory = self.absolute(if prefix == "/" { "/" } else { above });
        let names = match self.node(&directory) {
            Some(Node::Directory(names)) => names,
            _ => Vec::new(),
        };
        let complete = |name: String| {
            let is_directory = matches!(
                self.node(&[directory.as_slice(), std::slice::from_ref(&name)].concat()),
                Some(Node::Directory(_))
            );
            format!("{prefix}{name}{}", if is_directory { "/" } else { "" })
        };
        (from, names.into_iter().filter(|name| name.starts_with(begun)).map(complete).collect())
    }
}

/// What a part of a path with wildcards fits; `None` if there are none in it.
fn matcher(part: &str) -> Option<GlobMatcher> {
    if !part.contains(['*', '?', '{', '[']) {
        return None;
    }
    // What is no pattern is a name.
    let glob = GlobBuilder::new(part).literal_separator(true).backslash_escape(true).build().ok()?;
    Some(glob.compile_matcher())
}

fn or_here(targets: &[String]) -> Vec<String> {
    let named: Vec<String> = targets.iter().filter(|target| !target.is_empty()).cloned().collect();
    if named.is_empty() { vec![".".to_owned()] } else { named }
}

fn wants_paths(command: &str, targets: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
    if !targets.is_empty() {
        return Ok(Outcome::Done);
    }
    writeln!(out, "{command}: found no path, expected one at least.")?;
    Ok(Outcome::Failed)
}

fn help(out: &mut dyn Write) -> io::Result<Outcome> {
    writeln!(out, "Welcome to the Highwater metadata shell.\n")?;
    for command in &COMMANDS {
        writeln!(out, "  {:20} {}", format!("{} {}", command.name, command.arguments), command.description)?;
    }
    writeln!(out, "\nPaths may have the wildcards *, ? and {{a,b}}.")?;
    Ok(Outcome::Done)
}

fn man(arguments: &[String], out: &mut dyn Write) -> io::Result<Outcome> {
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        writeln!(out, "man: unknown command {name}. Type help to get a list of commands.")?;
        return Ok(Outcome::Failed);
    };
    let usage = format!("{} {}", command.name, command.arguments);
    writeln!(out, "{}: {}\n\nusage: {}", command.name, command.description, usage.trim_end())?;
    Ok(Outcome::Done)
}

/// Names in columns, from top to bottom and as many as fit; one a line where the width is not known.
fn columns(names: &[String], width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let length = |name: &String| name.chars().count() + 2;
    let fits = |lines: &usize| {
        let widest = |column: &[String]| column.iter().map(length).max().unwrap_or(0);
        width.is_some_and(|width| names.chunks(*lines).map(widest).sum::<usize>() <= width)
    };
    let lines = (1..=names.len()).find(fits).unwrap_or(names.len());
    let widths: Vec<usize> =
        names.chunks(lines).map(|column| column.iter().map(length).max().unwrap_or(0)).collect();
    for line in 0..lines {
        let mut text = String::new();
        for (column, width) in names.chunks(lines).zip(&widths) {
            if let Some(name) = column.get(line) {
                text += &format!("{name:width$}");
            }
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// The words of a line, blanks between, where quotes keep blanks in; `None` if a quote does not end.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, character) if character.is_whitespace() => words.extend(word.take()),
            (_, character) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
