"""The report: the fields of the contract, the page and the table, and what a hostile text cannot do in them."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from agent.bench.conduct import assess
from agent.bench.history import MeterTests
from agent.bench.report.compose import About, Equipped, Made, report_of, result_of
from agent.bench.report.curve import curve
from agent.bench.report.document import MeterTest, decoded
from agent.bench.report.page import Signature, as_html
from agent.bench.report.reading import read_report
from agent.bench.report.table import COLUMNS, as_csv
from agent.bench.rules import load_test_rules
from agent.bench.runner import run_points
from agent.errors import UsageError
from agent.keys import create_device_key
from agent.order import Site
from agent.seal import ChainHead, Sealer
from drivers.instruments.schema import Kind
from drivers.instruments.values import InstrumentIdentity
from tests.bench.bench_kit import CREEP, HALF, PLAN, Watched, World, hooks, ideal, loaded, ready
from tests.vectors.make import FILE

AT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)  # a Friday, also in Denver
WHO: dict[Kind, InstrumentIdentity] = {
    kind: InstrumentIdentity("METERSIM", kind.upper(), "7", "1.0") for kind in ("source", "standard", "counter")
}
HOSTILE = "</title><script>alert('\"1\"')</script>&amp;"


async def made_report(tmp_path: Path, about: About, *, error: float = 0.5, found: MeterTest | None = None) -> MeterTest:
    """Return the report of a test on an ideal bench."""
    plan = loaded(tmp_path, PLAN + HALF + CREEP)
    rules, world = load_test_rules("ubp-2000"), World(error=error, noise=0.01)
    bench, *_ = ideal(world, plan.plan)
    taken = await run_points(plan.plan, bench, Watched(), hooks(world))
    prepared = ready(plan.plan, rules)
    assessed = assess(plan.plan, rules, prepared, taken)
    made = Made("gw-1", "MSP-7", AT, AT, ZoneInfo("America/Denver"), clock_proven=True)
    result = result_of(plan.plan, taken, assessed.verdict, assessed.figures, about, made)
    return report_of(Equipped(plan, rules, prepared, WHO), result, about, made, found.as_found if found else None)


@pytest.fixture
async def report(tmp_path: Path) -> MeterTest:
    site = Site(customer_id="C-1", service_delivery_point_id="SDP-1", energy_supplier_id="ES-1")
    about = About("B-1", "A. Smith", "as_found", site, "WO-1", "complaint", ("J. Doe",), None, "rain")
    return await made_report(tmp_path, about)


def test_it_has_every_field_of_the_transaction(report: MeterTest) -> None:
    tree = json.loads(msgspec.json.encode(report))
    assert {
        key: tree[key] for key in ("customer_id", "service_delivery_point_id", "meter_id", "energy_supplier_id")
    } == {
        "customer_id": "C-1",
        "service_delivery_point_id": "SDP-1",
        "meter_id": "B-1",
        "energy_supplier_id": "ES-1",
    }
    assert (tree["msp_id"], tree["test_date"], tree["witnesses"]) == ("MSP-7", "2026-11-20", ["J. Doe"])
    assert tree["tests_performed"] == [
        "heavy load registration", "light load registration", "registration at further loads", "creep",
    ]  # fmt: skip
    assert (tree["test_conditions"], tree["test_reason"]) == ("rain", "complaint")
    assert tree["as_found"]["outcome"] == "pass"
    assert "as_left" not in tree
    assert tree["due_by"] == "2026-11-24T06:59:59Z"  # the Monday after that Friday, in Denver
    assert [one["certificate"] for one in tree["instruments"]] == ["C-src", "C-ref", "C-cnt"]
    assert not re.search(rb":-?[0-9]+\.", msgspec.json.encode(report))  # no binary float anywhere
    assert decoded(msgspec.json.encode(report)) == report


def test_its_figures_can_be_repeated_from_the_runs(report: MeterTest) -> None:
    assert report.as_found is not None
    for point in report.as_found.points:
        for run in point.runs:
            again = 100 * float(run.meter_wh) / float(run.standard_wh)
            assert abs(again - float(run.registration)) <= 0.0006


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


async def test_a_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    about = About(HOSTILE, HOSTILE, "as_found", Site(customer_id=HOSTILE), HOSTILE, HOSTILE, (HOSTILE,), None, HOSTILE)
    page = as_html(await made_report(tmp_path, about), Signature(HOSTILE, 3, HOSTILE, verified=True))
    seen = Page(page)
    assert not {"script", "img", "link", "iframe", "object", "a", "form"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in {"href", "src"}]
    assert b"http" not in page.replace(b"http-equiv", b"")
    assert b"default-src 'none'" in page
    assert page.count(b"&lt;script&gt;") >= 6


def test_the_page_shows_figures_budget_and_traceability(report: MeterTest) -> None:
    assert report.as_found is not None
    text = as_html(report, Signature("kid-1", 7, "d1", verified=True)).decode()
    average = report.as_found.average
    assert average is not None
    for said in (average.registration, average.expanded, "C-ref", report.plan.sha256, "repeatability", "verifies", "∞"):
        assert said in text
    svg = curve(report.as_found)
    assert svg.count("<circle") == 3
    assert svg.count('class="dot other"') == 1  # the point at half power factor


async def test_the_page_names_every_field_of_the_transaction_also_where_nobody_said_it(tmp_path: Path) -> None:
    text = as_html(await made_report(tmp_path, About("B-1", "A", "as_found"))).decode()
    for name in (
        "Customer", "Service delivery point", "Meter", "Energy supplier", "MSP performing the test", "Test date",
        "Tests performed", "Witnesses", "Work performed", "Test conditions",
    ):  # fmt: skip
        assert f'<th scope="row">{name}</th>' in text
    assert text.count("not stated") == 3
    assert "30 A (100 % of rating), power factor 1; measured" in text


def test_a_meter_that_does_not_register_has_no_curve(report: MeterTest) -> None:
    assert report.as_found is not None
    silent = tuple(msgspec.structs.replace(one, figure=None, runs=(), silent=True) for one in report.as_found.points)
    result = msgspec.structs.replace(report.as_found, points=silent, average=None, outcome="not_registering")
    dead = msgspec.structs.replace(report, as_found=result, outcome="not_registering")
    assert curve(result) == ""
    assert "no pulse" in as_html(dead).decode()
    assert len(list(csv.DictReader(io.StringIO(as_csv(dead).decode())))) == 4


async def test_the_table_has_a_line_a_run_and_no_formula(tmp_path: Path) -> None:
    about = About("=1+1", "@cmd", "as_found", Site(customer_id="-2", energy_supplier_id="+3"))
    rows = list(csv.DictReader(io.StringIO(as_csv(await made_report(tmp_path, about)).decode(), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [row["point"] for row in rows] == [*["heavy"] * 3, *["light"] * 3, *["half"] * 3, "creep", "final average"]
    assert (rows[0]["meter_id"], rows[0]["tester"]) == ("'=1+1", "'@cmd")
    assert (rows[0]["customer_id"], rows[0]["energy_supplier_id"]) == ("'-2", "'+3")


async def test_both_tests_of_a_meter_are_in_its_as_left_report(tmp_path: Path) -> None:
    found = await made_report(tmp_path, About("B-1", "A", "as_found"), error=3.0)
    left = await made_report(tmp_path, About("B-1", "A", "as_left", work_performed="adjusted"), error=0.1, found=found)
    assert (found.outcome, left.outcome) == ("fail", "pass")
    text = as_html(left).decode()
    assert "As found: Fail" in text
    assert "As left: Pass" in text
    rows = list(csv.DictReader(io.StringIO(as_csv(left).decode())))
    assert [row["tests"] for row in rows].count("as found") == [row["tests"] for row in rows].count("as left")


def test_a_signed_report_is_verified_and_an_altered_one_is_not_shown(report: MeterTest, tmp_path: Path) -> None:
    sealer = Sealer(create_device_key(tmp_path / "keys"))
    token = sealer.seal(msgspec.json.encode(report), document_id=report.report_id, after=ChainHead()).body
    file = tmp_path / "report.jws"
    file.write_bytes(token)
    shown, signature = read_report(file, [sealer.public_key()])
    assert (shown, signature.verified, signature.link) == (report, True, 1)
    assert read_report(file)[1].verified is None
    file.write_bytes(token[:-8] + b"AAAAAAAA")
    with pytest.raises(UsageError, match="does not verify"):
        read_report(file, [sealer.public_key()])


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"{}", b"a.b.c", b"\xff\xfe", b'{"schema": "mrsp.reading/1"}']
)
def test_what_is_no_report_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UsageError):
        read_report(tmp_path / "x")


async def test_the_history_keeps_what_was_found_and_how_it_was_left(report: MeterTest, tmp_path: Path) -> None:
    history = MeterTests(tmp_path / "tests.sqlite", create=True)
    left = msgspec.structs.replace(report, report_id="r-2", stage="as_left", as_left=report.as_found)
    other = msgspec.structs.replace(report, report_id="r-3", meter_id="B-2")
    for one in (report, left, other):
        history.add(one)
        if one is report:
            found = history.found_last("B-1")
            assert found is not None
            assert found.report_id == report.report_id
    assert history.found_last("B-1") is None
    assert [one.report_id for one in history.of("B-1")] == ["r-2", report.report_id]
    assert [one.report_id for one in history.owed()] == [report.report_id, "r-2", "r-3"]
    history.stored(msgspec.structs.replace(left, sequence=7))
    assert [one.report_id for one in history.owed()] == [report.report_id, "r-3"]
    shown = history.report("r-2")
    assert shown is not None
    assert shown.sequence == 7
    assert history.report("r-9") is None
    history.close()


async def test_a_meter_that_was_left_outside_is_worked_on_again(report: MeterTest, tmp_path: Path) -> None:
    assert report.as_found is not None
    found = msgspec.structs.replace(report.as_found, report_id=report.report_id)
    left = msgspec.structs.replace(report, report_id="r-2", stage="as_left", as_found=found, outcome="fail")
    history = MeterTests(tmp_path / "tests.sqlite", create=True)
    history.add(report)
    history.add(left)
    assert history.found_last("B-1") == found
    history.add(msgspec.structs.replace(left, report_id="r-3", outcome="pass"))
    assert history.found_last("B-1") is None
    history.close()


def test_the_vector_of_the_contract_is_a_report() -> None:
    vector = json.loads(FILE.read_text("utf-8"))["meter_test"]
    report = decoded(vector["document"].encode())
    assert (report.agent_id, report.outcome, report.stage) == ("gw-0001", "fail", "as_found")
    assert set(json.loads(vector["document"])) <= set(MeterTest.__struct_fields__)
