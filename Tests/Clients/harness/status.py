"""Reads what a failed call carries: code, sentence and google.rpc.ErrorInfo."""

from __future__ import annotations

import dataclasses
import re

import grpc
from google.rpc import error_details_pb2, status_pb2

DETAILS_KEY = "grpc-status-details-bin"
REASON = re.compile(r"[A-Z][A-Z0-9_]*[A-Z0-9]")  # google.rpc.ErrorInfo.reason, AIP-193


@dataclasses.dataclass
class Failure:
    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict


def decode(code: grpc.StatusCode, message: str, details: bytes | None) -> Failure:
    """Checks the rules that every error of the server keeps, and returns its parts."""
    assert details is not None, f"no {DETAILS_KEY} with {code}: {message}"
    status = status_pb2.Status.FromString(details)
    assert status.code == code.value[0], (status.code, code)
    assert status.message == message, (status.message, message)
    infos = [
        error_details_pb2.ErrorInfo.FromString(any_message.value)
        for any_message in status.details
        if any_message.type_url == "type.googleapis.com/google.rpc.ErrorInfo"
    ]
    assert len(infos) == 1, f"{len(infos)} ErrorInfo in {status}"
    assert infos[0].domain == "seandb", infos[0]
    assert REASON.fullmatch(infos[0].reason), infos[0]
    return Failure(code, message, infos[0].reason, dict(infos[0].metadata))


def failure(error: grpc.RpcError) -> Failure:
    trailers = dict(error.trailing_metadata() or ())
    return decode(error.code(), error.details(), trailers.get(DETAILS_KEY))


def assert_sentence(message: str, pattern: str):
    """A message for a person: more than a word, on one line, and about the thing that is wrong."""
    assert len(message.split()) >= 4 and "\n" not in message, f"not a sentence: {message!r}"
    assert re.search(pattern, message, re.IGNORECASE), f"{message!r} does not say {pattern!r}"
