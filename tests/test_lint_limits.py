"""Files of limits: what they change, for whom, and what is wrong with bad ones."""

import pytest
from mouthpiece.errors import LimitsError
from mouthpiece.lint.limits import CHECKS, CastLimits, Limits, read_limits


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "limits.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_limits_are_changed_by_name(toml):
    limits = read_limits(toml("sync = 80\nfrozen = 2.5\ngaze = false\n"))
    assert limits.general == Limits(sync=80.0, frozen=2.5, gaze=None)
    assert limits.of("anybody") == limits.general


def test_characters_differ_in_what_their_table_says(toml):
    limits = read_limits(toml('sync = 80\n[characters."Robot 3"]\nlids = false\njump = 4\n[characters.Ada]\nsync = 60'))
    assert limits.of("Robot 3") == Limits(sync=80.0, lids=None, jump=4.0)
    assert limits.of("Ada") == Limits(sync=60.0)
    assert limits.of("Bob") == Limits(sync=80.0)


def test_an_empty_file_changes_nothing(toml):
    assert read_limits(toml("# nothing\n")) == CastLimits()


def test_a_file_as_windows_saves_it_is_read(toml):
    assert read_limits(toml("\ufeffsync = 80\r\nlids = false\r\n")).general == Limits(sync=80.0, lids=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("synk = 3", "Did you mean 'sync'?"),
        ("frozn = 3", "Did you mean 'frozen'?"),
        ("zzz = 3", "There are: sync, drift"),
        ("sync = 'tight'", "'sync' is 'tight'"),
        ("sync = true", "'sync' is True"),
        ("sync = -1", "'sync' is -1"),
        ("sync = nan", "'sync' is nan"),
        ("sync = inf", "'sync' is inf"),
        ("sync = 1e9", "'sync' is 1000000000.0"),
        ("sync = [1]", "'sync' is [1]"),
        ("sync = ", "is not TOML"),
        ("sync = 1\nsync = 2", "is not TOML"),
        ("characters = 3", "holds no tables"),
        ("[characters]\nAda = 3", "'Ada' is no table"),
        ("[characters.Ada]\nsinc = 3", "Ada: there is no check 'sinc'. Did you mean 'sync'?"),
        (b"sync = 80 # \xff", "is not text in UTF-8"),
        ("[" * 5000, "is not TOML"),
    ],
)
def test_bad_files_are_refused_whole(toml, text, words):
    with pytest.raises(LimitsError) as caught:
        read_limits(toml(text))
    assert words in str(caught.value)
    assert "limits.toml" in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(LimitsError, match=r"cannot be read|is a folder"):
            read_limits(path)


def test_large_files_are_not_read(toml):
    with pytest.raises(LimitsError, match="larger than 1 MB"):
        read_limits(toml("#" * ((1 << 20) + 1)))


def test_checks_are_left_out_by_name():
    assert Limits().without("sync", "dead") == Limits(sync=None, dead=None)
    assert all(getattr(Limits().without(*CHECKS), name) is None for name in CHECKS)
