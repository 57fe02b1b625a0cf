"""How many of cargo-mutants' mutants of the quorum's and the partitions' cores die by the conformance suite and the simulation.

    tests/mutants.py [--files PART,…] [--only NUMBER,…] [--every N] [--seeds N] [--jobs N] [--keep]

cargo-mutants says what it would change: an operator, a guard, an arm, the body of a function. It would build and test each change by itself, which
for some 1,200 of them is most of a day. So all are built in at once, in a copy of the tree: the body of each function becomes a `match` over
the number of the mutant that is switched on by an environment variable, with an arm for each of its mutants. What does not compile is taken out, as
cargo-mutants takes it for unviable.

Each mutant is then run twice at most: by `highwater conformance --target reference`, and if that holds by `highwater simulate`. A mutant is dead if one
of them says that something is violated (exit code 1), if the process dies, or if it does not end within its time. What is only inconclusive kills nothing.

Survivors stand in tests/mutants.survivors, each with a judgement; the script says which are new there and which have died since, and exits with 1
then, or if fewer than 90 of 100 die. The whole takes about an hour and a half on two cores, so that it is not part of CI.

It needs cargo, and `cargo-mutants` on the PATH (`cargo install cargo-mutants --locked`).
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "mutants"
TREE = WORK / "tree"
SURVIVORS = ROOT / "tests" / "mutants.survivors"
PACKAGE = "highwater-core"
FILES = ("reference/core/src/quorum/", "reference/core/src/partition/")
VARIABLE = "HIGHWATER_MUTANT"
GOAL = 0.90
ROUNDS = 40

# Read once; 0 is the tree as it is.
SWITCH = f"""
extern crate std;
pub(crate) fn mutant() -> u32 {{
    static MUTANT: std::sync::LazyLock<u32> =
        std::sync::LazyLock::new(|| std::env::var("{VARIABLE}").ok().and_then(|it| it.parse().ok()).unwrap_or(0));
    *MUTANT
}}
"""

Mutant = collections.namedtuple("Mutant", "number name file start end replacement")


def fail(what):
    sys.exit(f"mutants: {what}")


def note(what):
    print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)


def listed(parts):
    """cargo-mutants' list, and the functions that its mutants are in."""
    command = ["cargo", "mutants", "--list", "--json", "--package", PACKAGE]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        fail(f"found that {' '.join(command)} fails, expected a list of mutants: {result.stderr.strip()}")
    mutants, functions = [], collections.defaultdict(set)
    for number, one in enumerate(json.loads(result.stdout), 1):
        if not any(part in one["file"] for part in parts):
            continue
        function = one["function"]
        if not function:
            note(f"left out, since it is in no function: {one['name']}")
            continue
        functions[one["file"]].add((place(function["span"]["start"]), place(function["span"]["end"])))
        start, end = place(one["span"]["start"]), place(one["span"]["end"])
        mutants.append(Mutant(number, one["name"], one["file"], start, end, one["replacement"]))
    return mutants, functions


def place(position):
    return position["line"], position["column"]


class Source:
    """A file, whose places are lines and columns from 1 on."""

    def __init__(self, text):
        self.text = text
        self.lines = [0]
        for line in text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def at(self, place):
        return self.lines[place[0] - 1] + place[1] - 1


def body(text, start, end):
    """Where the body of the function begins and ends, without its braces; nothing if it has none."""
    depth = 0
    for at in range(start, end):
        if text[at] in "([":
            depth += 1
        elif text[at] in ")]":
            depth -= 1
        elif text[at] == "{" and depth == 0:
            return at + 1, text.rindex("}", start, end)
    return None


def outermost(spans):
    """Those spans that are in no other."""
    kept = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


def switched(text, functions, mutants, broken):
    """The file with its mutants built in, the lines of each in it, and those that no body holds."""
    source = Source(text)
    spans = outermost([(source.at(start), source.at(end)) for start, end in functions])
    out, done, lines, left = [], 0, {}, {mutant.number for mutant in mutants}

    def line():
        return sum(piece.count("\n") for piece in out) + 1

    for start, end in spans:
        inside = body(text, start, end)
        its = [one for one in mutants if inside and inside[0] <= source.at(one.start) and source.at(one.end) <= inside[1]]
        left -= {one.number for one in its}
        its = [one for one in its if one.number not in broken]
        if not its:
            continue
        begins, ends = inside
        # A body that reads the environment is not for constants.
        out.append(text[done:start] + re.sub(r"\bconst (fn|unsafe)\b", r"\1", text[start:begins]))
        out.append("match crate::mutant() {\n")
        for one in its:
            first = line()
            mutated = text[begins : source.at(one.start)] + one.replacement + " " + text[source.at(one.end) : ends]
            out.append(f"{one.number} => {{{mutated}\n}}\n")
            lines[one.number] = (first, line())
        out.append(f"_ => {{{text[begins:ends]}\n}}\n}}\n")
        done = ends
    out.append(text[done:])
    return "".join(out), lines, left


def copy():
    shutil.rmtree(TREE, ignore_errors=True)
    skipped = {str(ROOT): {"target", ".git"}}
    shutil.copytree(ROOT, TREE, ignore=lambda folder, _: skipped.get(str(folder), set()), symlinks=True)
    entry = TREE / "reference/core/src/lib.rs"
    entry.write_text(entry.read_text().replace("#![forbid(unsafe_code)]", "") + SWITCH)


def build_in(mutants, functions):
    """Builds all mutants in; gives those that can be."""
    originals = {file: (ROOT / file).read_text() for file in functions}
    by_file = {file: [one for one in mutants if one.file == file] for file in functions}
    broken = set()
    for _ in range(ROUNDS):
        lines = {}
        for file, text in originals.items():
            written, at, left = switched(text, functions[file], by_file[file], broken)
            broken |= left
            (TREE / file).write_text(written)
            lines[file] = at
        wrong = compile_errors()
        if not wrong:
            return [one for one in mutants if one.number not in broken], broken
        found = set()
        for file, line, message in wrong:
            its = {number for number, (first, last) in lines.get(file, {}).items() if first <= line <= last}
            if not its:
                note(f"{file}:{line}: {message}")
            found |= its
        if not found:
            fail("found errors outside of mutants, expected the tree to compile; they stand above")
        note(f"{len(found)} do not compile")
        broken |= found
    fail(f"found mutants that do not compile after {ROUNDS} rounds, expected an end")


def cargo(*words, **options):
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(WORK / "target"),
        "CARGO_INCREMENTAL": "0",
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_DEBUG": "0",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "RUSTFLAGS": "--cap-lints=allow",
    }
    return subprocess.run(["cargo", *words], cwd=TREE, env=environment, text=True, **options)


def compile_errors():
    result = cargo("check", "--quiet", "--package", PACKAGE, "--message-format=json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wrong = []
    for line in result.stdout.splitlines():
        message = json.loads(line).get("message")
        if message and message["level"] == "error":
            for span in message["spans"]:
                wrong.append((span["file_name"], span["line_start"], message["message"]))
    if result.returncode and not wrong:
        fail(f"found that the tree does not compile, expected that: {result.stderr.strip()}")
    return wrong


class Judge:
    def __init__(self, command, seeds):
        self.command, self.seeds = command, seeds
        self.suite = ["conformance", "--target", "reference", "--threads", "1"]
        self.simulation = ["simulate", "--threads", "1", "--seeds", str(seeds), "--write", os.devnull]

    def run(self, number, words, seconds):
        """What comes of the command with a mutant: holds, or how it dies."""
        environment = os.environ | {VARIABLE: str(number)}
        try:
            result = subprocess.run(
                [self.command, *words], env=environment, cwd=WORK, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return "time"
        if result.returncode in (0, 3):
            return "holds"
        if result.returncode == 2:
            fail(f"found that {' '.join(words)} does not begin with mutant {number}: {result.stderr.strip()}")
        return "violated" if result.returncode == 1 else "died"

    def __call__(self, mutant):
        for by, words, seconds in (("suite", self.suite, 120), ("simulation", self.simulation, 600)):
            how = self.run(mutant.number, words, seconds)
            if how != "holds":
                return mutant, by, how
        return mutant, None, "survives"


def judged():
    """The survivors that are known, with the judgement of each."""
    known = {}
    for line in SURVIVORS.read_text().splitlines() if SURVIVORS.exists() else []:
        if line and not line.startswith("#"):
            name, _, judgement = line.partition(" # ")
            known[name] = judgement
    return known


def named(mutant):
    """Its name without line and column, which move: what is replaced where stays."""
    return re.sub(r":\d+:\d+:", ":", mutant.name)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", default=",".join(FILES), help="parts of paths")
    arguments.add_argument("--only", default="", help="numbers of mutants")
    arguments.add_argument("--every", type=int, default=1, help="a sample: each Nth mutant")
    arguments.add_argument("--seeds", type=int, default=10_000, help="of the simulation")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments.add_argument("--keep", action="store_true", help="take what the last run has built")
    arguments = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    built = WORK / "built.json"
    mutants, functions = listed(arguments.files.split(","))
    note(f"{len(mutants)} mutants")
    if arguments.keep and built.exists():
        numbers = set(json.loads(built.read_text()))
        mutants = [one for one in mutants if one.number in numbers]
    else:
        copy()
        mutants, _ = build_in(mutants, functions)
        if cargo("build", "--quiet", "--release", "--bin", "highwater").returncode:
            fail("found that the tree with mutants does not build, expected that: the errors stand above")
        built.write_text(json.dumps([one.number for one in mutants]))
    note(f"{len(mutants)} can be built")
    if arguments.only:
        wanted = {int(number) for number in arguments.only.split(",")}
        mutants = [one for one in mutants if one.number in wanted]
    mutants = mutants[:: arguments.every]
    judge = Judge(WORK / "target/release/highwater", arguments.seeds)
    for words in (judge.suite, judge.simulation):
        if judge.run(0, words, 1_200) != "holds":
            fail(f"found that {' '.join(words)} does not hold without a mutant, expected that")
    verdicts, began = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for verdict in pool.map(judge, mutants):
            verdicts.append(verdict)
            if verdict[2] == "survives":
                note(f"survives: {verdict[0].number} {verdict[0].name}")
            if len(verdicts) % 50 == 0:
                dead = sum(1 for _, by, _ in verdicts if by)
                note(f"{len(verdicts)} run, {dead} dead, {time.monotonic() - began:.0f} s")
    report(verdicts, arguments)


def report(verdicts, arguments):
    rows = collections.defaultdict(collections.Counter)
    for mutant, by, how in verdicts:
        rows[mutant.file.removeprefix("reference/core/src/")][by if how != "time" else "time"] += 1
    print("\n| file | mutants | die by the suite | by the simulation | by their time | survive |\n|---|---|---|---|---|---|")
    total = sum(rows.values(), collections.Counter())
    for file, row in [*sorted(rows.items()), ("all", total)]:
        print(f"| {file} | {sum(row.values())} | {row['suite']} | {row['simulation']} | {row['time']} | {row[None]} |")
    survivors = collections.defaultdict(list)
    for mutant, by, _ in verdicts:
        if not by:
            survivors[named(mutant)].append(mutant)
    known = judged()
    print()
    for name, its in survivors.items():
        numbers = ", ".join(f"{one.number} at line {one.start[0]}" for one in its)
        print(f"{'survives' if name in known else 'NEW      '} {name} # {known.get(name, 'not judged')} ({numbers})")
    whole = not arguments.only and arguments.every == 1 and arguments.files == ",".join(FILES)
    gone = [name for name in known if name not in survivors] if whole else []
    for name in gone:
        print(f"DEAD      {name} # {known[name]}")
    new = [name for name in survivors if name not in known]
    share = 1 - total[None] / max(1, len(verdicts))
    print(f"\n{len(verdicts) - total[None]} of {len(verdicts)} die, {100 * share:.1f} of 100; expected {100 * GOAL:.0f}. {arguments.seeds} seeds.")
    if new or gone or share < GOAL:
        fail(f"found {len(new)} survivors that are not in {SURVIVORS.name} and {len(gone)} there that are dead, expected none of either")


main()
