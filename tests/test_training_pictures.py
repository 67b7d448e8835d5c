"""Picture rigs on the most extreme mouths that were recorded, of speakers the keys were not made from."""

import numpy as np
import pytest
from mouthpiece.retarget.picture.anatomy import FACE
from mouthpiece.retarget.picture.face import picture_face
from mouthpiece.retarget.picture.keys import rig_of
from mouthpiece.retarget.picture.mouth_modes import SHUT, key_names, mouth_modes
from mouthpiece.retarget.picture.sheet import held_back

from tests.material import SHARED

pytest.importorskip("torch")

from training.pack.clips import load_split
from training.tables.picture_modes import EVEN, FILE, ODD, OUTPUT, displacements, lip_error, mirrored, named_modes

EXTREMES = 400


@pytest.mark.skipif(not (SHARED / "data" / "index.tsv").is_file(), reason="no training pack")
def test_recorded_extremes_hardly_fold_a_picture():
    moved = displacements(load_split(SHARED / "data", "val"), np.random.default_rng(0))
    modes = mouth_modes()
    assert lip_error(modes.moves.reshape(len(modes.names), -1), moved.reshape(len(moved), -1)) < 0.004
    weights = modes.weights(moved)
    extreme = weights[np.argsort(-np.abs(weights).max(axis=1))[:EXTREMES]]
    names = key_names()
    values = np.zeros((EXTREMES, len(names)), np.float32)
    values[:, names.index(SHUT)] = 1
    values[:, [names.index(name) for name in modes.names]] = extreme
    rig = rig_of(picture_face(640, 800, np.array(FACE) * 160 + (320, 320)))
    count = len(rig.skin.points)
    moves = np.array([rig.keys[name][:count] for name in names])
    free = np.array([name != SHUT for name in names])
    held = held_back(rig.points[:count], rig.skin.triangles, moves, values, free, 1.0)
    assert held.frames < 0.12 * EXTREMES  # of all frames looked at, far fewer
    assert held.left < 0.001 * EXTREMES * len(rig.skin.triangles)


def test_the_modes_are_in_the_package():
    with np.load(OUTPUT / FILE, allow_pickle=False) as stored:
        assert tuple(stored["names"].tolist()) == (*EVEN, *ODD) == mouth_modes().names


def test_modes_are_what_changes_with_what_they_are_named_for(rng):
    plan = {"down": [(66, 1, 1.0)], "apart": [(54, 0, 0.5), (48, 0, -0.5)]}
    down, apart = np.zeros((68, 2)), np.zeros((68, 2))
    down[[66, 57], 1] = 1.0, 0.8
    apart[[54, 48], 0] = 1.0, -1.0
    amounts = rng.standard_normal((500, 2))
    part = (amounts @ np.stack([down.ravel(), apart.ravel()])).reshape(500, -1)
    first, second = named_modes(part, plan).reshape(2, 68, 2)
    assert second == pytest.approx(apart, abs=1e-6)
    assert first[66, 1] == pytest.approx(1) and first[57, 1] == pytest.approx(0.8)
    assert mirrored(apart) == pytest.approx(apart) and mirrored(mirrored(down)) == pytest.approx(down)
