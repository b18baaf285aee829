"""RocksDB's own tools read what the server wrote: the directory is a plain RocksDB."""

from __future__ import annotations

import pytest

from conftest import DOG_SCHEMA
from harness import process
from harness.client import delimited

STORE = "store"


@pytest.mark.engines("rocksdb")
def test_ldb_and_sst_dump_read_the_directory(create, serve):
    creation = create(DOG_SCHEMA)
    server = serve(creation)
    items = [delimited(1, b"k%04d" % n) + delimited(2, b"Rover") for n in range(1_000)]
    serve.connect(server).model("Dog").batch_put(items)
    server.stop()
    # The second start has read the log back into tables.
    serve(creation).stop()

    store = serve.data / STORE
    scanned = process.run("ldb", f"--db={store}", "--hex", "scan")
    assert scanned.returncode == 0, scanned.stderr
    lines = dict(line.split(" : ") for line in scanned.stdout.splitlines() if " : " in line)
    found = {bytes.fromhex(key[2:]): bytes.fromhex(value[2:]) for key, value in lines.items()}
    # Kind 1 is a record; then the model's id in four bytes, then the key itself.
    stored = {key[5:]: (key[1:5], value) for key, value in found.items() if key[0] == 1}
    assert {key: value for key, (_, value) in stored.items()} == {
        b"k%04d" % n: item for n, item in enumerate(items)
    }
    assert len({model for model, _ in stored.values()}) == 1
    assert any(key[0] == 0 for key in found), "no catalogue"

    tables = sorted(store.glob("*.sst"))
    assert tables, sorted(store.iterdir())
    for table in tables:
        dumped = process.run("sst_dump", f"--file={table}", "--command=verify")
        assert dumped.returncode == 0 and "not a valid" not in dumped.stdout.lower(), dumped
    properties = process.run(
        "sst_dump", f"--file={tables[0]}", "--show_properties", "--command=none"
    )
    assert "filter policy name: " in properties.stdout, properties
