"""What `create` refuses: where it is, what is wrong, what to do; and nothing is written.

Defect 6 of the earlier attempt (a message without a pk is dropped with a warning) and the clashes
of defect 7 are rows of the table.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

import pytest

from conftest import DOG_SCHEMA
from harness import process

DIAGNOSTIC = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<message>.+)$", re.M)
HEAD = 'syntax = "proto3";\npackage p;\n'  # two lines: the first of a case's own is line 3
DOG = "message Dog { string pk = 1; }\n"


@dataclasses.dataclass
class Refusal:
    schema: str
    # (line, column or None where protoc chooses it, pattern of the message)
    diagnostics: list
    files: dict = dataclasses.field(default_factory=dict)
    file: str = "schema.proto"


REFUSALS = {
    "message without pk that nobody uses": Refusal(
        HEAD + DOG + "message Lonely { string name = 1; }\n", [(4, None, r"Lonely.*pk")]
    ),
    "message that only uses itself": Refusal(
        HEAD + DOG + "message Loop { Loop next = 1; }\n", [(4, None, r"Loop.*pk")]
    ),
    "pk of type int64": Refusal(
        HEAD + "message Dog {\n  int64 pk = 1;\n}\n", [(4, 3, r"pk.*string|string.*pk")]
    ),
    "pk of type bytes": Refusal(HEAD + "message Dog { bytes pk = 1; }\n", [(3, 15, r"pk")]),
    "repeated pk": Refusal(HEAD + "message Dog { repeated string pk = 1; }\n", [(3, 15, r"pk")]),
    "pk that is a map": Refusal(
        HEAD + "message Dog { map<string, string> pk = 1; }\n", [(3, 15, r"pk")]
    ),
    "pk that is a message": Refusal(
        HEAD + "message Dog { Key pk = 1; }\nmessage Key { string text = 1; }\n", [(3, 15, r"pk")]
    ),
    "pk inside a oneof": Refusal(
        HEAD + "message Dog {\n  oneof key {\n    string pk = 1;\n    int32 id = 2;\n  }\n}\n",
        [(5, 5, r"pk.*oneof|oneof.*pk")],
    ),
    "plural meets a message": Refusal(
        HEAD + DOG + "message Dogs { string pk = 1; }\n", [(4, None, r"Dogs")]
    ),
    "plural meets an enum": Refusal(HEAD + DOG + "enum Dogs { NONE = 0; }\n", [(4, None, r"Dogs")]),
    "plural meets a message of an import in the same package": Refusal(
        HEAD + 'import "other.proto";\nmessage Dog { string pk = 1; Dogs others = 2; }\n',
        [(None, None, r"Dogs")],
        files={"other.proto": HEAD + "message Dogs { string x = 1; }\n"},
    ),
    "model named IndexQuery": Refusal(
        HEAD + "message IndexQuery { string pk = 1; }\n", [(3, None, r"IndexQuery")]
    ),
    "model named Empty": Refusal(
        HEAD + "message Empty { string pk = 1; }\n", [(3, None, r"Empty")]
    ),
    "model named Database": Refusal(
        HEAD + "message Database { string pk = 1; }\n", [(3, None, r"Database")]
    ),
    "enum named Empty": Refusal(HEAD + DOG + "enum Empty { NONE = 0; }\n", [(4, None, r"Empty")]),
    "enum value named Empty": Refusal(
        HEAD + DOG + "enum State { Empty = 0; }\n", [(4, None, r"Empty")]
    ),
    "models that differ by case": Refusal(
        HEAD + DOG + "message DOG { string pk = 1; }\n", [(4, None, r"DOG.*Dog|Dog.*DOG")]
    ),
    "models that differ by an underscore": Refusal(
        HEAD + "message DogTag { string pk = 1; }\nmessage Dog_Tag { string pk = 1; }\n",
        [(4, None, r"Dog_Tag.*DogTag|DogTag.*Dog_Tag")],
    ),
    "proto2": Refusal(
        'syntax = "proto2";\npackage p;\nmessage Dog { optional string pk = 1; }\n',
        [(1, 1, r"proto3")],
    ),
    "no syntax, so proto2": Refusal(
        "package p;\nmessage Dog { optional string pk = 1; }\n", [(1, None, r"proto3")]
    ),
    "no model at all": Refusal(HEAD + "enum Only { NONE = 0; }\n", [(None, None, r"model|pk")]),
    "an empty file": Refusal('syntax = "proto3";\n', [(None, None, r"model|pk")]),
    "syntax error": Refusal(HEAD + "message Dog { string pk = ; }\n", [(3, 27, r".+")]),
    "two syntax errors": Refusal(
        HEAD + "message Dog {\n  string pk = ;\n}\nmessage Cat {\n  string = 2;\n}\n",
        [(4, 15, r".+"), (7, 10, r".+")],
    ),
    "unknown type": Refusal(
        HEAD + "message Dog { string pk = 1; Tail tail = 2; }\n", [(3, 30, r"Tail")]
    ),
    "number used twice": Refusal(
        HEAD + "message Dog { string pk = 1; string name = 1; }\n", [(3, None, r"1|number")]
    ),
    "missing import": Refusal(
        HEAD + 'import "nowhere.proto";\n' + DOG, [(3, 1, r"nowhere\.proto")]
    ),
    "error in an import": Refusal(
        HEAD + 'import "other.proto";\n' + DOG,
        [(3, None, r".+")],
        files={"other.proto": HEAD + "message { }\n"},
        file="other.proto",
    ),
    "two different errors at once": Refusal(
        HEAD
        + "message Dog {\n  int32 pk = 1;\n}\nmessage Lonely {}\nmessage Cat { string pk = 1; }\n",
        [(4, 3, r"pk"), (6, None, r"Lonely")],
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses(name, tmp_path):
    case = REFUSALS[name]
    source = process.write_files(tmp_path / "in", {"schema.proto": case.schema, **case.files})
    creation = process.create(source / "schema.proto", tmp_path / "out")
    assert creation.completed.returncode == 65, creation.completed
    found = [
        (pathlib.Path(m["file"]).name, int(m["line"]), int(m["column"]), m["message"])
        for m in DIAGNOSTIC.finditer(creation.completed.stderr)
    ]
    for line, column, pattern in case.diagnostics:
        assert any(
            file == case.file
            and line in (None, at_line)
            and column in (None, at_column)
            and re.search(pattern, message)
            for file, at_line, at_column, message in found
        ), f"no {case.file}:{line}:{column}: {pattern} in:\n{creation.completed.stderr}"
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    assert creation.completed.stdout == ""


def test_a_clash_names_both_sides(tmp_path):
    source = process.write_files(
        tmp_path,
        HEAD + "// a\nmessage Dog { string pk = 1; }\n// b\nmessage Dogs { string pk = 1; }\n",
    )
    text = process.create(source / "schema.proto", tmp_path / "out").completed.stderr
    assert re.search(r"\bDog\b", text) and re.search(r"\bDogs\b", text), text
    # The position of one side, and the other side's line in the sentence.
    assert re.search(r":6:\d+: .*\b4\b", text) or re.search(r":4:\d+: .*\b6\b", text), text


def test_a_refusal_leaves_an_existing_out_as_it_was(tmp_path):
    source = process.write_files(tmp_path / "in", DOG_SCHEMA)
    creation = process.create(source / "schema.proto", tmp_path / "out")
    assert creation.completed.returncode == 0
    before = {p.name: p.read_bytes() for p in creation.out.iterdir()}
    process.write_files(tmp_path / "in", DOG_SCHEMA.replace("string pk", "int32 pk"))
    assert process.create(source / "schema.proto", tmp_path / "out").completed.returncode == 65
    assert {p.name: p.read_bytes() for p in creation.out.iterdir()} == before


@pytest.mark.one_engine
def test_a_running_server_can_be_created_over(create, serve, tmp_path):
    """`out/server` is replaced by a rename, so one that runs is neither broken nor in the way."""
    source = process.write_files(tmp_path / "in", DOG_SCHEMA)
    creation = process.create(source / "schema.proto", tmp_path / "out")
    dogs = serve.connect(serve(creation)).model("Dog")
    dogs.put(b"\x0a\x01a")
    again = process.create(source / "schema.proto", tmp_path / "out")
    assert again.completed.returncode == 0, again.completed.stderr
    assert dogs.get(eq="a") == [b"\x0a\x01a"]


def test_a_missing_schema_is_a_clear_error(tmp_path):
    done = process.create(tmp_path / "nothing.proto", tmp_path / "out").completed
    assert done.returncode in (1, 65, 66) and "nothing.proto" in done.stderr
    assert not (tmp_path / "out").exists()


def test_create_does_not_overwrite_the_users_own_file(tmp_path):
    source = process.write_files(tmp_path, {"database.proto": DOG_SCHEMA})
    done = process.create(source / "database.proto", tmp_path).completed
    assert done.returncode != 0 and "database.proto" in done.stderr
    assert (tmp_path / "database.proto").read_text() == DOG_SCHEMA


def test_without_protoc_it_says_what_to_install(tmp_path):
    source = process.write_files(tmp_path, DOG_SCHEMA)
    done = process.create(
        source / "schema.proto", tmp_path / "out", env={"PATH": str(tmp_path)}
    ).completed
    assert done.returncode not in (0, -6, -11) and "protobuf-compiler" in done.stderr
