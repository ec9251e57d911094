"""What a part tells about itself."""

import aiohttp
import pytest

from schemas.exits import EndError
from schemas.metric_definitions import MetricDefinition
from streams.configuration.environment import load_settings
from streams.monitoring.health import Health
from streams.monitoring.prometheus import CONTENT_TYPE, MetricValue, histogram, render

LAG = MetricDefinition("pulssi_test_lag_records", "records", "Records not yet read.", ("topic",))
THINGS = MetricDefinition("pulssi_test_total", "things", "Things.")
TOOK = MetricDefinition("pulssi_test_seconds", "seconds", "How long.", ("topic",), (0.1, 1))


async def _get(port: int, path: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_checks_answer_as_they_find_it() -> None:
    """Progress and readiness are asked at each request; a fault is told with its reason."""
    faults: dict[str, str | None] = {"ready": "the broker is awaited", "progress": None}
    health = Health(ready=lambda: faults["ready"], progress=lambda: faults["progress"], metrics=lambda: "x 1\n")
    port = await health.start(load_settings({"PULSSI_WORKER_PORT": "0"}), "worker")
    assert (await _get(port, "/readyz"))[:2] == (503, "the broker is awaited\n")
    assert (await _get(port, "/healthz"))[:2] == (200, "ok\n")
    faults["ready"] = None
    assert (await _get(port, "/readyz"))[:2] == (200, "ok\n")
    assert await _get(port, "/metrics") == (200, "x 1\n", CONTENT_TYPE)
    code, routes, _ = await _get(port, "/")  # who opens the address itself is told where to go
    assert (code, [line.split()[0] for line in routes.splitlines()]) == (
        200,
        ["/healthz", "/livez", "/startupz", "/readyz", "/metrics"],
    )
    await health.stop()
    await health.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await _get(port, "/healthz")


async def test_what_a_restart_does_not_mend_is_told_apart() -> None:
    """An orchestrator asks `/livez`: a wait for another server fails `/healthz` alone; by default both say the same."""
    waits, stuck = "waits for ClickHouse", "is stuck"
    told: dict[str, str | None] = {"progress": waits, "stuck": None}
    health = Health(ready=lambda: None, progress=lambda: told["progress"], stuck=lambda: told["stuck"], metrics=str)
    port = await health.start(load_settings({"PULSSI_WORKER_PORT": "0"}), "worker")
    assert [(await _get(port, path))[0] for path in ("/healthz", "/livez")] == [503, 200]
    told["stuck"] = stuck
    assert (await _get(port, "/livez"))[:2] == (503, f"{stuck}\n")
    await health.stop()
    plain = Health(ready=lambda: None, progress=lambda: stuck, metrics=str)
    port = await plain.start(load_settings({"PULSSI_SINK_PORT": "0"}), "sink")
    assert (await _get(port, "/livez"))[0] == 503
    await plain.stop()


async def test_what_awaits_an_operator_is_no_part_of_the_start() -> None:
    """Whoever starts parts asks `/startupz`: a part that has begun and cannot be ready by itself has started."""
    told: dict[str, str | None] = {"started": "opens its partitions"}
    refused = "contacts.chat/0: refused"
    health = Health(ready=lambda: refused, started=lambda: told["started"], progress=lambda: refused, metrics=str)
    port = await health.start(load_settings({"PULSSI_WORKER_PORT": "0"}), "worker")
    assert (await _get(port, "/startupz"))[:2] == (503, "opens its partitions\n")
    told["started"] = None
    assert [(await _get(port, path))[0] for path in ("/startupz", "/readyz")] == [200, 503]
    await health.stop()
    plain = Health(ready=lambda: refused, progress=lambda: None, metrics=str)
    port = await plain.start(load_settings({"PULSSI_ALERTS_PORT": "0"}), "alerts")
    assert (await _get(port, "/startupz"))[:2] == (503, f"{refused}\n")
    await plain.stop()


async def test_a_port_that_is_taken_is_refused() -> None:
    """Two parts cannot have one port: the second is told, and listens nowhere."""
    one, two = (Health(ready=lambda: None, progress=lambda: None, metrics=str) for _ in range(2))
    port = await one.start(load_settings({"PULSSI_SINK_PORT": "0"}), "sink")
    with pytest.raises(EndError, match=f"the sink cannot listen on 127.0.0.1:{port}.*set PULSSI_SINK_PORT"):
        await two.start(load_settings({"PULSSI_SINK_PORT": str(port)}), "sink")
    await one.stop()


def test_readings_are_grouped_and_escaped() -> None:
    """One metric's values stand together under one meaning; quotes in labels do no harm."""
    took = histogram(TOOK)
    took.labels("c").observe(0.1)
    readings = [MetricValue(LAG, 3, ('a"b',)), MetricValue(THINGS, 2.5), MetricValue(LAG, 4, ("c",))]
    text = render(readings, [took])
    assert text.splitlines() == [
        "# HELP pulssi_test_lag_records Records not yet read.",
        "# TYPE pulssi_test_lag_records gauge",
        'pulssi_test_lag_records{topic="a\\"b"} 3.0',
        'pulssi_test_lag_records{topic="c"} 4.0',
        "# HELP pulssi_test_total Things.",
        "# TYPE pulssi_test_total counter",
        "pulssi_test_total 2.5",
        "# HELP pulssi_test_seconds How long.",
        "# TYPE pulssi_test_seconds histogram",
        'pulssi_test_seconds_bucket{le="0.1",topic="c"} 1.0',
        'pulssi_test_seconds_bucket{le="1.0",topic="c"} 1.0',
        'pulssi_test_seconds_bucket{le="+Inf",topic="c"} 1.0',
        'pulssi_test_seconds_count{topic="c"} 1.0',
        'pulssi_test_seconds_sum{topic="c"} 0.1',
    ]
    assert render([]) == ""
    with pytest.raises(ValueError, match="zip"):  # labels are those of the declaration
        render([MetricValue(LAG, 3)])
