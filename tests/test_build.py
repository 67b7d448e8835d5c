"""What build.py decides: staged manifests, names, environments, how a ring's result is read."""

import base64
import hashlib
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import build
from building import environments, extension, processes, rings, wheels

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
REPORT = '<testsuites><testsuite tests="{0}" failures="{1}" errors="{2}" skipped="{3}" time="2.4"/></testsuites>'


def test_a_staged_manifest_names_range_platform_and_wheels_and_changes_nothing_else():
    staged = extension.staged_manifest(MANIFEST, extension.LINES["3.11"], "linux-x64", ["b.whl", "a.whl"])
    read, plain = tomllib.loads(staged), tomllib.loads(MANIFEST)
    assert (read["blender_version_min"], read["blender_version_max"]) == ("4.5.0", "5.1.0")
    assert read["platforms"] == ["linux-x64"]
    assert read["wheels"] == ["./wheels/a.whl", "./wheels/b.whl"]
    added = {"blender_version_min", "blender_version_max", "platforms", "wheels"}
    assert {k: v for k, v in read.items() if k not in added} == {k: v for k, v in plain.items() if k not in added}


def test_the_newest_line_is_open_ended():
    staged = tomllib.loads(extension.staged_manifest(MANIFEST, extension.LINES["3.13"], "windows-x64", []))
    assert staged["blender_version_min"] == "5.1.0"
    assert "blender_version_max" not in staged


def test_a_manifest_without_a_minimum_is_refused():
    with pytest.raises(processes.BuildError):
        extension.staged_manifest('id = "mouthpiece"\n', extension.LINES["3.11"], "linux-x64", [])


def test_the_lines_meet_and_begin_with_the_manifests_minimum():
    assert extension.LINES["3.11"].minimum == tomllib.loads(MANIFEST)["blender_version_min"]
    assert extension.LINES["3.11"].maximum == extension.LINES["3.13"].minimum


def test_every_zip_has_a_name_of_its_own():
    names = {extension.zip_name("1.2.3", target, tag) for target in extension.PLATFORMS for tag in extension.LINES}
    assert len(names) == len(extension.PLATFORMS) * len(extension.LINES)


def make_wheel(path, files):
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)


def test_wheels_lose_what_nobody_needs_and_list_what_stays(tmp_path):
    files = {
        "c2pa/__init__.py": b"import x",
        "c2pa/libs/libc2pa_c.so": bytes(range(256)) * 9,
        "c2pa/libs/libc2pa_c.rlib": b"objects",
        "c2pa/libs/c2pa_c.lib": b"objects",
        "c2pa/build.py": b"download",
        "c2pa_python-0.38.0.dist-info/METADATA": b"Name: c2pa-python",
        "c2pa_python-0.38.0.dist-info/RECORD": b"old",
    }
    wheel = tmp_path / "c2pa_python-0.38.0-py3-none-any.whl"
    make_wheel(wheel, files)
    slim = wheels.slimmed(wheel, tmp_path / "slim")
    kept = ["c2pa/__init__.py", "c2pa/libs/libc2pa_c.so", "c2pa_python-0.38.0.dist-info/METADATA"]
    with zipfile.ZipFile(slim) as read:
        assert sorted(read.namelist()) == sorted([*kept, "c2pa_python-0.38.0.dist-info/RECORD"])
        assert all(read.read(name) == files[name] for name in kept)
        rows = [line.split(",") for line in read.read("c2pa_python-0.38.0.dist-info/RECORD").decode().splitlines()]
    assert [row[0] for row in rows] == [*kept, "c2pa_python-0.38.0.dist-info/RECORD"]
    digest = base64.urlsafe_b64encode(hashlib.sha256(files[kept[1]]).digest()).decode().rstrip("=")
    assert rows[1][1:] == [f"sha256={digest}", "2304"] and rows[-1][1:] == ["", ""]
    assert wheels.slimmed(wheel, tmp_path / "slim") == slim
    other = tmp_path / "other-1-py3-none-any.whl"
    make_wheel(other, {"other/tests/a.py": b""})
    assert wheels.slimmed(other, tmp_path / "slim") == other


def test_a_package_without_a_wheel_for_a_platform_is_taken_in_an_older_version_there_only(tmp_path, monkeypatch):
    fetched = []

    def check(command, failure):
        fetched.append(command[-1])
        name, version = command[-1].split("==")
        make_wheel(command[command.index("--dest") + 1] / f"{name}-{version}-cp311-abi3-any.whl", {})

    monkeypatch.setattr(extension, "WHEELS", tmp_path)
    monkeypatch.setattr(extension, "check", check)
    for target in ("windows-x64", "windows-arm64", "windows-arm64"):
        (tmp_path / f"{target}-3.13").mkdir(exist_ok=True)
        extension.third_party_wheel(Path(sys.executable), "cryptography", target, "3.13")
    newest, older = extension.THIRD_PARTY["cryptography"], extension.OLDER["windows-arm64", "cryptography"]
    assert fetched == [f"cryptography=={newest}", f"cryptography=={older}"] and newest != older
    for target, package in extension.OLDER:
        assert target in extension.PLATFORMS and package in extension.THIRD_PARTY


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("scipy/signal/tests/test_a.py", False),
        ("scipy/tests/x.npz", False),
        ("scipy/signal/_tests_a.py", True),
        ("scipy/optimize/_a.so", True),
        ("scipy-1.17.1.dist-info/METADATA", True),
    ],
)
def test_of_scipy_only_tests_are_left_out(name, stays):
    assert bool(wheels.LEFT_OUT["scipy"].fullmatch(name)) != stays


def test_sentences_of_the_manifest_obey_blenders_rules():
    plain = tomllib.loads(MANIFEST)
    for sentence in [plain["tagline"], *plain["permissions"].values()]:
        assert len(sentence) <= 64
        assert sentence[-1].isalnum()


def test_this_python_is_found():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = environments.find_python(version)
    assert found is not None
    assert processes.output([found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip() == version
    assert environments.find_python("2.1") is None


def test_an_environment_somebody_else_made_is_left_alone(tmp_path):
    folder = tmp_path / ".venv"
    folder.mkdir()
    (folder / "precious").touch()
    with pytest.raises(processes.BuildError, match="not made by build"):
        environments.make(folder, folder / "mouthpiece-stamp", sys.executable)
    assert (folder / "precious").exists()


def test_an_environment_is_made_anew_when_its_packages_change():
    one = environments.Environment(".venv-x", "3.11", ("numpy<2",))
    two = environments.Environment(".venv-x", "3.11", ("numpy<3",))
    assert environments.fingerprint(one) == environments.fingerprint(one)
    assert environments.fingerprint(one) != environments.fingerprint(two)


@pytest.mark.parametrize(
    ("numbers", "passed", "words"),
    [
        ((7, 1, 1, 2), 3, "3 passed, 2 failed, 2 skipped in 2 s"),
        ((0, 0, 0, 0), 0, "0 passed, 0 failed, 0 skipped in 2 s"),
    ],
)
def test_a_rings_counts_are_read_from_its_report(tmp_path, numbers, passed, words):
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(*numbers))
    assert rings.counted(report) == (passed, words)


def test_a_ring_that_died_has_passed_nothing(tmp_path):
    assert rings.counted(tmp_path / "none.xml")[0] == 0


def test_a_failing_or_hanging_command_is_noticed():
    assert processes.execute([sys.executable, "-c", "raise SystemExit(7)"]) == 7
    assert processes.execute([sys.executable, "-c", "import threading; threading.Event().wait()"], timeout=0.5) == 124
    with pytest.raises(processes.BuildError, match="the sentence"):
        processes.check([sys.executable, "-c", "raise SystemExit(7)"], "the sentence")


def test_wrong_arguments_end_with_2_and_errors_with_1(capsys):
    with pytest.raises(SystemExit) as stopped:
        build.main(["fly"])
    assert stopped.value.code == 2
    assert build.main(["demo", "--audio", "no such file.wav"]) == 1
    assert "no such file.wav" in capsys.readouterr().err


def test_pytests_arguments_come_after_two_dashes():
    options = build.parser().parse_args(["test", "--ring", "pure", "--", "-k", "curves"])
    assert (options.ring, options.pytest) == ("pure", ["-k", "curves"])


def test_samples_are_named_by_their_modules_and_unknown_ones_are_refused(capsys):
    names = build.sample_names()
    assert "shape_keys" in names
    assert "__init__" not in names
    options = build.parser().parse_args(["samples", "shape_keys", "--frames", "4"])
    assert (options.names, options.frames, Path(options.out)) == (["shape_keys"], 4, ROOT / "demo" / "out")
    assert build.main(["samples", "shape_keys", "no such sample"]) == 1
    said = capsys.readouterr().err
    assert "no such sample" in said and "shape_keys" in said


def fake_sheets(monkeypatch, codes):
    """Let `samples` run no Blender: each sample ends with its code, and those that end with 0 leave their files."""
    monkeypatch.setattr(build, "prepare_bpy", lambda environment: Path(sys.executable))

    def execute(command, settings, timeout):
        name, out = str(command[2]), Path(command[command.index("--out") + 1])
        if codes[name] == 0:
            (out / f"{name}.blend").touch()
            (out / f"{name}.png").touch()
        return codes[name]

    monkeypatch.setattr(build, "execute", execute)
    monkeypatch.setattr(build, "sample_names", lambda: tuple(codes))


def test_samples_say_where_they_are(monkeypatch, tmp_path, capsys):
    fake_sheets(monkeypatch, {"one": 0, "two": 0})
    assert build.main(["samples", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for name in ("one.blend", "one.png", "two.blend", "two.png"):
        assert str(tmp_path / name) in shown


def test_a_sample_that_cannot_be_made_does_not_stop_the_others_and_fails_the_command(monkeypatch, tmp_path, capsys):
    (tmp_path / "one.png").touch()
    fake_sheets(monkeypatch, {"one": 1, "two": 0})
    assert build.main(["samples", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert not (tmp_path / "one.png").exists(), "a sheet of an earlier run would be taken for this one's"
    assert (tmp_path / "two.png").exists()
    assert "Not made: one;" in said.err


def test_screenshots_want_a_blender(capsys):
    with pytest.raises(SystemExit) as stopped:
        build.main(["screenshots"])
    assert stopped.value.code == 2
    assert "--blender" in capsys.readouterr().err


def test_something_that_is_no_blender_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(build.shutil, "which", lambda name: "/usr/bin/Xvfb")
    assert build.main(["screenshots", "--blender", sys.executable]) == 1
    assert "does not start as Blender" in capsys.readouterr().err


def test_screenshots_need_a_virtual_screen(monkeypatch, capsys):
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert build.main(["screenshots", "--blender", "blender"]) == 1
    assert "Xvfb" in capsys.readouterr().err
