"""docs/collector.md is what the dashboard is built from: its examples have the members that the
real answers have.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from strandline.collector.app import Collector, Settings
from strandline.collector.guard import Access, Guard
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.drift import METHODS
from tests.collector import samples

TEXT = (Path(__file__).parents[2] / "docs" / "collector.md").read_text("utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    storage = SQLiteStorage(tmp_path / "test.db")
    storage.add_key("key", "ingest")
    register(storage, json.dumps(samples.manifest()), samples.reference().to_json())
    app = Collector(storage, Settings(Access.of("127.0.0.1"), min_sessions=2)).asgi()
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        hour = 3600
        for age, sessions in ((3 * hour, 2), (hour, 1)):
            ended = samples.iso(time.time() - age)
            reports = [samples.report(samples.rows(9, i), ended=ended) for i in range(sessions)]
            body = samples.post_body("key", reports)
            assert opened.post("/v1/profiles", content=body).status_code == 200
        yield opened
    storage.close()


def example(schema: str) -> Any:
    (found,) = [one for one in EXAMPLES if one.get("schema") == schema]
    return found


def members(node: Any) -> Any:
    """The names of all members; of lists the members of what is in them, statistics by name aside."""
    if isinstance(node, dict):
        return {name: members(value) for name, value in node.items() if name not in METHODS}
    if isinstance(node, list):
        forms = [form for form in map(members, node) if form is not None]
        return sorted({json.dumps(form, sort_keys=True) for form in forms})
    return None


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/models", "strandline.models/1"),
        ("/v1/series?feature=speed", "strandline.series/1"),
        ("/v1/metrics", "strandline.metrics/1"),
    ],
)
def test_the_examples_have_the_members_of_the_answers(
    client: TestClient, path: str, schema: str
) -> None:
    assert members(client.get(path).json()) == members(example(schema))


def test_the_example_of_drift_has_the_members_of_the_answer(client: TestClient) -> None:
    answer = client.get("/v1/drift").json()
    answer["features"] = [one for one in answer["features"] if one["name"] == "speed"]
    assert members(answer) == members(example("strandline.collected/1"))


def test_the_example_of_a_post_is_what_a_page_sends() -> None:
    (post,) = [one for one in EXAMPLES if "reports" in one and "key" in one]
    assert list(post["reports"][0]) == list(samples.report())


def test_every_endpoint_is_described(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path / "test.db")
    app = Collector(storage, Settings(Access.of("127.0.0.1"))).asgi()
    storage.close()
    assert isinstance(app, Guard)
    routes = app.app.routes  # type: ignore[attr-defined]
    paths = {route.path for route in routes if isinstance(route, Route | Mount)}
    assert len(paths) >= 10
    for path in paths:
        assert f"{path}`" in TEXT or f"{path}?" in TEXT or f"{path}/`" in TEXT, path
