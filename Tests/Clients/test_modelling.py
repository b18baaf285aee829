"""docs/modelling.md: each schema is one, and each command prints what is shown."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

from harness import process, readme

TEXT = (process.REPOSITORY / "docs" / "modelling.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))


def test_has_nine_patterns():
    assert len(SECTIONS) == 9


@pytest.mark.parametrize("name", SECTIONS)
def test_does_what_it_says(create, serve, name):
    section = SECTIONS[name]
    [schema] = readme.blocks(section, "proto")
    server = serve(create(schema))
    tools = os.path.dirname(sys.executable)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    steps = readme.steps(section)
    assert len(steps) >= 3
    for step in steps:
        command = step.command.replace("localhost:50051", server.address)
        done = process.run("bash", "-c", command, env=environment)
        assert done.stderr == "", (command, done)
        # A page token is of its database.
        output = re.sub(r'("nextPageToken": )"[^"]+"', r'\1"..."', done.stdout)
        shown, lines = "\n".join(step.shown), output.rstrip("\n")
        try:
            assert json.loads(shown) == json.loads(lines), command
        except ValueError:
            assert shown == lines, command
