"""Looking operators up, and what is said when one is not there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from strandline.onnx.graph import Node
from strandline.ops import UnsupportedOperator, find, supported


def test_the_newest_version_not_after_the_models_opset() -> None:
    node = Node("Softmax", ("x",), ("y",))
    assert [find(node, {"": v}).since for v in (1, 12, 13, 21)] == [1, 1, 13, 13]


def test_ai_onnx_is_the_default_domain() -> None:
    assert find(Node("Relu", ("x",), ("y",), domain="ai.onnx"), {"ai.onnx": 14}).name == "Relu"


def test_an_unknown_operator_is_named_with_its_version() -> None:
    with pytest.raises(UnsupportedOperator, match=r"com\.example\.Twist \(opset 3\).*my node"):
        find(Node("Twist", (), (), domain="com.example", name="my node"), {"com.example": 3})


def test_a_version_older_than_the_table_is_refused() -> None:
    with pytest.raises(UnsupportedOperator, match="opset 8"):
        find(Node("Erf", ("x",), ("y",)), {"": 8})


def test_an_attribute_that_the_version_lacks_is_named() -> None:
    node = Node("Relu", ("x",), ("y",), {"slope": 0.5})
    with pytest.raises(UnsupportedOperator, match="has no attribute slope"):
        find(node, {"": 14}).attrs(node)


def test_a_required_attribute_is_missed() -> None:
    node = Node("Cast", ("x",), ("y",))
    with pytest.raises(UnsupportedOperator, match="attribute to is required"):
        find(node, {"": 13}).attrs(node)


def test_defaults_are_those_of_the_standard() -> None:
    """Wherever the standard states one for the newest version of an operator."""
    import onnx.defs

    wrong = []
    for (domain, name), versions in supported().items():
        if domain in ("strandline", "com.microsoft"):
            continue  # not in the standard
        schema = onnx.defs.get_schema(name, domain=domain)
        for key, attribute in schema.attributes.items():
            if not attribute.default_value.name or versions[0].defaults.get(key) is None:
                continue  # nothing stated, or decided where more is known
            ours = versions[0].defaults[key]
            stated = onnx.helper.get_attribute_value(attribute.default_value)
            stated = stated.decode() if isinstance(stated, bytes) else stated
            stated = tuple(stated) if isinstance(stated, list) else stated
            if isinstance(stated, float):
                stated = pytest.approx(stated, rel=1e-6)
            if ours != stated:
                wrong.append((name, key, ours, stated))
    assert not wrong


def test_importing_the_operators_does_not_import_numpy() -> None:
    code = "import sys, strandline.ops; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
