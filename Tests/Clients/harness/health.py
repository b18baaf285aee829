"""Asks the health service."""

from __future__ import annotations

from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health(database, service="") -> int:
    stub = health_pb2_grpc.HealthStub(database.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status
