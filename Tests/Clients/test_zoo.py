"""A zoo of legal schemas: each becomes a server, and every kind of field comes back as it was sent.

Defect 5 of the earlier attempt (enum, `optional`, `oneof` and `reserved` lost, `…Entry` taken for a
map) is caught by every schema here that has one; defect 7 (names that run together) by
`shared_prefix` and `names`.
"""

from __future__ import annotations

import os
import pathlib
import random
import re
import shutil
import sys

import pytest
from google.protobuf import descriptor_pb2

from harness import process
from harness.generated import WELL_KNOWN
from harness.records import random_record

ZOO = pathlib.Path(__file__).parent / "zoo"
ONE_FILE = sorted(path.name for path in ZOO.glob("*.proto"))
FOLDERS = sorted(path.parent.name for path in ZOO.glob("*/schema.proto"))

# The models of the schemas in which a message with a pk is not one, or in which order matters.
MODELS = {
    "nested.proto": ["Tree"],
    "no_package.proto": ["Dog"],
    "own_imports": ["Order"],
    "shared_prefix.proto": ["Dog", "DogTag", "DogTagHolder", "D"],
    "names.proto": ["HTTPServer", "Dog2", "Snake_Case", "lowercase", "Bus"],
    "own_service.proto": ["Job"],
}
FIELD_MASK = "google/protobuf/field_mask.proto"
LIST_FIELDS = {
    "HTTPServer": "http_servers",
    "Dog2": "dog2s",
    "Snake_Case": "snake_cases",
    "lowercase": "lowercases_",
    "Bus": "buss",
    "DogTagHolder": "dog_tag_holders",
    "D": "ds",
}

LINES = """\
// Line ends and marks of other systems.
syntax = "proto3";

// no package here
message Dog {
  string pk = 1; // key
  .Coat coat = 2;
}

message Coat { string colour = 1; }
"""


def two_hundred_models() -> str:
    blocks = ['syntax = "proto3";\npackage zoo.many;\n']
    for n in range(200):
        blocks.append(f"message Model{n} {{\n  string pk = {n % 7 + 1};\n  string text = 90;\n}}\n")
    return "\n".join(blocks)


GENERATED = {
    "crlf": LINES.replace("\n", "\r\n").encode(),
    "byte_order_mark": b"\xef\xbb\xbf" + LINES.encode(),
    "byte_order_mark_crlf": b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode(),
    "no_last_newline": LINES.rstrip("\n").encode(),
    "comment_without_newline": (LINES + "// the end").encode(),
    "200_models": two_hundred_models().encode(),
}


def created(create, name: str):
    """`seandb create` of a schema of the zoo, in place."""
    if name in GENERATED:
        return create({"schema.proto": GENERATED[name]})
    return create(ZOO / name)


@pytest.mark.parametrize("name", [*ONE_FILE, *FOLDERS, *GENERATED])
def test_every_field_kind_comes_back_byte_for_byte(name, create, serve, seed):
    rng = random.Random(seed)
    server = serve(created(create, name))
    database = serve.connect(server)
    assert database.models == MODELS.get(name, database.models) and database.models
    models = database.models if len(database.models) <= 10 else rng.sample(database.models, 10)
    for model_name in models:
        model, message = database.model(model_name), database.message(model_name)
        keys = sorted(
            rng.sample(["a", "b/1", "b/2", "ключ", "🐕", "%", "_", "\0", "z" * 300], 6),
            key=str.encode,
        )
        stored = {key: random_record(message, key, rng) for key in keys}
        for key in keys[:3]:
            model.put(stored[key])
        model.batch_put([stored[key] for key in keys[3:]])

        for key in keys:
            assert model.get(eq=key) == [stored[key]], (model_name, key)
        everything = model.get(begins_with="")
        assert everything == [stored[key] for key in keys]
        # What came back is also what a generated client reads.
        for key, data in zip(keys, everything, strict=True):
            assert message.FromString(data).pk == key

        model.delete(eq=keys[0])
        assert model.get(eq=keys[0]) == []
        assert model.get(begins_with="") == [stored[key] for key in keys[1:]]
        model.delete(begins_with="")
        assert model.get(begins_with="") == []
    server.stop()


@pytest.mark.parametrize("name", [*ONE_FILE, *FOLDERS, *GENERATED])
def test_protoc_and_buf_accept_what_create_wrote(name, create, tmp_path):
    creation = created(create, name)
    files = sorted(str(p.relative_to(creation.out)) for p in creation.out.rglob("*.proto"))
    compiled = process.run(
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I",
        creation.out,
        "-I",
        WELL_KNOWN,
        f"--descriptor_set_out={tmp_path / 'set'}",
        "--include_imports",
        *files,
    )
    assert compiled.returncode == 0, compiled.stderr
    built = process.run(process.tool("buf"), "build", creation.out, env=buf_environment(tmp_path))
    assert built.returncode == 0, built.stdout + built.stderr

    descriptors = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "set").read_bytes())
    file = next(f for f in descriptors.file if f.name == "database.proto")
    messages = {message.name: message for message in file.message_type}
    assert [m.name for m in messages["Empty"].field] == []
    assert list(file.dependency).count(FIELD_MASK) == 1
    for method in (method for method in file.service[-1].method if method.name.startswith("Put")):
        model = method.input_type.rsplit(".", 1)[1]
        field = messages[model + "s"].field[0]
        assert (field.number, field.type_name) == (1, method.input_type)
        if model in LIST_FIELDS:
            assert field.name == LIST_FIELDS[model]


@pytest.mark.skipif(
    not (shutil.which("g++") and pathlib.Path("/usr/include/google/protobuf/message.h").exists()),
    reason="no g++, or no headers of protobuf",
)
def test_cpp_takes_every_generated_name(create, tmp_path):
    """A field that is called like its message would be a constructor."""
    names = ["dog", "_1", "snake_case", "UnknownField", "A", "Clas", "Thi", "Default", "HTTPServer"]
    models = "".join(f"message {name} {{ string pk = 1; }}\n" for name in names)
    creation = create('syntax = "proto3";\npackage p;\n' + models)
    generated = process.run(
        "protoc", f"-I{creation.out}", f"--cpp_out={tmp_path}", "database.proto"
    )
    assert generated.returncode == 0, generated.stderr
    compiled = process.run(
        "g++", "-std=c++17", "-fsyntax-only", f"-I{tmp_path}", tmp_path / "database.pb.cc", timeout=90
    )
    assert compiled.returncode == 0, compiled.stderr[:2000]


def buf_environment(directory) -> dict:
    return {**os.environ, "BUF_CACHE_DIR": str(directory / "buf"), "HOME": str(directory)}


@pytest.mark.parametrize(
    "name",
    ["comments_everywhere.proto", "non_ascii.proto", "reserved.proto", "own_service.proto", "crlf"],
)
def test_the_users_text_is_kept(name, create):
    """Comments, options, reserved ranges and services are in database.proto as they were."""
    source = GENERATED.get(name) or (ZOO / name).read_bytes()
    written = created(create, name).database_proto.read_bytes().replace(b"\r\n", b"\n")
    body = source.replace(b"\r\n", b"\n").split(b";", 1)[1]
    # After the last import or the package, and before all else, as the parsers of some languages want it.
    added = f'import "{FIELD_MASK}";\n'.encode()
    assert written.count(added) == 1 and added not in body
    before, after = written.split(added)
    assert not re.search(rb"^(message|enum|service|extend) ", before, re.M)
    assert not re.search(rb"^(import|package) ", after, re.M)
    written = before + after
    if name == "crlf":  # Without a package a reference by .Coat changes to .database.Coat.
        body = body.replace(b".Coat", b".database.Coat")
        written = written.replace(b"\n\npackage database;\n", b"\n", 1)
        for line in filter(None, map(bytes.strip, body.split(b"\n"))):
            assert line in written
    else:
        assert body.strip() in written


def test_imports_are_written_at_their_import_paths(create):
    out = created(create, "own_imports").out
    for path, source in {
        "common/address.proto": "common/address.proto",
        "common/deep/money.proto": "common/deep/money.proto",
        "shared/owner.proto": "include/shared/owner.proto",
    }.items():
        assert (out / path).read_bytes() == (ZOO / "own_imports" / source).read_bytes()
    assert sorted(p.name for p in out.iterdir()) == ["common", "database.proto", "server", "shared"]


def test_a_schema_inside_an_include_directory_is_named_by_it(create):
    """With `-I .` and imports from the top, as protoc users lay out their trees."""
    creation = create(
        {
            "api/schema.proto": 'syntax = "proto3";\npackage a.b;\nimport "api/part.proto";\n'
            "message Whole { string pk = 1; Part part = 2; }\n",
            "api/part.proto": 'syntax = "proto3";\npackage a.b;\nmessage Part { string x = 1; }\n',
        },
        root="api/schema.proto",
        include=["."],
    )
    assert (creation.out / "api" / "part.proto").is_file()
