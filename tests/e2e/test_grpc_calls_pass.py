"""gRPC through the gate with grpcio at both ends: every kind of call, its end, and what a refused call is told."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from gatekeeper.proxy.upstream.http2_check import GRPC_HEALTH
from tests.gate_process import PATIENCE, Gate, until
from tests.grpc_app import OPTIONS, SERVICE, GrpcApp
from tests.visitors import Visitors

TABLES = f"""
[[routes]]
path = "/{SERVICE}/Locked"
allow = [{{ cn = "nobody but her" }}]

[[routes]]
path = "/gone.Away/*"
upstream = "gone"

[[routes]]
path = "/{SERVICE}/*"

[[routes]]
path = "/grpc.health.v1.Health/*"

[[routes]]
path = "/grpc.reflection.v1alpha.ServerReflection/*"

[upstreams.gone]
url = "h2c://127.0.0.1:1"
"""


@pytest.fixture(scope="module")
def app() -> Iterator[GrpcApp]:
    with GrpcApp() as app:
        yield app


@pytest.fixture(scope="module")
def gate(app: GrpcApp, visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = visitors.furnish(tmp_path_factory.mktemp("gate"))
    with Gate(folder, f"h2c://{app.address}", tables=TABLES) as gate:
        yield gate


def credentials(visitors: Visitors, name: str) -> grpc.ChannelCredentials:
    read = lambda end: (visitors.folder / end).read_bytes()  # noqa: E731
    if name == "nobody":
        return grpc.ssl_channel_credentials(read("ca.crt"))
    return grpc.ssl_channel_credentials(read("ca.crt"), read(f"{name}.key"), read(f"{name}.crt"))


def test_health_is_asked_by_the_gate(app: GrpcApp, visitors: Visitors, tmp_path: Path) -> None:
    """An app that does not serve gets no calls; it is asked again and gets them again."""
    checked = f'health_path = "{GRPC_HEALTH}"\nhealth_interval = "1s"'
    with (
        Gate(visitors.furnish(tmp_path), f"h2c://{app.address}", app=checked) as gate,
        grpc.secure_channel(f"localhost:{gate.port}", credentials(visitors, "alice")) as channel,
    ):
        call = channel.unary_unary(f"/{SERVICE}/Once")
        assert call(b"hello", timeout=PATIENCE) == b"hello"
        app.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        gate.wait_for(lambda line: "gets no requests" in line)
        assert failure(lambda: call(b"hello", timeout=PATIENCE))[0] is grpc.StatusCode.UNAVAILABLE
        app.health.set("", health_pb2.HealthCheckResponse.SERVING)
        gate.wait_for(lambda line: "gets requests again" in line)
        assert call(b"hello", timeout=PATIENCE) == b"hello"


@pytest.fixture
def channel(gate: Gate, visitors: Visitors) -> Iterator[grpc.Channel]:
    with grpc.secure_channel(f"localhost:{gate.port}", credentials(visitors, "alice"), OPTIONS) as channel:
        yield channel


def failure(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    """How a call ends that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


def test_metadata_and_trailers_pass_both_ways(app: GrpcApp, channel: grpc.Channel) -> None:
    """And the app is told who calls, as over HTTP/1.1."""
    answer, call = channel.unary_unary(f"/{SERVICE}/Once").with_call(
        b"hello", metadata=(("asked", "yes"), ("some-bin", b"\x00\x01\xfe")), timeout=PATIENCE
    )
    assert answer == b"hello"
    assert ("first", "1") in call.initial_metadata()
    assert set(call.trailing_metadata()) >= {("last", "2"), ("last-bin", b"\x00\xff")}
    assert (app.metadata["asked"], app.metadata["some-bin"]) == ("yes", b"\x00\x01\xfe")
    assert app.metadata["x-ssl-client-s-dn"] == "CN=alice"


@pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024])
def test_messages_of_every_size(channel: grpc.Channel, size: int) -> None:
    """Up to the 4 MiB that grpcio takes by default, and behind its five bytes of frame."""
    assert channel.unary_unary(f"/{SERVICE}/Once")(b"x" * size, timeout=PATIENCE) == b"x" * size


def test_streams_of_either_side(channel: grpc.Channel) -> None:
    """Many messages in answer to one, and one in answer to many."""
    counted = channel.unary_stream(f"/{SERVICE}/Count")(b"100", timeout=PATIENCE)
    assert list(counted) == [b"%d" % number for number in range(100)]
    numbers = (b"%d" % number for number in range(100))
    assert channel.stream_unary(f"/{SERVICE}/Sum")(numbers, timeout=PATIENCE) == b"4950"


def test_a_conversation(channel: grpc.Channel) -> None:
    """Each message is answered before the next is sent: neither side waits for the other's end."""
    answered = threading.Semaphore(0)

    def ask() -> Iterator[bytes]:
        for number in range(5):
            yield b"message %d" % number
            assert answered.acquire(timeout=PATIENCE)

    answers = []
    for answer in channel.stream_stream(f"/{SERVICE}/Chat")(ask(), timeout=PATIENCE):
        answers.append(answer)
        answered.release()
    assert answers == [b"MESSAGE %d" % number for number in range(5)]


def test_an_error_of_the_app_is_its_own(channel: grpc.Channel) -> None:
    """A status in place of an answer (Trailers-Only), with its text."""
    assert failure(lambda: channel.unary_unary(f"/{SERVICE}/Fail")(b"", timeout=PATIENCE)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "nein, das geht so nicht: ä%",
    )


def test_an_unknown_method_is_the_apps_to_refuse(channel: grpc.Channel) -> None:
    """UNIMPLEMENTED comes from the app."""
    code, text = failure(lambda: channel.unary_unary(f"/{SERVICE}/Nothing")(b"", timeout=PATIENCE))
    assert (code, text) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


def test_cancel_reaches_the_app(app: GrpcApp, channel: grpc.Channel) -> None:
    """RST_STREAM passes on, so the app works for nobody no longer."""
    app.cancelled.clear()
    call = channel.unary_stream(f"/{SERVICE}/Hang")(b"", timeout=PATIENCE)
    assert next(call) == b"hello"
    call.cancel()
    assert app.cancelled.wait(PATIENCE)


def test_the_deadline_is_the_apps_too(app: GrpcApp, channel: grpc.Channel) -> None:
    """grpc-timeout passes on; the call ends at it, at both ends."""
    app.cancelled.clear()
    app.left = None
    for deadline in (0.5, 2.0, 10.0):  # a call may reach the app too late on a busy machine
        call = channel.unary_stream(f"/{SERVICE}/Hang")(b"", timeout=deadline)
        assert failure(lambda: list(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED  # noqa: B023  called at once
        if app.left is not None:
            break
    assert app.left is not None
    assert 0 < app.left <= deadline
    assert app.cancelled.wait(PATIENCE)


def test_health_and_reflection(channel: grpc.Channel) -> None:
    """grpcio's own services, which tools such as grpcurl and Kubernetes ask."""
    asked = health_pb2.HealthCheckRequest(service=SERVICE)
    health = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=PATIENCE)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([question]), timeout=PATIENCE)
    names = {one.name for one in next(iter(answers)).list_services_response.service}
    assert names == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


def test_a_client_that_knows_no_service(channel: grpc.Channel) -> None:
    """As grpcurl and other tools without .proto files: it asks for the types by a stream in both directions, one
    question after the other, and calls with them.
    """
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName("grpc.health.v1.Health").FindMethodByName("Check")
    question, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    call = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}", question.SerializeToString, answer.FromString
    )
    answered = call(question(service=SERVICE), timeout=PATIENCE)
    assert MessageToDict(answered) == {"status": "SERVING"}


def test_asyncio(gate: Gate, visitors: Visitors) -> None:
    """The other client of grpcio: 200 calls at once on one connection, more than the gate takes at a time."""

    async def talk() -> list[bytes]:
        async with grpc.aio.secure_channel(f"localhost:{gate.port}", credentials(visitors, "alice")) as channel:
            call = channel.unary_unary(f"/{SERVICE}/Once")
            calls = [call(b"%d" % number, timeout=PATIENCE) for number in range(200)]
            return [await one for one in calls]

    assert asyncio.run(talk()) == [b"%d" % number for number in range(200)]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("nobody", "no_certificate: "),
        ("expired", "expired: The certificate has expired"),
        ("foreign", "untrusted_issuer: "),
    ],
)
def test_a_refusal_says_why(gate: Gate, visitors: Visitors, name: str, word: str) -> None:
    """PERMISSION_DENIED with the reason in words, and in a trailer for programs."""
    with grpc.secure_channel(f"localhost:{gate.port}", credentials(visitors, name)) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/{SERVICE}/Once")(b"", timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert caught.value.details().startswith(word)
        assert dict(caught.value.trailing_metadata())["gatekeeper-reason"] == word.partition(":")[0]
        call = channel.stream_stream(f"/{SERVICE}/Chat")(iter([b"x" * 100_000]), timeout=PATIENCE)
        assert failure(lambda: list(call))[0] is grpc.StatusCode.PERMISSION_DENIED


def test_the_gates_own_errors(gate: Gate, channel: grpc.Channel) -> None:
    """A rule that does not fit, no route, no app: each as the status that gRPC has for it; the log has HTTP's."""
    code, text = failure(lambda: channel.unary_unary(f"/{SERVICE}/Locked")(b"", timeout=PATIENCE))
    assert (code, text.partition(":")[0]) == (grpc.StatusCode.PERMISSION_DENIED, "not_allowed")
    code, _ = failure(lambda: channel.unary_unary("/no.Service/Once")(b"", timeout=PATIENCE))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    code, text = failure(lambda: channel.unary_unary("/gone.Away/Once")(b"", timeout=PATIENCE))
    assert (code, text) == (grpc.StatusCode.UNAVAILABLE, "The app cannot be reached.")
    expected = {f"/{SERVICE}/Locked": 403, "/no.Service/Once": 404, "/gone.Away/Once": 502}
    until(lambda: {line["target"]: line["status"] for line in logged(gate) if line["target"] in expected} == expected)
    assert {line["protocol"] for line in logged(gate)} == {"HTTP/2.0"}


def logged(gate: Gate) -> list[Any]:
    return [json.loads(line) for line in gate.log_lines()]
