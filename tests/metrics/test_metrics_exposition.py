"""The figures as a monitoring system reads them: by its own parser, bounded, and without secrets or meters."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from agent.metrics.exposition import Family, counter, exposition, gauge


def test_each_family_says_what_it_is() -> None:
    reads = Family("mrsp_reads_total", "counter", "Visits.", {("silent",): 2, ("complete",): 7}, ("outcome",))
    text = exposition(
        [reads, gauge("mrsp_x", "A back\\slash\nand a line.", Decimal("-0.000652")), gauge("gone", "", None)]
    )
    assert text == (
        "# HELP mrsp_reads_total Visits.\n# TYPE mrsp_reads_total counter\n"
        'mrsp_reads_total{outcome="complete"} 7\nmrsp_reads_total{outcome="silent"} 2\n'
        "# HELP mrsp_x A back\\\\slash\\nand a line.\n# TYPE mrsp_x gauge\nmrsp_x -0.000652\n"
    )


@given(st.text(), st.text(), st.integers(-(10**12), 10**12))
def test_any_label_and_meaning_comes_out_as_it_went_in(label: str, meaning: str, value: int) -> None:
    text = exposition(
        [Family("mrsp_x", "gauge", meaning.replace("\r", ""), {(label.replace("\r", ""),): value}, ("why",))]
    )
    assert text.endswith("\n")
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert len(lines) == 1
    assert lines[0].startswith('mrsp_x{why="')
    assert lines[0].endswith(f" {value}")


@given(st.dictionaries(st.sampled_from(["a", "b_c", "d e", 'q"', "s\\n", "é\n"]), st.integers(0, 10**9), min_size=1))
def test_the_parser_of_prometheus_reads_the_same_numbers(counts: dict[str, int]) -> None:
    text = exposition([Family("mrsp_x_total", "counter", "X.", {(key,): n for key, n in counts.items()}, ("why",))])
    (family,) = text_string_to_metric_families(text)
    assert family.type == "counter"
    assert {sample.labels["why"]: sample.value for sample in family.samples} == counts


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be names"):
        gauge("mrsp-x", "", 1)
    with pytest.raises(ValueError, match="must end with _total"):
        counter("mrsp_reads", "", 1)
