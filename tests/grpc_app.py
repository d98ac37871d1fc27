"""A gRPC app behind a real gate: grpcio's own server, with its health and reflection services. Messages are bytes."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

SERVICE = "test.Echo"
# Larger than grpcio's own limit, so that it is not what a test meets.
LARGEST = 16 * 1024 * 1024
OPTIONS = (("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST))


class GrpcApp:
    """``address`` is where it listens. ``metadata`` are those of the last call; ``cancelled`` is set when one ended
    before its time; ``left`` is how many seconds the last call had.
    """

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.cancelled = threading.Event()
        self.begun = threading.Event()
        self.left: float | None = None
        self._server = grpc.server(ThreadPoolExecutor(8), options=OPTIONS)
        handlers = {
            "Once": grpc.unary_unary_rpc_method_handler(self._once),
            "Count": grpc.unary_stream_rpc_method_handler(self._count),
            "Sum": grpc.stream_unary_rpc_method_handler(self._sum),
            "Chat": grpc.stream_stream_rpc_method_handler(self._chat),
            "Fail": grpc.unary_unary_rpc_method_handler(self._fail),
            "Hang": grpc.unary_stream_rpc_method_handler(self._hang),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.health = health.HealthServicer()
        self.health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    def __enter__(self) -> Self:
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._server.stop(None).wait()

    def _note(self, context: grpc.ServicerContext) -> None:
        self.metadata = dict(context.invocation_metadata())
        self.left = context.time_remaining()

    def _once(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._note(context)
        context.send_initial_metadata((("first", "1"),))
        context.set_trailing_metadata((("last", "2"), ("last-bin", b"\x00\xff")))
        return request

    def _count(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note(context)
        for number in range(int(request)):
            yield b"%d" % number

    def _sum(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        return b"%d" % sum(map(int, requests))

    def _chat(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for request in requests:
            yield request.upper()

    def _fail(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nein, das geht so nicht: ä%")
        raise AssertionError

    def _hang(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note(context)
        context.add_callback(self.cancelled.set)
        self.begun.set()
        yield b"hello"
        while context.is_active():
            time.sleep(0.01)
