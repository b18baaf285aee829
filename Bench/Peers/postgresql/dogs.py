"""The table of PostgreSQL: as many records as seandb-bench stores, of the same fields and lengths, with two indexes.

Keys, breeds and chips are decimal digits, where those of seandb-bench have letters too: pgbench computes numbers, and
so no statement has to make text of them, which would be the server's work.
"""

from __future__ import annotations

from dataclasses import dataclass

# Records with an equal breed; seandb-bench has as many (its --range-records).
GROUP = 10
FIRST_KEY = 10**15
# Multiplied by a number modulo a prime, different numbers give different ones, in no order.
BREED_FACTOR, BREED_PRIME, FIRST_BREED = 55_623_058, 89_999_999, 10_000_000
CHIP_FACTOR, CHIP_PRIME = 1_112_400_000_007, 8_999_999_999_999_971
# A record's generations, as in seandb-bench: 1 when it is stored first, up to 127 after a change.
GENERATIONS = 128
# Bytes of a record of seandb-bench that are not its name: tags, lengths and the other fields.
OTHER_BYTES = 50


@dataclass(frozen=True)
class Dogs:
    records: int
    record_bytes: int

    @property
    def groups(self) -> int:
        return self.records // GROUP

    @property
    def name_bytes(self) -> int:
        return self.record_bytes - OTHER_BYTES

    @property
    def name(self) -> str:
        """One that upserts store: as long as the others, and the same in all."""
        return ("0123456789abcdef" * 11)[: self.name_bytes]

    def breed(self, group: str, generation: str) -> str:
        """For SQL and pgbench alike: eight digits that a group has alone in each generation."""
        return f"({group} * {GENERATIONS} + {generation}) * {BREED_FACTOR} % {BREED_PRIME} + {FIRST_BREED}"

    def chip(self, record: str) -> str:
        """Sixteen digits that a record has alone and keeps."""
        return f"{record} * {CHIP_FACTOR} % {CHIP_PRIME} + {FIRST_KEY}"

    # In SQL

    def table(self) -> list[str]:
        """Makes it anew. Indexes are made of what is there: they are as small as they can be."""
        return [
            "DROP TABLE IF EXISTS dogs",
            "CREATE TABLE dogs (pk text PRIMARY KEY, name text NOT NULL, age integer NOT NULL, breed text NOT NULL, "
            "chip text NOT NULL)",
            f"INSERT INTO dogs SELECT ({FIRST_KEY} + i)::text, "
            f"substr(repeat(md5(i::text), 6), 1, {self.name_bytes}), 1, "
            f"({self.breed(f'i % {self.groups}', '1')})::text, ({self.chip('i')})::text "
            f"FROM generate_series(0::bigint, {self.records - 1}) AS i",
            "CREATE INDEX dogs_breed ON dogs (breed)",
            "CREATE INDEX dogs_chip ON dogs (chip)",
            *self.tidy(),
        ]

    def tidy(self) -> list[str]:
        """What is due sooner or later, so that it is not during a measurement."""
        return ["VACUUM (ANALYZE) dogs", "CHECKPOINT"]

    def checks(self) -> list[tuple[str, str]]:
        """Statements and what they have to answer."""
        breed = f"({self.breed('7::bigint', '1')})::text"
        key = f"'{FIRST_KEY + self.records - 1}'"
        return [
            ("SELECT count(*) FROM dogs", str(self.records)),
            ("SELECT count(DISTINCT breed) FROM dogs", str(self.groups)),
            ("SELECT count(DISTINCT chip) FROM dogs", str(self.records)),
            (f"SELECT count(*) FROM dogs WHERE breed = {breed}", str(GROUP)),
            (f"SELECT octet_length(pk || name || breed || chip) FROM dogs WHERE pk = {key}", str(self.name_bytes + 40)),
        ]

    def plans(self) -> list[tuple[str, str]]:
        """Statements, and the index that each has to use."""
        return [
            (f"SELECT * FROM dogs WHERE pk = '{FIRST_KEY}'", "dogs_pkey"),
            (f"SELECT * FROM dogs WHERE breed = '{FIRST_BREED}'", "dogs_breed"),
            (f"SELECT * FROM dogs WHERE chip = '{FIRST_KEY}'", "dogs_chip"),
        ]

    def checks_after_upserts(self) -> list[tuple[str, str]]:
        """No record is there twice, some have changed, and each has the breed that its age tells."""
        record = f"(pk::bigint - {FIRST_KEY})"
        breed = self.breed(f"{record} % {self.groups}", "age")
        return [
            ("SELECT count(*) FROM dogs", str(self.records)),
            ("SELECT count(DISTINCT chip) FROM dogs", str(self.records)),
            ("SELECT count(*) > 0 FROM dogs WHERE age > 1", "t"),
            (f"SELECT count(*) FROM dogs WHERE breed <> ({breed})::text", "0"),
        ]

    # For pgbench

    def script(self, operation: str) -> str:
        """What each client does again and again."""
        last = self.records - 1
        return {
            "get": f"\\set pk random(0, {last}) + {FIRST_KEY}\n"
            "SELECT pk, name, age, breed, chip FROM dogs WHERE pk = :pk;\n",
            "index-get": f"\\set group random(0, {self.groups - 1})\n"
            f"\\set breed {self.breed(':group', '1')}\n"
            "SELECT pk, name, age, breed, chip FROM dogs WHERE breed = :breed;\n",
            "upsert": self.upsert(f"random(0, {last})", ""),
            # The lower one first: two that wait for each other would both fail.
            "transaction": "BEGIN;\n"
            + self.upsert(f"random(0, {last - 1})", "")
            + self.upsert(f"random(:record + 1, {last})", "2")
            + "END;\n",
        }[operation]

    def upsert(self, record: str, suffix: str) -> str:
        """Of a record, by variables with a suffix."""
        one = f"record{suffix}"
        return (
            f"\\set {one} {record}\n"
            f"\\set pk{suffix} :{one} + {FIRST_KEY}\n"
            f"\\set age{suffix} random(2, {GENERATIONS - 1})\n"
            f"\\set breed{suffix} {self.breed(f'(:{one} % {self.groups})', f':age{suffix}')}\n"
            f"\\set chip{suffix} {self.chip(f':{one}')}\n"
            f"INSERT INTO dogs VALUES (:pk{suffix}, :name, :age{suffix}, :breed{suffix}, :chip{suffix}) "
            "ON CONFLICT (pk) DO UPDATE SET "
            "name = EXCLUDED.name, age = EXCLUDED.age, breed = EXCLUDED.breed, chip = EXCLUDED.chip;\n"
        )
