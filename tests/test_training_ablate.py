"""Rival architectures: what they hear, how far they look, and their losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mouthpiece.features import FEATURE_SIZE

from training.content.corpus import Corpus
from training.content.data import Stretch
from training.content.networks import ContentShape, sources
from training.measures.score import synthetic_face
from training.studies import ablate, rivals

TINY = ContentShape(projection=8, hidden=6, layers=2, basis=4, dropout=0.0, deafness=0.0)


@pytest.mark.parametrize("variant", ablate.VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_runs_at_any_length_and_learns_something(variant):
    torch.manual_seed(0)
    net = variant.make(TINY)
    net.fit_buffers(torch.randn(50, FEATURE_SIZE), torch.randn(50, 204), torch.from_numpy(synthetic_face()).float())
    for length in (1, 3, 40):
        landmarks, arkit = net.eval()(torch.randn(2, length, FEATURE_SIZE))
        assert landmarks.shape == (2, length, 204) and arkit.shape == (2, length, 51)
    net.train()
    landmarks, arkit = net(torch.randn(2, 40, FEATURE_SIZE))
    (landmarks.square().mean() + arkit.square().mean()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def influence(net, on):
    """Which frames of the input decide frame ``on`` of the output."""
    features = torch.randn(1, 40, FEATURE_SIZE, requires_grad=True)
    net.eval()(features)[0][0, on].sum().backward()
    return features.grad[0]


@pytest.mark.parametrize(("make", "ahead"), [(rivals.eskimez, 1), (rivals.makeittalk, 7)])
def test_forward_networks_hear_so_much_of_the_future_and_mfccs_alone(make, ahead):
    reach = influence(make(TINY), 20)
    assert reach[20 + ahead].abs().sum() > 0 and reach[21 + ahead :].abs().sum() == 0
    assert reach[:, sources() != rivals.MFCCS].abs().sum() == 0


def test_the_transformer_looks_two_seconds_either_way():
    net = rivals.Rival(rivals.AttentionBody(FEATURE_SIZE, 16, 1, 0.0), 16, tuple(range(rivals.MFCCS + 1)))
    features = torch.randn(1, 120, FEATURE_SIZE, requires_grad=True)
    net.eval()(features)[0][0, 60].sum().backward()
    heard = features.grad[0].abs().sum(dim=1) > 0
    assert heard[10:111].all() and not heard[:10].any() and not heard[111:].any()


def test_a_network_hard_of_hearing_hears_nothing_else():
    net = rivals.hearing(rivals.MFCCS)(TINY)
    net.fit_buffers(torch.randn(50, FEATURE_SIZE), torch.randn(50, 204), torch.from_numpy(synthetic_face()).float())
    reach = influence(net, 20)
    assert reach[:, sources() != rivals.MFCCS].abs().sum() == 0 < reach[:, sources() == rivals.MFCCS].abs().sum()


def test_makeittalks_loss_counts_shut_lips_ten_times():
    neutral = torch.zeros(68, 3)
    real = torch.zeros(1, 1, 204)
    opened = real.clone()
    opened[..., 66 * 3 + 1] = 1e3  # the lower inner lip far away: weight 1 / (4 gap + 0.1) is next to nothing
    loss = rivals.LaplacianLoss(neutral)
    nothing, weight = torch.zeros(1, 1, 51), torch.ones(1, 1)

    def of(target):
        moved = target.clone()
        moved[..., 54 * 3] += 1.0
        return float(loss(moved, nothing, target, nothing, weight)["points"])

    bend = (1 + 2 * 0.5) / (68 * 3)  # the point itself, and half of it at each of its two neighbours
    assert of(real) == pytest.approx(10 / (68 * 3) + bend, rel=1e-4)
    assert of(opened) == pytest.approx(bend, rel=0.02)


def test_fewer_speakers_are_the_same_ones_every_time():
    stretch = Stretch("", np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1))
    rendition = [replace(stretch, speaker=name) for name in ["", *"abcdefghij"]]
    corpus = Corpus(np.zeros((68, 3)), [rendition, rendition], [])
    few = ablate.fewer(corpus, 0.3)
    names = [s.speaker for s in few.train[0]]
    assert len(names) == 4 and "" in names and names == [s.speaker for s in ablate.fewer(corpus, 0.3).train[1]]
    assert ablate.fewer(corpus, 1.0) is corpus
