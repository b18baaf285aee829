"""`seandb inspect`, `verify` and `repair` on directories that a server wrote."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from conftest import DOG_SCHEMA
from harness import process
from harness.client import delimited

RECORDS = 3_000


def tool(name, *arguments):
    completed = process.run(process.binary(), name, *arguments)
    assert not process.CRASH_MARKS.search(completed.stderr), completed.stderr
    return completed


def records(first=0, count=RECORDS, name=b"Rover"):
    return [delimited(1, b"k%05d" % n) + delimited(2, name) for n in range(first, first + count)]


@pytest.fixture
def creation(create):
    return create(DOG_SCHEMA)



def repair_without_reader(data, reader: str):
    """`seandb repair` whose stdout takes nothing: the disk is full, or the reader has left."""
    if reader == "full":
        stdout = os.open("/dev/full", os.O_WRONLY)
    else:
        unread, stdout = os.pipe()
        os.close(unread)
    try:
        return subprocess.run(
            [process.binary(), "repair", str(data)], stdout=stdout, stderr=subprocess.PIPE, timeout=60
        )
    finally:
        os.close(stdout)

class TestLSM:
    @pytest.fixture
    def engine(self):
        return "lsm"

    @pytest.fixture
    def data(self, creation, serve):
        """A directory with records in a table and in the log, its server stopped."""
        server = serve(creation)
        serve.connect(server).model("Dog").batch_put(records())
        server.stop()
        # The second start has read the log back into a table.
        server = serve(creation)
        serve.connect(server).model("Dog").batch_put(records(RECORDS, 10))
        server.stop()
        return serve.data

    def all_records(self, creation, serve):
        server = serve(creation)
        found = serve.connect(server).model("Dog").get(begins_with="")
        server.stop()
        return found

    def file(self, data, pattern):
        return max((data / "store").glob(pattern), key=lambda path: path.stat().st_size)

    def damage(self, path, at):
        image = bytearray(path.read_bytes())
        image[at] ^= 0xFF
        path.write_bytes(image)

    def test_inspect_shows_levels_tables_logs_and_manifest(self, data):
        shown = tool("inspect", data)
        assert shown.returncode == 0, shown
        assert re.search(r"^store: \S+/store, engine lsm, id [0-9a-f]{32}$", shown.stdout, re.M)
        assert re.search(r"^manifest: MANIFEST-\d{6}, .* edits?, sealed$", shown.stdout, re.M)
        assert re.search(r"^level 0: 1 table, .*entries$", shown.stdout, re.M)
        assert r"\x01\x00\x00\x00\x01k02999" in shown.stdout
        assert re.search(r"^ +\d{6}\.log .* sealed$", shown.stdout, re.M)
        # A store's own directory is taken as well.
        assert tool("inspect", data / "store").stdout == shown.stdout

    def test_inspect_as_json(self, data):
        shown = json.loads(tool("inspect", data, "--json").stdout)
        assert shown["engine"] == "lsm" and shown["damage"] == []
        assert sum(table["entries"] for table in shown["tables"]) >= RECORDS
        assert bytes.fromhex(shown["tables"][0]["largestKey"]).endswith(b"k02999")
        assert [log["changes"] for log in shown["logs"]] == [10]

    def test_inspect_shows_single_files(self, data):
        table = int(self.file(data, "*.table").stem)
        blocks = tool("inspect", data, "--table", table)
        assert blocks.returncode == 0, blocks
        assert re.search(r"^block 0: at byte 0, \d+ bytes, LZ4", blocks.stdout, re.M)
        assert "Rover" not in blocks.stdout
        listed = tool("inspect", data, "--table", table, "--records", "--values")
        assert len(re.findall(r"k\d{5} @\d+ = .*Rover$", listed.stdout, re.M)) == RECORDS
        log = tool("inspect", data, "--log", int(self.file(data, "*.log").stem))
        assert log.returncode == 0 and "10 changes" in log.stdout and "k03009" in log.stdout
        edits = tool("inspect", data, "--manifest")
        assert edits.returncode == 0 and "edit at byte" in edits.stdout
        assert tool("inspect", data, "--table", 999).returncode == 1
        assert tool("inspect", data, "--records").returncode == 64

    def test_tools_work_beside_a_running_server(self, data, creation, serve):
        server = serve(creation)
        dogs = serve.connect(server).model("Dog")
        dogs.put(records(5_000, 1)[0])
        shown = tool("inspect", data)
        assert shown.returncode == 0, shown
        verified = tool("verify", data)
        assert verified.returncode == 0, verified
        refused = tool("repair", data)
        assert refused.returncode == 75 and "in use" in refused.stderr, refused
        dogs.put(records(5_001, 1)[0])

    def test_verify_says_ok_and_changes_nothing(self, data):
        before = {path: path.read_bytes() for path in (data / "store").iterdir()}
        verified = tool("verify", data)
        assert verified.returncode == 0, verified
        assert verified.stderr == ""
        assert re.fullmatch(
            r"ok: [\d,]+ records, 1 table, [\d.]+ KiB, 3,\d{3} entries, 1 log with 1 batch, 0 problems\n",
            verified.stdout,
        ), verified
        assert before == {path: path.read_bytes() for path in (data / "store").iterdir()}

    def test_repair_of_a_whole_store_does_nothing(self, data):
        before = {path: path.read_bytes() for path in (data / "store").iterdir()}
        repaired = tool("repair", data)
        assert (repaired.returncode, repaired.stdout) == (0, "ok: nothing to repair\n"), repaired
        assert before == {path: path.read_bytes() for path in (data / "store").iterdir()}

    def test_a_damaged_block_is_found_and_only_its_records_are_lost(self, data, creation, serve):
        table = self.file(data, "*.table")
        self.damage(table, table.stat().st_size // 3)
        verified = tool("verify", data)
        assert verified.returncode == 1, verified
        lines = verified.stdout.splitlines()
        assert re.match(rf"{table.name} at byte \d+: the checksum is", lines[0]), lines
        assert lines[-1].startswith("damaged: ") and lines[-1].endswith(" 1 problem"), lines

        planned = tool("repair", data, "--dry-run")
        assert planned.returncode == 1 and "would repair" in planned.stdout, planned
        repaired = tool("repair", data)
        assert repaired.returncode == 1, repaired
        lost = re.search(rf"lost: {table.name}: (\d+) entries are lost in all", repaired.stdout)
        assert lost, repaired
        assert re.search(r"bytes of entries after the key \S*k\d+ and before \S*k\d+", repaired.stdout)
        kept = data / "store" / "lost+found-1" / table.name
        assert kept.exists() and not table.exists()

        assert tool("verify", data).returncode == 0
        found = self.all_records(creation, serve)
        assert len(found) == RECORDS + 10 - int(lost.group(1))
        assert set(found) <= set(records(0, RECORDS + 10))

    @pytest.mark.parametrize("reader", ["full", "away"])
    def test_a_report_that_nobody_got_is_told_by_the_next_repair(self, data, creation, serve, reader):
        table = self.file(data, "*.table")
        self.damage(table, table.stat().st_size // 3)
        before = (data / "COMMITTED").read_bytes()
        ended = repair_without_reader(data, reader)
        assert ended.returncode != 0, ended
        assert not (data / "store" / "lost+found-1" / "TOLD").exists()
        assert (data / "COMMITTED").read_bytes() == before
        again = tool("repair", data, "--dry-run")
        assert again.returncode == 1, again
        assert re.search(rf"lost: {table.name}: (\d+) entries are lost in all", again.stdout), again
        # The marks are those of the store before, which a start refuses.
        with pytest.raises(process.ServerFailed):
            serve(creation)
        again = tool("repair", data)
        assert again.returncode == 1, again
        assert "has left its report in" in again.stdout and "nothing to repair" not in again.stdout
        assert re.search(rf"lost: {table.name}: (\d+) entries are lost in all", again.stdout), again
        last = tool("repair", data)
        assert (last.returncode, last.stdout) == (0, "ok: nothing to repair\n"), last
        server = serve(creation)
        assert "a repair was cut short" not in server.stderr()
        server.stop()
        (data / "store" / "lost+found-1" / "TOLD").unlink()
        assert "lost+found-1/REPORT" in serve(creation).stderr()

    @pytest.mark.parametrize("names", [["CURRENT"], ["MANIFEST-*"], ["CURRENT", "MANIFEST-*"]])
    def test_a_store_without_manifest_is_saved_whole(self, data, creation, serve, names):
        for name in names:
            self.file(data, name).unlink()
        shown = tool("inspect", data)
        assert shown.returncode == 1 and "damaged: " in shown.stdout, shown
        assert tool("verify", data).returncode == 1
        with pytest.raises(process.ServerFailed):
            serve(creation)
        repaired = tool("repair", data)
        assert repaired.returncode == 0 and "nothing is lost" in repaired.stdout, repaired
        assert tool("verify", data).returncode == 0
        assert self.all_records(creation, serve) == records(0, RECORDS + 10)

    def test_a_damaged_log_ends_the_store_there(self, data, creation, serve):
        log = self.file(data, "*.log")
        self.damage(log, 200)
        repaired = tool("repair", data)
        assert repaired.returncode == 1, repaired
        assert re.search(rf"lost: {log.name} at byte \d+: .* from sequence number \d+ on", repaired.stdout)
        assert self.all_records(creation, serve) == records()


class TestRocksDB:
    @pytest.fixture
    def engine(self):
        return "rocksdb"

    def test_inspect_and_verify_read_it_and_repair_names_ldb(self, creation, serve):
        server = serve(creation)
        serve.connect(server).model("Dog").batch_put(records())
        server.stop()
        serve(creation).stop()
        shown = tool("inspect", serve.data)
        assert shown.returncode == 0 and "engine rocksdb" in shown.stdout, shown
        verified = tool("verify", serve.data)
        assert verified.returncode == 0, verified
        assert re.search(rf"^ok: {RECORDS:,} records, 1 table, .*, 0 problems$", verified.stdout, re.M)
        assert "checksum" in verified.stderr
        repaired = tool("repair", serve.data)
        assert (repaired.returncode, repaired.stdout) == (0, "ok: nothing to repair\n"), repaired

        table = next((serve.data / "store").glob("*.sst"))
        image = bytearray(table.read_bytes())
        image[len(image) // 3] ^= 0xFF
        table.write_bytes(image)
        verified = tool("verify", serve.data)
        assert verified.returncode == 1, verified
        assert "damaged" in verified.stdout + verified.stderr
        refused = tool("repair", serve.data)
        assert refused.returncode == 1 and "ldb repair" in refused.stderr, refused


def test_directories_without_a_store_are_refused(tmp_path):
    for directory in (tmp_path, tmp_path / "missing"):
        for name in ("inspect", "verify", "repair"):
            refused = tool(name, directory)
            assert refused.returncode == 1 and str(directory) in refused.stderr, refused
