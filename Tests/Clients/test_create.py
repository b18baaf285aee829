"""What `create` writes and where: names, what it leaves alone, and that it is all or nothing."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from conftest import DOG_SCHEMA
from harness import process
from harness.client import delimited

PACKAGELESS = 'syntax = "proto3";\nmessage %s { string pk = 1; }\n'


def create(folder, schema, *flags, out=None):
    source = process.write_files(folder, schema)
    return process.run(
        process.binary(), "create", source / "schema.proto", "--out", out or folder / "out", *flags
    )


def contents(folder):
    """All files below a folder, and all folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.one_engine
class TestName:
    @pytest.fixture
    def two(self, tmp_path):
        """A clinic and a shop, made from schemas without a package, in folders of their own."""
        for name, model in (("clinic", "Pet"), ("pet_shop", "Toy")):
            done = create(tmp_path / name, PACKAGELESS % model, "--name", name)
            assert done.returncode == 0, done
            assert f"{name}.proto in " in done.stdout, done
            assert sorted(os.listdir(tmp_path / name / "out")) == [f"{name}.proto", "server"]
        return tmp_path

    def test_one_python_process_uses_two_databases(self, two, serve):
        generated = two / "generated"
        generated.mkdir()
        for name in ("clinic", "pet_shop"):
            done = process.run(
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                f"--proto_path={two / name / 'out'}",
                f"--python_out={generated}",
                f"--grpc_python_out={generated}",
                f"{name}.proto",
            )
            assert done.returncode == 0, done
        client = generated / "client.py"
        client.write_text(
            """\
import sys

import grpc

import clinic_pb2
import clinic_pb2_grpc
import pet_shop_pb2
import pet_shop_pb2_grpc

clinic = clinic_pb2_grpc.ClinicStub(grpc.insecure_channel(sys.argv[1]))
shop = pet_shop_pb2_grpc.PetShopStub(grpc.insecure_channel(sys.argv[2]))
clinic.PutPet(clinic_pb2.Pet(pk="rover"))
shop.PutToy(pet_shop_pb2.Toy(pk="ball"))
print(clinic.GetPetsByPk(clinic_pb2.IndexQuery(begins_with="")).pets[0].pk)
print(shop.GetToysByPk(pet_shop_pb2.IndexQuery(begins_with="")).toys[0].pk)
"""
        )
        addresses = [
            serve(command=[two / name / "out" / "server"], data=two / name / "data").address
            for name in ("clinic", "pet_shop")
        ]
        done = process.run(sys.executable, "-B", client, *addresses)
        assert (done.returncode, done.stdout) == (0, "rover\nball\n"), done

    def test_one_cpp_program_uses_two_databases(self, two):
        if not shutil.which("g++") or not shutil.which("protoc"):
            pytest.skip("needs g++ and protoc")
        for name in ("clinic", "pet_shop"):
            folder = two / name / "out"
            done = process.run(
                "protoc", f"--proto_path={folder}", f"--cpp_out={two}", f"{name}.proto"
            )
            assert done.returncode == 0, done
        (two / "client.cc").write_text(
            """\
#include "clinic.pb.h"
#include "pet_shop.pb.h"

int main() {
  clinic::Pets pets;
  pets.add_pets()->set_pk("rover");
  clinic::IndexQuery all;
  pet_shop::IndexQuery one;
  all.set_begins_with("");
  one.set_eq("ball");
  return pets.pets(0).pk() == "rover" && one.eq() == "ball" ? 0 : 1;
}
"""
        )
        program = two / "client"
        done = process.run(
            "g++", "-O0", "-std=c++17", "-I", two, two / "client.cc", two / "clinic.pb.cc",
            two / "pet_shop.pb.cc", "-o", program, "-lprotobuf", "-lpthread", timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done
        assert process.run(program).returncode == 0

    def test_serve_takes_the_name_as_well_and_keeps_it(self, serve, tmp_path):
        source = process.write_files(tmp_path, PACKAGELESS % "Pet") / "schema.proto"
        server = serve(command=[process.binary(), "serve", source, "--name", "clinic"])
        database = serve.connect(server)
        assert database.service.full_name == "clinic.Clinic"
        database.model("Pet").put(delimited(1, b"rover"))
        server.stop()
        # Without a schema, the stored one has its name.
        server = serve(command=[process.binary(), "serve"])
        database = serve.connect(server)
        assert database.service.full_name == "clinic.Clinic"
        assert database.model("Pet").get(begins_with="") == [delimited(1, b"rover")]

    def test_a_schema_with_a_package_keeps_it(self, tmp_path):
        done = create(tmp_path, DOG_SCHEMA, "--name", "clinic")
        assert done.returncode == 0, done
        assert "database.Clinic/PutDog(Dog) -> Empty" in done.stdout


class TestPlaces:
    def test_another_databases_server_is_replaced_and_told(self, tmp_path):
        assert create(tmp_path, DOG_SCHEMA).returncode == 0
        again = create(tmp_path, DOG_SCHEMA.replace("breed", "race"))
        assert again.returncode == 0 and "note:" not in again.stdout, again
        other = create(tmp_path, PACKAGELESS % "Pet", "--name", "clinic")
        assert other.returncode == 0, other
        assert (
            f"note: {tmp_path}/out/server was the server of database.Database, and is "
            "clinic.Clinic's now; to have both, give each a directory of its own with --out\n"
        ) in other.stdout

    @pytest.mark.parametrize(
        "obstacle, says",
        [
            ({"out/server/notes.txt": "mine"}, "server: it is a folder"),
            ({"out/server": "#!/bin/sh\n"}, "server: it is no server that seandb made"),
            ({"out/server": ""}, "server: it is no server that seandb made"),
            (
                {"out/database.proto": DOG_SCHEMA},
                "database.proto: it is a file that seandb did not write",
            ),
            ({"out/database.proto/x": ""}, "database.proto: it is a folder"),
            (
                {"out/a/b.proto": 'syntax = "proto3";\n'},
                "a/b.proto: it is a file that seandb did not write",
            ),
            ({"out/a": "mine"}, "cannot open the folder of"),
            ({"out": "mine"}, "out is a file, not a directory. Name another with --out"),
        ],
        ids=lambda case: case if isinstance(case, str) else next(iter(case)),
    )
    def test_what_create_did_not_write_is_left_alone(self, tmp_path, obstacle, says):
        process.write_files(tmp_path, obstacle)
        schema = {
            "schema.proto": 'syntax = "proto3";\npackage p;\nimport "a/b.proto";\n'
            "message Dog { string pk = 1; B b = 2; }\n",
            "a/b.proto": 'syntax = "proto3";\npackage p;\nmessage B {}\n',
        }
        process.write_files(tmp_path, schema)
        before = contents(tmp_path)
        done = create(tmp_path, schema)
        assert done.returncode == 1 and says in done.stderr, done
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1, done
        assert contents(tmp_path) == before

    def test_a_damaged_server_can_be_made_again(self, tmp_path):
        assert create(tmp_path, DOG_SCHEMA).returncode == 0
        server = tmp_path / "out" / "server"
        image = bytearray(server.read_bytes())
        image[image.rindex(b"SEANDBSC") + 40] ^= 0x55
        server.write_bytes(image)
        assert create(tmp_path, DOG_SCHEMA).returncode == 0
        # Its end says that it is longer than it is.
        server.write_bytes(image[-24:-16] + b"\xff" * 8 + b"SEANDBX1")
        assert create(tmp_path, DOG_SCHEMA).returncode == 0

    def test_copies_of_imports_follow_their_originals(self, tmp_path):
        schema = {
            "schema.proto": 'syntax = "proto3";\npackage p;\nimport "a/b.proto";\n'
            "message Dog { string pk = 1; B b = 2; }\n",
            "a/b.proto": 'syntax = "proto3";\npackage p;\nmessage B {}\n',
        }
        assert create(tmp_path, schema).returncode == 0
        schema["a/b.proto"] += "message C {}\n"
        assert create(tmp_path, schema).returncode == 0
        assert (tmp_path / "out" / "a" / "b.proto").read_text() == schema["a/b.proto"]

    @pytest.mark.parametrize(
        "path", ["server", "server/common.proto", "database.proto", "database.proto/x.proto"]
    )
    def test_an_import_in_the_way_of_the_output_is_named_before_anything_is_written(
        self, tmp_path, path
    ):
        done = create(
            tmp_path,
            {
                "schema.proto": f'syntax = "proto3";\npackage p;\n\nimport "{path}";\n'
                "message Dog { string pk = 1; B b = 2; }\n",
                path: 'syntax = "proto3";\npackage p;\nmessage B {}\n',
            },
        )
        assert done.returncode == 65, done
        assert done.stderr.startswith(f"{tmp_path}/schema.proto:4:1: ") and path in done.stderr
        assert len(done.stderr.splitlines()) == 1 and "rename" in done.stderr, done
        assert not (tmp_path / "out").exists()

    def test_imports_that_cannot_stand_in_one_directory_are_named(self, tmp_path):
        process.write_files(
            tmp_path,
            {
                "one/a": 'syntax = "proto3";\npackage p;\nmessage A {}\n',
                "two/a/b.proto": 'syntax = "proto3";\npackage p;\nmessage B {}\n',
            },
        )
        done = create(
            tmp_path,
            'syntax = "proto3";\npackage p;\nimport "a";\nimport "a/b.proto";\n'
            "message Dog { string pk = 1; A a = 2; B b = 3; }\n",
            *("-I", tmp_path / "one", "-I", tmp_path / "two"),
        )
        assert done.returncode == 65, done
        assert f'{tmp_path}/schema.proto:4:1: the import "a/b.proto"' in done.stderr, done


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for one server and a half."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = process.binary().stat().st_size * 3 // 2
    mounted = process.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk)
    if mounted.returncode != 0:
        pytest.skip(f"only root may mount: {mounted.stderr.strip()}")
    yield disk
    process.run("umount", "--lazy", disk)


def test_on_a_full_disk_create_changes_nothing(small_disk, tmp_path):
    assert create(tmp_path, DOG_SCHEMA, out=small_disk / "out").returncode == 0
    before = contents(small_disk)
    for out in (small_disk / "out", small_disk / "other" / "out"):
        done = create(tmp_path, DOG_SCHEMA.replace("breed", "race"), out=out)
        assert done.returncode == 1, done
        assert done.stderr == f"error: cannot write {out}/server: No space left on device. Free space\n", done
        assert contents(small_disk) == before
