#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hypothesis as a peer: a stateful test whose rules are the calls of a program.

    hypothesis_driver.py PAGEFUZZ TARGET --protocol NAME --variant TEXT --seed N --examples N

PAGEFUZZ says what operations there are; a rule is made of each.  TARGET is pagefuzz-libfuzzer, which
executes every example when it is complete: --programs=input.  Ends at the first example that shows
what PAGEFUZZ_FIND looks for; PAGEFUZZ_TALLY has how many there were.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule
from hypothesis.stateful import run_state_machine_as_test

CPUS = st.integers(0, 2).map("cpu{}".format)
FILE_PAGES = st.builds("file{}:{}".format, st.integers(0, 1), st.integers(0, 3))
MAPPED = st.builds("m{}:{}".format, st.integers(0, 3), st.integers(0, 3))
PAGEMAPS = ["pmem0", "d0", "d1", "dax0", "p2p0", "d0c1", "d1c1"]

# What may stand for an operand, by how `pagefuzz list operations` writes it.
OPERANDS = {
    "mm0": st.sampled_from(["mm0", "mm0", "mm1"]),
    "address": st.one_of(FILE_PAGES, MAPPED),
    "file0:0": FILE_PAGES,
    "file0": st.integers(0, 1).map("file{}".format),
    "m0": st.integers(0, 3).map("m{}".format),
    "p0": st.integers(0, 63).map("p{}".format),
    "d0": st.sampled_from(PAGEMAPS),
    "cpu0": CPUS,
    "BYTE": st.integers(1, 255).map(str),
    "SIZE": st.integers(0, 4).map(str),
    "iova0:0": st.builds("iova{}:{}".format, st.integers(0, 1), st.integers(0, 7)),
    "pages=N": st.integers(1, 4).map("pages={}".format),
    "times=N": st.sampled_from(["times=1", "times=1024"]),
    "entries=N": st.sampled_from(["entries=1", "entries=2", "entries=512"]),
}


class Target:
    """The process that executes programs."""

    def __init__(self, path, variant):
        words = [path, "--programs=input", "--protocol=" + variant]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def shows(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer not in ("found", "clean"):
            print(text, file=sys.stderr)
            print("The target says: " + (answer or "nothing"), file=sys.stderr)
            self.end(1)
        return answer == "found"

    def end(self, status):
        self.process.stdin.close()
        self.process.wait()
        os._exit(status)


def listed(pagefuzz, subject):
    words = [pagefuzz, "list", subject, "--format", "json"]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


def operands(usage):
    """Operands that are needed, and options, of `h1 = gup(mm0, file0:0[, write][, pages=N])`."""
    inside = usage[usage.index("(") + 1 : usage.rindex(")")]
    options = [word.strip(" ,") for word in re.findall(r"\[([^\]]*)\]", inside)]
    needed = [word.strip() for word in re.sub(r"\[[^\]]*\]", "", inside).split(",")]
    needed = [word for word in needed if word]
    # A page of an address space may also be named by its mapping.
    for place in range(1, len(needed)):
        if needed[place] == "file0:0" and needed[place - 1] == "mm0":
            needed[place] = "address"
    return needed, options


def strategy(word):
    if word in OPERANDS:
        return OPERANDS[word]
    if re.fullmatch(r"[a-z_]+", word):
        return st.just(word)
    sys.exit(f"hypothesis_driver: what may stand for '{word}' is not known")


def line(cpu, text, until):
    return f"{cpu}  {text}" + (f" until {until}" if until else "")


def call_rule(operation, handles, stops):
    needed, options = operands(operation["usage"])
    yields = operation["yieldsHandle"]
    # The handle a call gives is no operand of it.
    drawn = {
        f"operand{place}": handles if word == "h1" else strategy(word)
        for place, word in enumerate(needed)
    }
    for place, word in enumerate(options):
        drawn[f"option{place}"] = st.one_of(st.none(), strategy(word))
    drawn["cpu"] = CPUS
    drawn["until"] = st.one_of(st.none(), st.sampled_from(operation["steps"]), stops)

    def perform(self, cpu, until, **words):
        given = [word for name, word in words.items() if word is not None]
        text = f"{operation['name']}({', '.join(given)})"
        if not yields:
            self.lines.append(line(cpu, text, until))
            return None
        handle = f"h{self.handles % self.limits['handles']}"
        self.handles += 1
        self.lines.append(line(cpu, f"{handle} = {text}", until))
        return handle

    perform.__name__ = operation["name"]
    return rule(**({"target": handles} if yields else {}), **drawn)(perform)


def machine(arguments, target):
    domains = next(
        protocol["domains"] for protocol in listed(arguments.pagefuzz, "protocols")
        if protocol["name"] == arguments.protocol)
    procedures = listed(arguments.pagefuzz, "steps")
    stops = st.sampled_from(
        [f"{entry['procedure']}.{step}" for entry in procedures for step in entry["steps"]])
    handles = Bundle("handles")

    class Programs(RuleBasedStateMachine):
        limits = {entry["name"]: entry["value"] for entry in listed(arguments.pagefuzz, "limits")}

        def __init__(self):
            super().__init__()
            self.lines = []
            self.handles = 0
            self.boot = "boot devices=0"

        @initialize(devices=st.integers(0, 4))
        def booted(self, devices):
            self.boot = f"boot devices={devices}"

        @rule(cpu=CPUS, until=st.one_of(st.none(), stops))
        def resume(self, cpu, until):
            self.lines.append(line(cpu, "resume", until))

        def teardown(self):
            head = ["# pagefuzz program 1", f"protocol {arguments.variant}", self.boot]
            if target.shows("\n".join(head + self.lines) + "\n"):
                target.end(0)

    for operation in listed(arguments.pagefuzz, "operations"):
        if set(operation["domains"]) & set(domains):
            setattr(Programs, operation["name"], call_rule(operation, handles, stops))
    return Programs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pagefuzz")
    parser.add_argument("target")
    for name in ["protocol", "variant"]:
        parser.add_argument("--" + name, required=True)
    for name in ["seed", "examples"]:
        parser.add_argument("--" + name, type=int, required=True)
    arguments = parser.parse_args()
    target = Target(arguments.target, arguments.variant)
    signal.signal(signal.SIGTERM, lambda *_: target.end(0))
    programs = machine(arguments, target)
    hypothesis.seed(arguments.seed)(programs)
    settings = hypothesis.settings(
        max_examples=arguments.examples, stateful_step_count=30, database=None, deadline=None,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck))
    run_state_machine_as_test(programs, settings=settings)
    target.end(0)


main()
