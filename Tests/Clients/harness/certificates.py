"""Certificates for tests, made by the `openssl` program: an authority, and what it vouches for."""

from __future__ import annotations

import datetime
import pathlib

from harness import process

SERVER_NAMES = "DNS:localhost,IP:127.0.0.1"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Certificate:
    """A certificate and its key as files in PEM."""

    def __init__(self, directory: pathlib.Path, name: str):
        self.path, self.key = directory / f"{name}.pem", directory / f"{name}.key"

    @property
    def flags(self) -> list:
        return ["--tls-cert", self.path, "--tls-key", self.key]

    @property
    def pem(self) -> bytes:
        return self.path.read_bytes()

    @property
    def key_pem(self) -> bytes:
        return self.key.read_bytes()

    def replace(self, other: Certificate):
        """Puts another pair in the place of this one, one file after the other."""
        self.key.write_bytes(other.key_pem)
        self.path.write_bytes(other.pem)


def openssl(*arguments):
    completed = process.run("openssl", *arguments)
    assert completed.returncode == 0, completed.stderr


class Authority:
    """Signs certificates. Each call makes a new pair of files."""

    def __init__(self, directory: pathlib.Path, name="authority"):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.root = Certificate(directory, name)
        openssl(
            *["req", "-x509", *KEY, "-keyout", self.root.key, "-out", self.root.path],
            *["-days", 3650, "-subj", f"/CN={name}"],
        )

    def sign_for_seconds(self, name: str, names: str, seconds: float) -> tuple[Certificate, float]:
        """A certificate that ends soon, and when, as seconds since 1970."""
        signed, folder = Certificate(self.directory, name), self.directory / f"{name}-ca"
        folder.mkdir()
        request, extensions, config = folder / "request", folder / "extensions", folder / "config"
        extensions.write_text(f"subjectAltName={names}\n")
        (folder / "index").touch()
        config.write_text(
            f"[ca]\ndefault_ca = d\n[d]\nnew_certs_dir = {folder}\ndatabase = {folder}/index\n"
            "rand_serial = yes\ndefault_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n"
        )
        openssl("req", *KEY, "-keyout", signed.key, "-out", request, "-subj", f"/CN={name}")
        end = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(seconds=seconds)
        openssl(
            *["ca", "-batch", "-notext", "-config", config, "-in", request, "-out", signed.path],
            *["-cert", self.root.path, "-keyfile", self.root.key, "-extfile", extensions],
            *["-enddate", end.strftime("%y%m%d%H%M%SZ")],
        )
        return signed, end.timestamp()

    def sign(self, name: str, names=SERVER_NAMES, days=90) -> Certificate:
        signed = Certificate(self.directory, name)
        request, extensions = self.directory / "request", self.directory / "extensions"
        extensions.write_text(f"subjectAltName={names}\n")
        openssl("req", *KEY, "-keyout", signed.key, "-out", request, "-subj", f"/CN={name}")
        openssl(
            *["x509", "-req", "-in", request, "-CA", self.root.path, "-CAkey", self.root.key],
            *["-CAcreateserial", "-days", days, "-extfile", extensions, "-out", signed.path],
        )
        return signed
