"""What the command line does with streams that are closed, full or no longer read, and with names that attack them."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from mouthpiece import performance
from mouthpiece.cli import parser as core_cli
from mouthpiece.cli.report import NOT_READ, NotWritten, Reporter, shown

from tests.material import make_take

CORE = Path(core_cli.__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes streams")
NASTY = "a\x1b]0;owned\x07\x1b[2J\nerror: b\r\x9b1m‮gpj.npz"


@pytest.fixture
def take(tmp_path):
    return make_take().save(tmp_path / "take.npz")


def shell(line, **more):
    """Run a line in which MP is the program; return exit code, stdout and stderr."""
    environment = os.environ | {"PYTHONPATH": str(CORE), "MP": f"{sys.executable} -m mouthpiece"} | more
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, env=environment, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@POSIX
@pytest.mark.parametrize("command", ["inspect {}", "--help", "--version", "cues {}"])
def test_a_full_stdout_is_said(take, command):
    line = command.format(f"'{take}'")
    code, _, said = shell(f"$MP {line} >/dev/full")
    assert code == 1 and said == "error: The result cannot be written to standard output: No space left on device.\n"


@POSIX
def test_a_reader_that_left_is_told_by_the_exit_code_alone(take):
    read, write = os.pipe()
    os.close(read)
    environment = os.environ | {"PYTHONPATH": str(CORE)}
    for words in (["inspect", str(take)], ["--help"]):
        command = [sys.executable, "-m", "mouthpiece", *words]
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, timeout=60)
        assert (done.returncode, done.stderr) == (NOT_READ, b"")
    os.close(write)


@POSIX
def test_closed_streams_are_no_tracebacks_and_the_work_is_done(take, tmp_path):
    code, _, said = shell(f"$MP adjust '{take}' --lips 1.5 >&-")
    assert code == 1 and said == "error: The result cannot be written to standard output: it is closed.\n"
    assert performance.Performance.load(take).dials["lips"] == 1.5
    assert shell(f"$MP inspect '{take}' 2>&-")[0] == 0
    assert shell(f"$MP inspect '{tmp_path / 'none.npz'}' 2>&- >&- <&-")[0] == 1
    assert shell(f"$MP inspect '{tmp_path / 'none.npz'}' 2>/dev/full")[0] == 1
    # what is opened next is not taken for a stream
    assert shell(f"$MP adjust '{take}' --lips 1.2 2>&- >&- <&-")[0] == 1
    assert performance.Performance.load(take).dials["lips"] == 1.2


@POSIX
def test_what_libraries_print_is_not_among_our_lines(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, warnings, logging\n"
        "from mouthpiece.cli import inspect, parser\n"
        "def noisy(options):\n"
        "    warnings.warn('of numpy', RuntimeWarning)\n"
        "    logging.getLogger('PIL').warning('of Pillow')\n"
        "    os.write(2, b'of libmpg123\\n')\n"
        "    parser.Reporter(options.json).warning('x', 'ours')\n"
        "    return 0\n"
        "inspect.run_inspect = noisy\n"
        "sys.exit(parser.run(['inspect', 'x', *sys.argv[1:]]))\n"
    )
    run = [sys.executable, str(program)]
    environment = os.environ | {"PYTHONPATH": str(CORE)}
    said = subprocess.run(run, capture_output=True, text=True, env=environment, timeout=60)
    assert (said.returncode, said.stderr) == (0, "warning: x: ours\n")
    said = subprocess.run([*run, "--json"], capture_output=True, text=True, env=environment, timeout=60)
    assert [json.loads(line)["event"] for line in said.stderr.splitlines()] == ["warning"]
    run.insert(1, "-Xdev")
    said = subprocess.run(run, capture_output=True, text=True, env=environment, timeout=60).stderr
    assert all(words in said for words in ("of numpy", "of Pillow", "of libmpg123", "ours"))


def test_what_the_process_had_is_put_back(take, capsys):
    filters, stderr = list(warnings.filters), sys.stderr
    assert core_cli.run(["inspect", str(take), "--json"]) == 0
    assert warnings.filters == filters and sys.stderr is stderr


def interrupted(running):
    """Interrupt a process and return its stderr: again after a while, as Python drops what comes in a destructor."""
    for _ in range(20):
        running.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return running.communicate(timeout=5)[1]
    running.kill()
    raise AssertionError("it goes on")


@POSIX
def test_ctrl_c_is_no_traceback_whenever_it_comes(take):
    environment = os.environ | {"PYTHONPATH": str(CORE)}
    codes = set()
    for wait in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4):
        running = subprocess.Popen(
            [sys.executable, "-c", _SLOW, str(take)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        assert running.stdout.readline() == b"begun\n"
        time.sleep(wait)
        said = interrupted(running)
        codes.add(running.returncode)
        assert b"Traceback" not in said, said.decode()
    assert codes == {130}


#: Begins as `python -m mouthpiece` does, and then reads a take again and again.
_SLOW = """
import sys
from mouthpiece import __main__ as begin
print("begun", flush=True)
sys.argv = ["mouthpiece", "inspect", sys.argv[1]]
try:
    code = 0
    while code == 0:
        import io
        sys.stdout = io.StringIO()
        code = begin.main()
        if code == 0:
            import signal
            signal.signal(signal.SIGINT, signal.default_int_handler)
except KeyboardInterrupt:
    code = 130
sys.exit(code)
"""


def test_ctrl_c_while_modules_are_loaded(monkeypatch):
    from mouthpiece import __main__ as begin

    def pressed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(core_cli, "run", pressed)
    before = signal.getsignal(signal.SIGINT)
    assert begin.main() == 130
    signal.signal(signal.SIGINT, before)


@POSIX
def test_ctrl_c_is_not_swallowed_by_a_module_that_is_being_loaded(tmp_path):
    (tmp_path / "greedy.py").write_text(
        "import os, signal, sys, types\n"
        "class Parser:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'mouthpiece.cli.parser':\n"
        "            try:\n"
        "                os.kill(os.getpid(), signal.SIGINT)\n"
        "            except BaseException:\n"
        "                pass\n"
        "sys.meta_path.insert(0, Parser())\n"
        "sys.argv = ['mouthpiece', '--version']\n"
        "from mouthpiece.__main__ import main\n"
        "sys.exit(main())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(CORE)}
    done = subprocess.run([sys.executable, str(tmp_path / "greedy.py")], capture_output=True, env=environment)
    assert done.returncode == 130 and not done.stdout and not done.stderr


def test_ctrl_c_in_a_command_is_said(monkeypatch, capsys, take):
    from mouthpiece.cli import inspect

    def pressed(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "run_inspect", pressed)
    assert core_cli.run(["inspect", str(take)]) == 130
    assert capsys.readouterr().err == "error: Stopped. What was finished before is kept.\n"


def test_names_do_not_act_on_a_terminal(tmp_path, capsys):
    path = tmp_path / NASTY
    assert core_cli.run(["inspect", str(path)]) == 1
    assert core_cli.run(["cues", str(path), "--set", "\x1b[2J"]) == 1
    assert core_cli.run(["inspect", str(path), "--json"]) == 1
    assert core_cli.run(["fly\x1b[2J\nerror: me"]) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert all(sign.isprintable() for line in lines for sign in line) and not out
    assert sum(line.startswith("error:") for line in lines) == 2
    assert json.loads(lines[2])["input"] == str(path)


def test_names_in_results_are_one_line(tmp_path, capsys):
    if os.name == "nt":
        pytest.skip("Windows has no such names")
    path = make_take().save(tmp_path / NASTY)
    assert core_cli.run(["adjust", str(path), "--lips", "1.2"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("lips 1.2") and all(sign.isprintable() for sign in line)


def test_surrogates_in_names_are_shown_and_kept_in_json(tmp_path, capfd):
    name = os.fsdecode(b"caf\xe9.npz")
    assert core_cli.run(["inspect", str(tmp_path / name)]) == 1
    assert core_cli.run(["inspect", str(tmp_path / name), "--json"]) == 1
    plain, as_json = capfd.readouterr().err.splitlines()
    assert "caf\\udce9.npz" in plain if os.name == "posix" else plain
    assert json.loads(as_json)["input"] == str(tmp_path / name)


def test_what_is_shown():
    assert shown("ein Satz – ñandú 話す\u202f\u200d👩.wav") == "ein Satz – ñandú 話す\u202f\u200d👩.wav"
    assert shown("a\x1b\x07\x9b\x7f\udce9\u202e\u2028\n\t") == "a\\x1b\\x07\\x9b\\x7f\\udce9\\u202e\\u2028\\n\\t"
    assert shown("a\n\tb\r", keep="\n\t") == "a\n\tb\\r"


def test_bad_arguments_are_json_where_that_is_asked_for(capsys):
    assert core_cli.run(["animate", "a.wav", "--seed", "x", "--json"]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert not out and "--seed" in json.loads(line)["message"]


def test_json_is_ascii_whatever_the_terminal_takes():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    Reporter(as_json=True, stdout=stream).result({"name": "話す é 👩 \udce9"}, "")
    stream.flush()
    assert json.loads(stream.buffer.getvalue())["name"] == "話す é 👩 \udce9"


def test_a_reporter_without_streams_raises_for_the_result_only():
    teller = Reporter(stdout=None, stderr=None)
    teller.error("a", "b")
    teller.progress("a", 0.1, "b")
    with pytest.raises(NotWritten, match="closed"):
        teller.result({}, "text")
