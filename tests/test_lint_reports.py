"""What is found, as text, JSON, JUnit's XML, GitHub's commands and in five lines: read back as others read it."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from mouthpiece.lint.checks import Examination
from mouthpiece.lint.findings import Finding
from mouthpiece.lint.limits import CHECKS
from mouthpiece.lint.measures import Fault, Measure
from mouthpiece.lint.reports import LintReport, as_dict, as_github, as_json, as_junit, summary, told

NASTY = '100 % <late>,\nsays: "Ada & Bob" ::error::\x1b[31m'


def fault(check, line, value, limit=100.0, sentence="It is late.", begin=1.0, first=None):
    last = None if first is None else first + 24
    finding = Finding(check, "Ada", line, begin, begin + 1, value, limit, sentence, "Move it.", first, last)
    return finding, Measure(check, line, value, limit, (Fault(25, 49, value, sentence, "Move it."),))


def report(*pairs, source="take.npz", more=(), **other):
    findings, measures = zip(*pairs, strict=True) if pairs else ((), ())
    return LintReport(source, (Examination("Ada", (*measures, *more), findings),), **other)


@pytest.fixture
def reports():
    return [
        report(
            fault("sync", "line 1", 180.0),
            fault("sync", "line 2", 130.0, begin=66.2, first=1589),
            fault("frozen", "", 7.0, 3.0, "It stands still."),
            more=(
                Measure("drift", "line 1", None, 45.0, remark="no line is long enough"),
                Measure("jump", "", 0.4, 2.0),
            ),
        ),
        LintReport("broken.npz", error="There is no take at 'broken.npz'. Check the path."),
        report(source="good.npz", more=(Measure("sync", "line", 3.0, 100.0),)),
    ]


def test_text_is_grouped_by_file_character_and_line(reports):
    text = told(reports)
    assert re.search(r"^take.npz: 3 findings\n  Ada\n    between and across lines\n", text)
    assert text.index("between") < text.index("line 1") < text.index("line 2")
    assert "1:06.20 to 1:07.20 (frames 1589 to 1613)  sync: It is late. [130 ms, at most 100]\n        Move it." in text
    assert "not judged: drift (no line is long enough)" in text
    assert "broken.npz: There is no take" in text
    assert "good.npz: nothing is wrong" in text
    assert text.endswith("3 findings; 2 of 3 files not within limits")


def test_json_holds_all_figures(reports):
    result = json.loads(as_json(reports))
    assert result == as_dict(reports)
    assert result["ok"] is False
    assert result["findings"] == 3
    first, broken, good = result["results"]
    measures = {(row["check"], row["line"]): row for row in first["characters"][0]["measures"]}
    assert measures["jump", ""] == {
        "check": "jump", "line": "", "value": 0.4, "limit": 2.0, "unit": "times", "ok": True, "remark": "",
    }  # fmt: skip
    assert measures["drift", "line 1"]["value"] is None
    assert first["characters"][0]["findings"][1]["first"] == 1589
    assert broken["error"].startswith("There is no take")
    assert good["ok"] is True


def test_junit_has_a_case_for_each_check_and_line(reports):
    root = ET.fromstring(as_junit(reports))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("7", "3", "1")
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["take.npz: Ada", "broken.npz", "good.npz: Ada"]
    for suite in suites:
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases)
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
        assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
        assert all(case.get("classname") and case.get("name") for case in cases)
    cases = {case.get("name"): case for case in suites[0].findall("testcase")}
    assert cases["sync: line 2"].find("failure").get("message") == "It is late."
    assert (
        cases["sync: line 2"].find("failure").text == "1:06.20 to 1:07.20 (frames 1589 to 1613): It is late. Move it."
    )
    assert cases["jump"].find("failure") is None


def test_junit_survives_what_xml_does_not_have():
    nasty = report(fault("sync", NASTY, 180.0, sentence=NASTY), source="\x00" + NASTY)
    root = ET.fromstring(as_junit([nasty]))
    message = root.find("testsuite/testcase/failure").get("message")
    assert "<late>" in message
    assert "\x1b" not in message


def test_github_commands_end_where_they_should():
    nasty = report(fault("sync", NASTY, 180.0, sentence=NASTY), source="a,b:c%.npz")
    (line,) = as_github([nasty]).split("\n")
    command, properties, message = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line).groups()
    assert command == "warning"
    values = dict(part.split("=", 1) for part in properties.split(","))
    assert values["file"] == "a%2Cb%3Ac%25.npz"
    assert set(values) == {"file", "title"}
    unescaped = message.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    assert NASTY in unescaped


def test_github_tells_errors_and_that_nothing_is_wrong(reports):
    lines = as_github(reports).split("\n")
    assert [line.split(" ")[0] for line in lines] == ["::warning"] * 3 + ["::error"]
    assert as_github(reports[2:]).startswith("::notice ")


def test_a_summary_has_five_lines_at_most(reports):
    (examination,) = reports[0].examinations
    lines = summary(examination.findings, examination.measures)
    assert lines == [
        ("fault", "Frozen face: 7 s at 1.00 s"),
        ("fault", "Sync: 180 ms in 'line 1' at 1.00 s, and 1 more"),
        ("remark", "Not judged: drift (no line is long enough)"),
    ]
    many = [fault(check, "", 9.0, 1.0)[0] for check in CHECKS]
    assert len(summary(many)) == 5
    assert summary(many)[-1] == ("fault", f"{len(CHECKS) - 4} findings of other kinds")
    good = reports[2].examinations[0]
    assert summary(good.findings, good.measures) == [("good", "Nothing is wrong (1 check)")]
    assert summary([], []) == []
