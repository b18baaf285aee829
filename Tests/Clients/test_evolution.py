"""A schema that changes under data that stays: what is taken over and what is refused.

The verdict of `seandb check` is compared with that of the real `buf breaking` (its WIRE rules); the
key rules are seandb's own.
"""

from __future__ import annotations

import json
import os
import re

import grpc
import pytest

from conftest import DOG_SCHEMA
from harness import process, status
from harness.client import delimited, tag
from harness.process import ServerFailed

VIOLATION = re.compile(r"^\S.*?:\d+:\d+: .+\[([A-Z_]+)\]$", re.M)

ROVER = delimited(1, b"rover") + delimited(2, b"Rover") + tag(3, 0) + b"\x03"

OLD = """\
syntax = "proto3";
package database;

message Dog {
  string pk = 1;
  string name = 2;
  uint32 age = 3;
  Breed breed = 4;
  repeated Tag tags = 5;
  reserved 20 to 29;
}

message Tag {
  string text = 1;
}

enum Breed {
  BREED_NONE = 0;
  BREED_POODLE = 1;
}

message Cat {
  string pk = 1;
}
"""


def schema_file(directory, text, name="schema.proto"):
    return process.write_files(directory, {name: text}) / name


def check(old, new):
    return process.run(process.binary(), "check", old, new)


def rules(text: str) -> set:
    return set(VIOLATION.findall(text))


class TestCompatibleChange:
    """What may change while the data stays."""

    def test_new_fields_and_models_are_taken_over(self, create, serve):
        old = create(OLD)
        server = serve(old)
        dogs = serve.connect(server).model("Dog")
        dogs.put(ROVER)
        server.stop()

        new = create(
            OLD.replace("uint32 age = 3;", "int64 age = 3;\n  bool good = 7;")
            + "message Bird { string pk = 2; string song = 1; }\n"
        )
        server = serve(new)
        database = serve.connect(server)
        assert database.models == ["Dog", "Cat", "Bird"]
        better = ROVER + tag(7, 0) + b"\x01"
        assert database.model("Dog").get(eq="rover") == [ROVER]
        database.model("Dog").put(better)
        bird = delimited(2, b"tit") + delimited(1, b"tsi")
        database.model("Bird").put(bird)
        server.stop()

        # Going back to the release before: what it does not know stays as it is.
        server = serve(old)
        assert "an earlier schema is served" in server.stderr()
        assert "field `good` (7) of message database.Dog" in server.stderr()
        database = serve.connect(server)
        assert database.models == ["Dog", "Cat"]
        assert database.model("Dog").get(eq="rover") == [better]
        # Checked as the newer release will read it.
        with pytest.raises(grpc.RpcError) as raised:
            database.model("Dog").put(ROVER + delimited(7, b"yes"))
        assert status.failure(raised.value).code == grpc.StatusCode.INVALID_ARGUMENT
        assert "`good` (7)" in raised.value.details()
        database.model("Dog").put(delimited(1, b"rex"))
        database.model("Dog").delete(eq="rex")
        server.stop()

        # A change from there that is at odds with the newer one is refused.
        for clash in ("string good = 7;", "bool other = 8;"):
            with pytest.raises(ServerFailed) as refused:
                serve(create(OLD.replace("uint32 age = 3;", "uint32 age = 3;\n  " + clash)))
            assert refused.value.returncode == 1
        database = serve.connect(serve(new))
        assert database.model("Dog").get(begins_with="") == [better]
        assert database.model("Bird").get(begins_with="") == [bird]

    def test_models_keep_their_data_when_the_file_is_reordered(self, create, serve):
        server = serve(create(OLD))
        database = serve.connect(server)
        database.model("Dog").put(ROVER)
        database.model("Cat").put(delimited(1, b"tom"))
        server.stop()
        head, cat = OLD.split("message Cat")
        moved = head.replace(
            "message Dog", "message Cat" + cat + "\nmessage Ant { string pk = 1; }\nmessage Dog"
        )
        database = serve.connect(serve(create(moved)))
        assert database.models == ["Cat", "Ant", "Dog"]
        assert database.model("Dog").get(begins_with="") == [ROVER]
        assert database.model("Cat").get(begins_with="") == [delimited(1, b"tom")]
        assert database.model("Ant").get(begins_with="") == []

    def test_without_a_package_it_stays_the_same_database(self, create, serve):
        bare = DOG_SCHEMA.replace("package database;\n", "")
        server = serve(create(bare))
        serve.connect(server).model("Dog").put(ROVER)
        server.stop()
        for text in (DOG_SCHEMA, bare.replace("uint32 age = 3;", "uint32 age = 3; bool good = 7;")):
            server = serve(create(text))
            assert serve.connect(server).model("Dog").get(begins_with="") == [ROVER]
            server.stop()
            if text == DOG_SCHEMA:
                serve(create(bare)).stop()

    def test_serve_without_a_schema_uses_the_stored_one(self, create, serve, seandb):
        server = serve(create(OLD))
        serve.connect(server).model("Dog").put(ROVER)
        server.stop()
        database = serve.connect(serve(command=[seandb, "serve"], env={"PATH": ""}))
        assert database.models == ["Dog", "Cat"]
        assert database.model("Dog").get(begins_with="") == [ROVER]

    def test_serve_without_a_schema_on_an_empty_directory_says_so(self, serve, seandb):
        with pytest.raises(ServerFailed) as refused:
            serve(command=[seandb, "serve"])
        assert refused.value.returncode == 1
        assert re.search("schema", refused.value.stderr, re.IGNORECASE)


INCOMPATIBLE = (
    OLD.replace("  string name = 2;\n", "")
    .replace("uint32 age = 3;", "string age = 3;")
    .replace("repeated Tag tags = 5;", "repeated string tags = 5; Tag tag = 6;")
    .replace("  BREED_POODLE = 1;\n", "")
    .replace("  reserved 20 to 29;\n", "")
)


class TestIncompatibleChange:
    """What is refused: everything at once, and nothing is changed."""

    def test_all_violations_at_once_and_nothing_changed(self, create, serve, seandb, tmp_path):
        old = create(OLD)
        server = serve(old)
        serve.connect(server).model("Dog").put(ROVER)
        server.stop()

        new = schema_file(tmp_path / "new", INCOMPATIBLE)
        expected = {
            "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",
            "FIELD_WIRE_COMPATIBLE_TYPE",
            "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED",
            "RESERVED_MESSAGE_NO_DELETE",
        }
        for command in ([seandb, "serve", new], [create(INCOMPATIBLE).server]):
            with pytest.raises(ServerFailed) as refused:
                serve(command=command)
            assert refused.value.returncode == 1 and refused.value.stdout == ""
            assert rules(refused.value.stderr) == expected, refused.value.stderr
            assert len(VIOLATION.findall(refused.value.stderr)) >= 5  # two fields changed type
            assert re.search(r"schema\.proto:6:3: .*\bage\b", refused.value.stderr)

        # The old one serves as before, as a file and as stored.
        for command in (None, [seandb, "serve"]):
            server = serve(old if command is None else None, command=command)
            database = serve.connect(server)
            assert [f.name for f in database.message("Dog").DESCRIPTOR.fields][:3] == [
                "pk",
                "name",
                "age",
            ]
            assert database.model("Dog").get(begins_with="") == [ROVER]
            server.stop()

    def test_check_says_the_same_without_a_database(self, create, serve, seandb, tmp_path):
        serve(create(OLD)).stop()
        old = schema_file(tmp_path / "old", OLD)
        new = schema_file(tmp_path / "new", INCOMPATIBLE)
        checked = check(old, new)
        assert checked.returncode == 1
        said = {
            line for line in (checked.stdout + checked.stderr).splitlines() if VIOLATION.match(line)
        }
        with pytest.raises(ServerFailed) as refused:
            serve(command=[seandb, "serve", new])
        started = {line for line in refused.value.stderr.splitlines() if VIOLATION.match(line)}
        assert said == started and len(said) >= 5
        assert check(old, old).returncode == 0
        assert check(new, new).returncode == 0

    def test_check_of_a_bad_schema_is_65(self, tmp_path):
        old = schema_file(tmp_path / "old", OLD)
        new = schema_file(tmp_path / "new", OLD.replace("string pk", "int32 pk"))
        checked = check(old, new)
        assert checked.returncode == 65 and "schema.proto:" in checked.stderr

    @pytest.mark.parametrize("change", ["dropped", "renamed", "lost its pk"])
    def test_a_model_with_records_stays(self, create, serve, change):
        text = DOG_SCHEMA + "message Cat { string pk = 1; }\n"
        new = create(
            {
                "dropped": DOG_SCHEMA,
                "renamed": text.replace("Cat", "Tiger"),
                "lost its pk": DOG_SCHEMA.replace("uint32 age = 3;", "uint32 age = 3; Cat cat = 9;")
                + "message Cat { string name = 2; reserved 1; }\n",
            }[change]
        )
        old = create(text)
        server = serve(old)
        cats = serve.connect(server).model("Cat")
        cats.put(delimited(1, b"tom"))
        server.stop()
        with pytest.raises(ServerFailed) as refused:
            serve(new)
        assert refused.value.returncode == 1
        assert rules(refused.value.stderr) == {"MODEL_NO_DELETE"}, refused.value.stderr
        assert re.search(r"\bCat\b", refused.value.stderr)

        # Without records it may go, and it comes back empty.
        server = serve(old)
        cats = serve.connect(server).model("Cat")
        assert cats.get(begins_with="") == [delimited(1, b"tom")]
        cats.delete(begins_with="")
        server.stop()
        server = serve(new)
        assert "Cat" not in serve.connect(server).models
        server.stop()
        if change == "dropped":
            assert serve.connect(serve(old)).model("Cat").get(begins_with="") == []

    def test_check_of_a_data_directory_looks_at_the_records(self, create, serve, tmp_path):
        text = DOG_SCHEMA + "message Cat { string pk = 1; }\n"
        creation = create(text)
        server = serve(creation)
        old = creation.schema
        dropped = schema_file(tmp_path / "dropped", DOG_SCHEMA)
        broken = schema_file(tmp_path / "broken", text.replace("uint32 age", "string age"))
        earlier = schema_file(tmp_path / "earlier", text.replace("  uint32 age = 3;\n", ""))

        def check_data(new):
            return process.run(process.binary(), "check", "--data", serve.data, new)

        # Two schemas alone cannot tell.
        alone = check(old, dropped)
        assert alone.returncode == 1 and "--data" in alone.stderr, alone.stderr

        def judge():
            assert check_data(old).returncode == 0
            assert "forgotten" in check_data(dropped).stdout
            assert check_data(dropped).returncode == 0
            refused = check_data(broken)
            assert refused.returncode == 1
            assert rules(refused.stderr) == {"FIELD_WIRE_COMPATIBLE_TYPE"}, refused.stderr
            assert "`age` (3)" in check_data(earlier).stdout
            assert check_data(earlier).returncode == 0

        # Beside the running server and without it.
        judge()
        server.stop()
        judge()
        server = serve(creation)
        serve.connect(server).model("Cat").put(delimited(1, b"tom"))
        refused = check_data(dropped)
        assert refused.returncode == 1 and rules(refused.stderr) == {"MODEL_NO_DELETE"}
        server.stop()
        assert check_data(dropped).returncode == 1
        missing = process.run(process.binary(), "check", "--data", tmp_path / "none", old)
        assert missing.returncode == 1 and "error: " in missing.stderr
        wrong = process.run(process.binary(), "check", "--data", serve.data, old, dropped)
        assert wrong.returncode == 64

    def test_the_release_before_a_model_is_served_again(self, create, serve):
        """Unlike a schema from which the model was deleted: the database had this one before."""
        old, new = create(DOG_SCHEMA), create(DOG_SCHEMA + "message Cat { string pk = 1; }\n")
        serve(old).stop()
        server = serve(new)
        serve.connect(server).model("Cat").put(delimited(1, b"tom"))
        server.stop()
        server = serve(old)
        assert serve.connect(server).models == ["Dog"]
        assert "model Cat" in server.stderr()
        server.stop()
        assert serve.connect(serve(new)).model("Cat").get(eq="tom") == [delimited(1, b"tom")]

    def test_the_number_of_the_pk_stays(self, create, serve):
        server = serve(create(DOG_SCHEMA))
        serve.connect(server).model("Dog").put(ROVER)
        server.stop()
        moved = DOG_SCHEMA.replace("string pk = 1;", "string pk = 9; reserved 1;")
        with pytest.raises(ServerFailed) as refused:
            serve(create(moved))
        assert refused.value.returncode == 1
        assert "KEY_SAME_FIELD" in rules(refused.value.stderr), refused.value.stderr

    def test_another_package_is_another_database(self, create, serve):
        serve(create(DOG_SCHEMA)).stop()
        with pytest.raises(ServerFailed) as refused:
            serve(create(DOG_SCHEMA.replace("package database;", "package kennel;")))
        assert refused.value.returncode == 1
        assert "FILE_SAME_PACKAGE" in rules(refused.value.stderr), refused.value.stderr


# Pairs for the comparison with buf: fields of Dog (from number 2 on), and what else is in the file.
def pair(old: str, new: str, types_old: str = "", types_new: str | None = None):
    def text(fields, types):
        dog = f"message Dog {{\n  string pk = 1;\n  {fields}\n}}\n"
        return f'syntax = "proto3";\npackage p;\n{dog}{types}\n'

    return text(old, types_old), text(new, types_old if types_new is None else types_new)


AB = """\
message A { string x = 1; }
message B { string x = 1; }
message Both { string pk = 1; A a = 2; B b = 3; }
"""
E = "enum E { E_ZERO = 0; E_ONE = 1; }\n"
E_F = E + "enum F { F_ZERO = 0; F_ONE = 1; F_TWO = 2; }\n"

PAIRS = {
    "the same": pair("int32 a = 2;", "int32 a = 2;"),
    "field added": pair("int32 a = 2;", "int32 a = 2; string b = 3;"),
    "field renamed": pair("int32 a = 2;", "int32 b = 2;"),
    "field deleted": pair("int32 a = 2;", ""),
    "field deleted, number reserved": pair("int32 a = 2;", "reserved 2;"),
    "field deleted, name reserved": pair("int32 a = 2;", 'reserved "a";'),
    "field deleted, range reserved": pair("int32 a = 2; int32 b = 7;", "reserved 2 to 9;"),
    "field moved to another number": pair("int32 a = 2;", "int32 a = 3;"),
    "int32 to int64": pair("int32 a = 2;", "int64 a = 2;"),
    "int32 to uint64": pair("int32 a = 2;", "uint64 a = 2;"),
    "uint32 to bool": pair("uint32 a = 2;", "bool a = 2;"),
    "int32 to sint32": pair("int32 a = 2;", "sint32 a = 2;"),
    "sint32 to sint64": pair("sint32 a = 2;", "sint64 a = 2;"),
    "sint64 to int64": pair("sint64 a = 2;", "int64 a = 2;"),
    "fixed32 to sfixed32": pair("fixed32 a = 2;", "sfixed32 a = 2;"),
    "fixed64 to sfixed64": pair("fixed64 a = 2;", "sfixed64 a = 2;"),
    "fixed32 to fixed64": pair("fixed32 a = 2;", "fixed64 a = 2;"),
    "fixed32 to float": pair("fixed32 a = 2;", "float a = 2;"),
    "float to double": pair("float a = 2;", "double a = 2;"),
    "string to bytes": pair("string a = 2;", "bytes a = 2;"),
    "bytes to string": pair("bytes a = 2;", "string a = 2;"),
    "string to message": pair("string a = 2;", "A a = 2;", AB),
    "message to bytes": pair("A a = 2;", "bytes a = 2;", AB),
    "message to another message": pair("A a = 2;", "B a = 2;", AB),
    "enum to int32": pair("E e = 2; E f = 3;", "int32 e = 2; E f = 3;", E),
    "int32 to enum": pair("int32 e = 2; E f = 3;", "E e = 2; E f = 3;", E),
    "enum to a larger enum": pair("E e = 2;", "F e = 2;", E_F),
    "enum to a smaller enum": pair("F e = 2;", "E e = 2;", E_F),
    "enum to an enum of the same short name": pair(
        "E e = 2; N n = 3;",
        "N.E e = 2; N n = 3;",
        E + "message N { enum E { E_A = 0; E_B = 1; } E e = 1; }",
    ),
    "enum to a larger one of the same short name": pair(
        "E e = 2; N n = 3;",
        "N.E e = 2; N n = 3;",
        E + "message N { enum E { E_ZERO = 0; E_ONE = 1; E_TWO = 2; } E e = 1; }",
    ),
    "enum value added": pair(
        "E e = 2;", "E e = 2;", E, "enum E { E_ZERO = 0; E_ONE = 1; E_TWO = 2; }"
    ),
    "enum value renamed": pair("E e = 2;", "E e = 2;", E, "enum E { E_ZERO = 0; E_UNO = 1; }"),
    "enum value deleted": pair("E e = 2;", "E e = 2;", E, "enum E { E_ZERO = 0; }"),
    "enum value deleted, number reserved": pair(
        "E e = 2;", "E e = 2;", E, "enum E { E_ZERO = 0; reserved 1; }"
    ),
    "enum value deleted, alias kept": pair(
        "E e = 2;",
        "E e = 2;",
        "enum E { option allow_alias = true; Z = 0; A = 1; B = 1; }",
        "enum E { Z = 0; B = 1; }",
    ),
    "enum deleted": pair("E e = 2;", "reserved 2;", E, ""),
    "singular to repeated": pair("int32 a = 2;", "repeated int32 a = 2;"),
    "repeated to singular": pair("repeated string a = 2;", "string a = 2;"),
    "singular to optional": pair("int32 a = 2;", "optional int32 a = 2;"),
    "optional to singular": pair("optional int32 a = 2;", "int32 a = 2;"),
    "map to repeated entries": pair(
        "map<string, string> a = 2;",
        "repeated X a = 2;",
        "message X { string key = 1; string value = 2; }\nmessage U { string pk = 1; X x = 2; }",
    ),
    "map value changed": pair("map<string, int32> a = 2;", "map<string, string> a = 2;"),
    "map value widened": pair("map<string, int32> a = 2;", "map<string, int64> a = 2;"),
    "map key changed": pair("map<int32, string> a = 2;", "map<string, string> a = 2;"),
    "map to singular": pair("map<string, string> a = 2;", "string a = 2;"),
    "into a oneof": pair("int32 a = 2;", "oneof o { int32 a = 2; }"),
    "out of a oneof": pair(
        "oneof o { int32 a = 2; int32 b = 3; }", "int32 a = 2; oneof o { int32 b = 3; }"
    ),
    "into another oneof": pair(
        "oneof o { int32 a = 2; int32 b = 3; } oneof p { int32 c = 4; }",
        "oneof o { int32 b = 3; } oneof p { int32 c = 4; int32 a = 2; }",
    ),
    "oneof renamed": pair("oneof o { int32 a = 2; }", "oneof q { int32 a = 2; }"),
    "member added to a oneof": pair(
        "oneof o { int32 a = 2; }", "oneof o { int32 a = 2; int32 b = 3; }"
    ),
    "optional into a oneof": pair("optional int32 a = 2;", "oneof o { int32 a = 2; }"),
    "reserved number given up": pair("reserved 5;", ""),
    "reserved range narrowed": pair("reserved 5 to 9;", "reserved 5 to 8;"),
    "reserved range widened": pair("reserved 5 to 9;", "reserved 4 to 10;"),
    "reserved range split": pair("reserved 5 to 9;", "reserved 5, 6 to 9;"),
    "reserved name given up": pair('reserved "old";', ""),
    "reserved enum number given up": pair(
        "E e = 2;", "E e = 2;", "enum E { Z = 0; reserved 4; }", "enum E { Z = 0; }"
    ),
    "nested message changed": pair(
        "N n = 2;",
        "N n = 2;",
        "message N { M m = 1; message M { int32 a = 1; } }",
        "message N { M m = 1; message M { string a = 1; } }",
    ),
    "nested message moved out": pair(
        "N n = 2; N.M m = 3;",
        "N n = 2; M m = 3;",
        "message N { string x = 1; message M { int32 a = 1; } }",
        "message N { string x = 1; message M { int32 a = 1; } }\nmessage M { int32 a = 1; }",
    ),
    "embedded message deleted": pair("A a = 2;", "reserved 2;", "message A { string x = 1; }", ""),
    "embedded message's field deleted": pair(
        "A a = 2;",
        "A a = 2;",
        "message A { string x = 1; string y = 2; }",
        "message A { string x = 1; }",
    ),
    "json_name changed": pair("int32 a = 2;", 'int32 a = 2 [json_name = "z"];'),
    "packed changed": pair("repeated int32 a = 2;", "repeated int32 a = 2 [packed = false];"),
    "deprecated": pair("int32 a = 2;", "int32 a = 2 [deprecated = true];"),
    "package changed": (
        pair("int32 a = 2;", "")[0],
        pair("int32 a = 2;", "")[0].replace("package p;", "package q;"),
    ),
}
BUF_CONFIG = json.dumps({"version": "v2", "breaking": {"use": ["WIRE"]}})
KEY_RULES = {"KEY_SAME_FIELD", "MODEL_NO_DELETE"}


@pytest.mark.parametrize("name", PAIRS)
def test_check_agrees_with_buf(name, tmp_path):
    """`seandb check` finds a violation exactly where `buf breaking` does, by the same rules."""
    old, new = PAIRS[name]
    old_file, new_file = schema_file(tmp_path / "old", old), schema_file(tmp_path / "new", new)
    environment = {**os.environ, "BUF_CACHE_DIR": str(tmp_path / "buf"), "HOME": str(tmp_path)}
    buf = process.run(
        process.tool("buf"),
        "breaking",
        tmp_path / "new",
        "--against",
        tmp_path / "old",
        "--config",
        BUF_CONFIG,
        "--against-config",
        BUF_CONFIG,
        "--error-format",
        "json",
        env=environment,
    )
    assert buf.returncode in (0, 100), buf.stderr
    theirs = {json.loads(line)["type"] for line in buf.stdout.splitlines()}
    checked = check(old_file, new_file)
    text = checked.stdout + checked.stderr
    ours = rules(text) - KEY_RULES
    assert checked.returncode == (1 if rules(text) else 0), text
    assert ours == theirs, f"seandb:\n{text}\nbuf:\n{buf.stdout}"
    assert bool(theirs) == (buf.returncode == 100)


@pytest.mark.one_engine
def test_warns_of_what_survives_and_may_mean_something_else(create, serve, tmp_path):
    new = schema_file(
        tmp_path / "new", DOG_SCHEMA.replace("uint32 age", "bool age").replace("breed", "race")
    )
    old = create(DOG_SCHEMA)
    checked = check(old.schema, new)
    assert checked.returncode == 0, checked.stderr
    warnings = re.findall(r"^(.*schema\.proto:\d+:\d+: )warning: (.*)$", checked.stderr, re.M)
    assert [place[len(str(new)) :] for place, _ in warnings] == [":7:3: ", ":8:10: "], warnings
    assert "every value but 0 is read as true" in warnings[0][1]
    serve(old).stop()
    server = serve(create(new))
    assert warnings[0][1] in server.stderr() and warnings[1][1] in server.stderr()


def test_a_compatible_change_does_not_disturb_old_clients(create, serve):
    """A client of the old descriptors reads and writes beside one of the new."""
    old = create(OLD)
    server = serve(old)
    old_message = serve.connect(server).message("Dog")
    server.stop()
    server = serve(create(OLD.replace("uint32 age = 3;", "uint32 age = 3; string owner = 8;")))
    dogs = serve.connect(server).model("Dog")
    dogs.put(ROVER + delimited(8, b"ada"))
    read = old_message.FromString(dogs.get(eq="rover")[0])
    assert read.name == "Rover"
    # What it does not know goes back with what it does.
    read.age = 4
    dogs.put(read.SerializeToString())
    new_message = dogs.database.message("Dog")
    assert new_message.FromString(dogs.get(eq="rover")[0]).owner == "ada"
    with pytest.raises(grpc.RpcError):
        dogs.put(delimited(1, b"k") + tag(8, 0) + b"\x01")
