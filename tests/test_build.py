"""What build.py decides: staged manifests, names, environments, how a ring's result is read."""

import base64
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

import build
from building import environments, extension, guide, processes, rings, schedule, wheels
from building.schedule import Job, Outcome

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
    assert rings.counted(report) == ((passed, numbers[1] + numbers[2], numbers[3]), words)


def test_a_ring_that_died_has_passed_nothing(tmp_path):
    assert rings.counted(tmp_path / "none.xml")[0] == (0, 0, 0)
    (tmp_path / "half.xml").write_text("<testsuites><testsuite tests=")
    assert rings.counted(tmp_path / "half.xml")[0] == (0, 0, 0)


# Jobs side by side


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Let logs and reports be written to a folder of this test."""
    monkeypatch.setattr(schedule, "LOGS", tmp_path)
    monkeypatch.setattr(rings, "LOGS", tmp_path)
    return tmp_path


def job(name, work=lambda: None, fine=True, **more):
    """Return a job that does some work, says its name, and goes well or not."""

    def action():
        work()
        processes.say(f"{name} speaks")
        return Outcome(name, fine, "words", (1, not fine, 0))

    return Job(name, action, **more)


def test_jobs_run_side_by_side_and_begin_after_what_they_wait_for(logs):
    together = threading.Barrier(2, timeout=20)  # breaks unless both are there at the same time
    done = []
    jobs = [
        job("last", lambda: done.append("last"), after=("one", "two")),
        job("one", lambda: (together.wait(), done.append("one"))),
        job("two", lambda: (together.wait(), done.append("two"))),
    ]
    outcomes = schedule.side_by_side(jobs, 2)
    assert [outcome.ring for outcome in outcomes] == ["last", "one", "two"]
    assert all(outcome.fine for outcome in outcomes)
    assert done[-1] == "last"


def test_no_more_run_than_there_are_lanes_but_for_those_that_wait_for_the_network(logs):
    fetched, lock, running, most = threading.Event(), threading.Lock(), [], []

    def work():
        with lock:
            running.append(1)
            most.append(len(running))
        fetched.wait(20)
        with lock:
            running.pop()

    computing = [job(str(number), work) for number in range(4)]
    assert all(found.fine for found in schedule.side_by_side([*computing, job("net", fetched.set, aside=True)], 1))
    assert max(most) == 1


def test_what_takes_longest_in_all_begins_first(logs):
    begun = []
    lengths = {"short": 1, "long": 9, "makes ready": 1, "waits": 10}
    jobs = [
        job(name, lambda name=name: begun.append(name), seconds=length, after=("makes ready",) * (name == "waits"))
        for name, length in lengths.items()
    ]
    schedule.side_by_side(jobs, 1)
    assert begun == ["makes ready", "waits", "long", "short"]


def test_logs_are_shown_whole_and_in_the_order_given(logs, capfd):
    ended = threading.Event()

    def slow():
        processes.execute([sys.executable, "-c", "print('slow begins', flush=True)"])
        ended.wait(20)

    schedule.side_by_side([job("slow", slow), job("quick", ended.set)], 2)
    shown = capfd.readouterr().out.split("\n=== ")[1:]
    assert [part.split(" ===")[0] for part in shown] == ["slow", "quick"]
    assert "slow begins" in shown[0] and "slow speaks" in shown[0] and "slow" not in shown[1]
    assert "slow begins" in (logs / "slow.log").read_text()


def test_one_by_one_is_shown_as_it_goes_on(logs, capsys):
    outcomes = schedule.one_by_one([job("second", after=("first",)), job("first", lambda: None)])
    assert [outcome.ring for outcome in outcomes] == ["second", "first"]
    assert capsys.readouterr().out.split("\n")[2::3] == ["first speaks", "second speaks"]
    assert not list(logs.iterdir())


@pytest.mark.parametrize("lanes", [1, 2])
def test_what_waits_for_something_that_failed_is_not_run_and_fails(logs, lanes):
    ran = []

    def broken():
        raise processes.BuildError("no packages")

    jobs = [job("ring", lambda: ran.append(1), after=("packages",)), job("packages", broken), job("other")]
    ring, packages, other = schedule.side_by_side(jobs, 2) if lanes > 1 else schedule.one_by_one(jobs)
    assert (packages.fine, packages.words) == (False, "no packages")
    assert (ring.fine, ring.words) == (False, "not run: packages failed") and not ran
    assert other.fine


def test_a_mistake_in_a_job_is_its_failure_and_is_told_in_its_log(logs):
    (found,) = schedule.side_by_side([job("ring", lambda: 1 / 0)], 2)
    assert (found.fine, found.words) == (False, "ZeroDivisionError: division by zero")
    assert "Traceback" in (logs / "ring.log").read_text()


def test_jobs_that_wait_for_one_another_are_refused():
    with pytest.raises(processes.BuildError, match="wait for one another: a, b"):
        schedule.in_order([job("a", after=("b",)), job("b", after=("a",))])


def test_a_dying_ring_is_reported(logs):
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    (logs / "sitecustomize.py").write_text(kill)
    dying = Job("ring", lambda: rings.run_pytest("ring", Path(sys.executable), [], {"PYTHONPATH": str(logs)}))
    (found,) = schedule.side_by_side([dying], 2)
    assert (found.fine, found.words) == (False, "no report: the run died; exit code -9")


def test_a_ring_is_run_counted_and_fails_if_nothing_passed(logs):
    tests = logs / "test_few.py"
    tests.write_text("def test_a():\n    pass\n\n\ndef test_b():\n    assert False\n")
    (logs / "pytest.ini").touch()
    run = [tests, "-c", logs / "pytest.ini"]
    found = rings.run_pytest("ring", Path(sys.executable), [*run, "-k", "test_a"], {})
    assert found.fine and found.counts == (1, 0, 0)
    found = rings.run_pytest("ring", Path(sys.executable), run, {})
    assert not found.fine and found.counts == (1, 1, 0)
    found = rings.run_pytest("ring", Path(sys.executable), [*run, "-k", "absent"], {})
    assert not found.fine and found.words.endswith("exit code 5")


def test_stopping_kills_what_runs_and_shows_what_was_said(tmp_path):
    """In a program of its own, which is sent what Ctrl C sends: its children must not outlive it."""
    child = "import os, time; print('child', os.getpid(), flush=True); time.sleep(60)"
    program = (
        "import pathlib, signal, sys; from building import processes, schedule as s\n"
        # who starts the tests in the background may have them ignore Ctrl C
        "signal.signal(signal.SIGINT, signal.default_int_handler); s.LOGS = pathlib.Path(sys.argv[1])\n"
        f"run = lambda: s.Outcome('a', processes.execute([sys.executable, '-c', {child!r}]) == 0, '')\n"
        "s.side_by_side([s.Job('a test of stopping', run), s.Job('never begun', run)], 1)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        log = tmp_path / "a-test-of-stopping.log"
        until = time.monotonic() + 30
        while "child " not in (log.read_text() if log.is_file() else "") and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        shown = process.communicate(timeout=30)[0]
    assert process.returncode not in (0, None)
    number = int(re.search(r"^child (\d+)$", shown, re.M)[1])
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert "never begun: begins" not in shown


# Which jobs


def planned(*words, shared=True):
    """Return the planned jobs of a command line by name."""
    options = build.parser().parse_args(["test", *words])
    return {job.name: job for job in rings.jobs(options, shared)}


@pytest.fixture
def every_python(monkeypatch):
    monkeypatch.setattr(rings, "find_python", lambda version: sys.executable)
    monkeypatch.delenv("BLENDER", raising=False)


def test_every_environment_is_made_by_one_job_and_rings_wait_for_it(every_python):
    jobs = planned("--training")
    folders = {environment.folder for environment in (*environments.BPY.values(), environments.dev(True))}
    assert {name for name in jobs if name.startswith(".venv")} == folders
    assert {name for job in jobs.values() for name in job.after} == folders
    assert jobs["bpy 5.2 life"].after == (".venv-bpy52",)
    assert {name for name, job in jobs.items() if job.after == (".venv-train",)} == {"pure", "training"}


def test_rings_that_ask_for_the_same_environment_make_it_once(monkeypatch):
    made = []
    monkeypatch.setattr(environments, "stands", lambda environment: bool(made))
    monkeypatch.setattr(environments, "install", lambda environment: (time.sleep(0.05), made.append(environment)))
    threads = [threading.Thread(target=environments.prepare, args=(environments.BPY45,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [environments.BPY45]


def test_the_shares_of_a_split_ring_are_all_its_tests(every_python):
    jobs = planned("--ring", "bpy", "--bpy", "4.5")
    assert [name for name in jobs if name.startswith("bpy")] == ["bpy 4.5", "bpy 4.5 life"]
    assert list(planned("--ring", "bpy", "--bpy", "4.5", shared=False)) == [".venv", "bpy 4.5"]
    every = {path.name for path in (ROOT / "blender_tests").glob("test_*.py")}
    life = {Path(path).name for path in rings.SHARES["life"]}
    assert life == {name for name in every if name.startswith("test_life_")} and life
    assert "--ignore-glob=*/test_life_*.py" in rings.SHARES[""] and set(rings.OUTER) < set(rings.SHARES[""])


def test_a_ring_that_was_asked_for_and_cannot_run_fails(every_python, monkeypatch):
    assert planned()["real Blender"].action().fine
    assert not planned("--ring", "real")["real Blender"].action().fine
    monkeypatch.setattr(rings, "find_python", lambda version: None)
    monkeypatch.setattr(rings, "stands", lambda environment: False)
    assert planned()["Blender 5.2"].action().fine
    assert not planned("--bpy", "all")["Blender 5.2"].action().fine


def test_ci_fetches_a_blender_and_leaves_its_ring_out_where_there_is_none(every_python, monkeypatch, tmp_path):
    jobs = planned("--ci")
    assert jobs["fetch Blender"].aside and "fetch Blender" in jobs["real Blender"].after
    monkeypatch.setattr(rings, "FETCHED", tmp_path / "none")
    found = jobs["real Blender"].action()
    assert found.fine and found.words == "left out: no Blender could be fetched"
    assert "fetch Blender" not in planned("--ci", "--blender", "/somewhere/blender")


def test_ci_tries_mutated_files_and_says_what_became_of_them(every_python, monkeypatch, logs):
    assert planned()["fuzz"].action().words.startswith("left out") and planned("--ring", "fuzz")["fuzz"].after
    job = planned("--ci")["fuzz"]
    assert job.after == (".venv-train",)
    ran = []

    def execute(command, **options):
        ran.append([str(word) for word in command])
        (logs / "fuzz.txt").write_text("900 inputs, seed 1: 2 faults\n")
        return 1

    monkeypatch.setattr(rings, "execute", execute)
    found = job.action()
    assert (found.fine, found.words) == (False, "900 inputs, seed 1: 2 faults")
    assert ran[0][1:3] == ["-m", "tests.fuzz"]


def test_the_table_has_all_rings_and_their_sum():
    jobs = [job("pure"), job(".venv", quiet=True), job("bpy 4.5")]
    outcomes = [
        Outcome("pure", True, "x", (3, 0, 1)),
        Outcome(".venv", True, ""),
        Outcome("bpy 4.5", False, "y", (2, 1, 0)),
    ]
    rows = [row.split() for row in schedule.table(jobs, outcomes).splitlines()]
    assert rows[1:3] == [["pure", "ok", "x"], ["bpy", "4.5", "FAILED", "y"]]
    assert " ".join(rows[3]) == "all FAILED 5 passed, 1 failed, 1 skipped"


@pytest.mark.parametrize(("fine", "code"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("lanes", ["1", "2"])
def test_a_failing_ring_fails_the_whole(monkeypatch, logs, capsys, fine, code, lanes):
    jobs = [job("one", fine=fine), job("two")]
    monkeypatch.setattr(build.rings, "jobs", lambda options, shared: jobs)
    assert build.main(["test", "--jobs", lanes]) == code
    assert f"all {'ok    ' if fine else 'FAILED'} 2 passed" in capsys.readouterr().out


def test_a_ring_asked_for_is_shown_as_it_goes_on_and_not_split(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(build.rings, "jobs", lambda options, shared: asked.append(shared) or [job("one")])
    monkeypatch.setattr(build, "cores", lambda: 4)
    monkeypatch.setattr(
        build, "side_by_side", lambda jobs, lanes: asked.append(lanes) or [job.action() for job in jobs]
    )
    assert build.main(["test", "--ring", "pure"]) == 0
    assert build.main(["test", "--", "-k", "curves"]) == 0
    assert build.main(["test"]) == 0
    assert asked == [False, False, 4, True, 4]


# Environments


def test_torchs_cpu_build_is_taken_where_pip_is_offered_one(monkeypatch, capsys):
    commands, code = [], 0
    monkeypatch.setattr(environments, "execute", lambda command: commands.append(command) or code)
    environments.install_torch(["pip", "install"])
    assert commands[0][:2] == ["pip", "install"]
    assert commands[0][2] in environments.pyproject()["project"]["optional-dependencies"]["train"][-1] + "+cpu"
    assert "CUDA" not in capsys.readouterr().out
    code = 1
    environments.install_torch(["pip", "install"])
    assert "CUDA" in capsys.readouterr().out


def test_only_what_is_installed_decides_over_the_checkouts_environment(monkeypatch):
    project = environments.pyproject()
    before = environments.fingerprint(environments.dev())
    monkeypatch.setattr(environments, "pyproject", lambda: project)
    project["tool"]["ruff"]["line-length"] = 80
    assert environments.fingerprint(environments.dev()) == before
    project["project"]["optional-dependencies"]["dev"].append("another")
    assert environments.fingerprint(environments.dev()) != before


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


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ([], ["tests"]),
        (["-k", "vrm", "-x"], ["tests", "-k", "vrm", "-x"]),
        (["tests/test_files.py"], ["tests/test_files.py"]),
        (["-q", "tests/test_files.py::test_names", "-x"], ["-q", "tests/test_files.py::test_names", "-x"]),
    ],
)
def test_files_that_are_named_are_all_that_runs(arguments, given):
    assert rings.tests_of("tests", arguments) == given


def test_a_ring_nobody_has_measured_is_planned_all_the_same():
    assert rings.pytest_job("bpy 9.9", environments.BPY45, []).seconds > 0


def test_an_environment_that_is_a_link_is_left_alone(tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / ".venv").symlink_to(other)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    with pytest.raises(processes.BuildError, match="is a link"):
        environments.install(environments.BPY45)
    assert not any(other.iterdir())


def test_the_guide_has_every_page_and_no_link_leads_nowhere():
    page = guide.page("1.2.3")
    assert "Mouthpiece 1.2.3" in page and "](" not in page and "```" not in page
    anchors = set(re.findall(r'id="([^"]+)"', page))
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert len(links) > 10 and not links - anchors
    assert 'href="http' not in page and "<img" not in page and "<script" not in page


def test_markdown_becomes_the_page_one_reads():
    text = "# One & all\n\nSee **bold**, *cursive*, `a < b` and [dials](dials.md).\n"
    text += "\n| a | b |\n|---|---|\n| 1 | `x|y` |\n"
    text += "\n* first\n  goes on\n* second\n\n```\na < b\n```\n"
    made = guide.markup(text.replace("x|y", "x\\|y"), "blender.md")
    assert "<h1" in made and "One &amp; all</h1>" in made
    assert "<b>bold</b>, <i>cursive</i>, <code>a &lt; b</code>" in made and 'href="#dials"' in made
    assert "<th>a</th>" in made and "<td><code>x|y</code></td>" in made
    assert "<li>first goes on</li><li>second</li>" in made and "<pre>a &lt; b</pre>" in made
    with pytest.raises(guide.BuildError, match="no end"):
        guide.markup("```\na", "blender.md")
