"""Relations to the typical beat, and the network that reads them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ecgtune.errors import ModelError
from ecgtune.training.networks import RelationSequence, build_network
from ecgtune.training.networks.beat_relations import BeatRelations
from ecgtune.training.networks.relation_sequence import PiecewiseLinear

BEFORE, WIDTH = 80, 176
EACH = BeatRelations.of_a_lead


def beat(width: float = 2.0, height: float = 1.0, p: float = 0.1, at: int = BEFORE) -> Tensor:
    """A lead's window [WIDTH]: P, QRS and T as bells, in units of the QRS height."""
    time = torch.arange(WIDTH, dtype=torch.float32)

    def bell(middle: float, spread: float, high: float) -> Tensor:
        return high * torch.exp(-0.5 * ((time - middle) / spread) ** 2)

    return bell(at, width, height) + bell(at - 20, 4, p) + bell(at + 38, 8, 0.25)


def beats(first: Tensor, second: Tensor | None = None) -> Tensor:
    """One beat [1, 4, WIDTH] whose typical beat is the usual one; without ``second`` a lead is lost."""
    typical = beat()
    lost = torch.zeros(WIDTH)
    other = (lost, lost) if second is None else (second, typical)
    return torch.stack([first, other[0], typical, other[1]])[None]


def relations(window: Tensor) -> np.ndarray:
    return BeatRelations(BEFORE, WIDTH)(window.unflatten(1, (2, 2)))[0].numpy()


def test_a_typical_beat_is_like_itself() -> None:
    found = relations(beats(beat(), beat()))
    assert found[:3] == pytest.approx(1, abs=1e-3)
    # Height, energy, widths and slope do not differ.
    assert found[[3, 4, 6, 8, 10]] == pytest.approx(0, abs=1e-5)
    # Mean, largest and smallest of two equal leads are one.
    np.testing.assert_allclose(found[:EACH], found[EACH : 2 * EACH])
    np.testing.assert_allclose(found[:EACH], found[2 * EACH :])


def test_a_wide_beat_is_wider_and_a_high_one_higher() -> None:
    usual, wide, high = (relations(beats(b)) for b in (beat(), beat(width=6), beat(height=2)))
    assert wide[6] > usual[6] + 0.2
    assert wide[8] > usual[8] + 0.2
    assert wide[0] < 0.95
    assert high[3] == pytest.approx(np.log(2), abs=0.05)
    assert high[0] > 0.99


def test_a_missing_p_wave_shows_in_its_energy() -> None:
    usual, without = (relations(beats(b)) for b in (beat(), beat(p=0.0)))
    assert without[12] < usual[12] - 1
    assert without[0] == pytest.approx(usual[0], abs=0.01)


def test_a_shifted_fiducial_costs_likeness_only_where_the_beat_may_not_move() -> None:
    shifted = relations(beats(beat(at=BEFORE + 2)))
    assert shifted[0] < 0.9
    assert shifted[1] > 0.99


def test_a_lost_lead_takes_no_part_and_the_order_of_leads_does_not_matter() -> None:
    one, other = beat(width=4, height=0.7), beat(p=0.0)
    alone = relations(beats(one))
    np.testing.assert_allclose(alone[:EACH], alone[EACH : 2 * EACH])
    np.testing.assert_allclose(relations(beats(one, other)), relations(beats(other, one)), rtol=1e-5)
    both = relations(beats(one, other))
    assert (both[EACH : 2 * EACH] >= both[2 * EACH :]).all()
    assert np.isfinite(relations(torch.zeros(1, 4, WIDTH))).all()


def test_gradients_reach_the_signal_and_are_finite() -> None:
    window = beats(beat(width=4), torch.zeros(WIDTH)).requires_grad_()
    BeatRelations(BEFORE, WIDTH)(window.unflatten(1, (2, 2))).sum().backward()
    assert window.grad is not None
    assert torch.isfinite(window.grad).all()
    assert window.grad[0, 0].abs().max() > 0


def network() -> RelationSequence:
    torch.manual_seed(0)
    return RelationSequence(4, WIDTH, 7, BEFORE, filters=(3,), size=4, hidden=6, dilations=(1, 2)).eval()


def test_the_shape_says_nothing_of_n_and_s() -> None:
    net = network()
    x, rhythm = torch.randn(2, 5, 4, WIDTH), torch.randn(2, 5, 7)
    before = net(x, rhythm)
    with torch.no_grad():
        net.look.bias += 1
    change = net(x, rhythm) - before
    torch.testing.assert_close(change[..., :2], torch.zeros(2, 5, 2))
    torch.testing.assert_close(change[..., 2:], torch.ones(2, 5, 3))


def test_how_many_leads_there_are_is_read_where_it_is_told() -> None:
    told = RelationSequence(4, WIDTH, 7, BEFORE, leads_told=True).eval()
    rhythm = torch.zeros(1, 1, 7)
    both, one, none = beats(beat(), beat()), beats(beat()), torch.zeros(1, 4, WIDTH)
    found = [told.evidence(window[None], rhythm)[0, 0] for window in (both, one, none)]
    at = BeatRelations.size
    assert [float(each[at]) for each in found] == pytest.approx([1, 0.5, 0], abs=1e-4)
    untold = RelationSequence(4, WIDTH, 7, BEFORE).eval().evidence(one[None], rhythm)[0, 0]
    torch.testing.assert_close(torch.cat([found[1][:at], found[1][at + 1 :]]), untold)


def test_made_familiar_a_network_says_the_same_until_it_is_tuned_and_then_of_n_and_s_too() -> None:
    net = network()
    x, rhythm = torch.randn(2, 5, 4, WIDTH), torch.randn(2, 5, 7)
    tuned = net.made_familiar()
    torch.testing.assert_close(tuned(x, rhythm), net(x, rhythm))
    assert net.know is None
    assert tuned.know is not None
    with torch.no_grad():
        tuned.know += 0.1
    change = tuned(x, rhythm) - net(x, rhythm)
    assert (change[..., :2] != 0).any()
    assert (change[..., 2:] == 0).all()
    arguments = {"filters": (3,), "size": 4, "hidden": 6, "dilations": (1, 2), "familiar": True}
    again = RelationSequence(4, WIDTH, 7, BEFORE, **arguments).eval()
    again.load_state_dict(tuned.state_dict())
    torch.testing.assert_close(again(x, rhythm), tuned(x, rhythm))


def test_a_label_depends_on_beats_within_reach_alone() -> None:
    net = network()
    x, rhythm = torch.randn(1, 12, 4, WIDTH), torch.randn(1, 12, 7)
    changed = x.clone()
    changed[:, 0] += 1
    difference = (net(x, rhythm) - net(changed, rhythm)).abs().amax(2)[0]
    assert net.reach == 3
    assert (difference[:4] > 0).any()
    assert (difference[4:] == 0).all()
    torch.testing.assert_close(net.decide(net.encode(x, rhythm), rhythm), net(x, rhythm))


def test_look_alikes_are_read_through_their_relations_alone() -> None:
    torch.manual_seed(0)
    arguments = {"filters": (3,), "size": 4, "hidden": 6, "dilations": (1,), "alike": True}
    net = RelationSequence(6, WIDTH, 11, BEFORE, **arguments).eval()
    x = torch.randn(2, 5, 6, WIDTH)
    changed = x.clone()
    changed[:, :, 4:] = torch.randn(2, 5, 2, WIDTH)
    rhythm = torch.randn(2, 5, 11)
    before, after = net.encode(x, rhythm), net.encode(changed, rhythm)
    assert (before[..., :4] != after[..., :4]).any()
    torch.testing.assert_close(before[..., 4:], after[..., 4:])
    own, typical, alike = x[0].unflatten(1, (3, 2)).unbind(1)
    related = torch.cat([net.relations(torch.stack([part, typical], 1)) for part in (own, alike)], 1)
    expected = net.compare(net.pieces(net.norm(torch.cat([related, rhythm[0]], 1))))
    torch.testing.assert_close(before[0, :, :4], expected)


def test_what_is_farther_than_the_limits_tells_nothing_more() -> None:
    torch.manual_seed(0)
    arguments = {"filters": (3,), "size": 4, "hidden": 6, "dilations": (1,)}
    net = RelationSequence(4, WIDTH, 7, BEFORE, bends=(-0.5, 0.5), earliest=0.4, **arguments).eval()
    x, rhythm = torch.randn(1, 5, 4, WIDTH), torch.randn(1, 5, 7)
    limited = rhythm.clone()
    limited[..., :5] = rhythm[..., :5].clamp(-0.4, 0.4)
    torch.testing.assert_close(net(x, limited), net(x, rhythm))
    related = net.norm(torch.cat([net.relations(x[0].unflatten(1, (2, 2))), limited[0]], 1))
    assert (related.abs() > 0.5).any()
    torch.testing.assert_close(net.encode(x, rhythm)[0, :, :4], net.compare(related.clamp(-0.5, 0.5) / 0.5))


def test_pieces_say_how_much_of_each_interval_lies_below() -> None:
    pieces = PiecewiseLinear((-1, 0, 4))
    found = pieces(torch.tensor([[-2.0, 3.0], [-0.5, 9.0]]))
    expected = torch.tensor([[-1.0, 1.0, -1.0, 0.5], [0.0, 1.0, -1.0, 1.0]])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("bends", [(), (1.0,), (0.0, 0.0), (1.0, 0.5)])
def test_bends_that_make_no_interval_are_refused(bends: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match="give two or more, ascending"):
        PiecewiseLinear(bends)


@pytest.mark.parametrize("dilations", [(1, 2, 4, 8), (1, 2, 4), (1, 1), (2, 4), (1, 3), (1,)])
def test_the_middle_beat_alone_is_decided_as_among_all(dilations: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    arguments = {"filters": (3,), "size": 4, "hidden": 6, "earliest": 0.4}
    net = RelationSequence(4, WIDTH, 7, BEFORE, dilations=dilations, **arguments).eval()
    n, reach = 40, sum(dilations)
    encoded, rhythm = torch.randn(1, n, 8), torch.randn(1, n, 7)
    expected = net.decide(encoded, rhythm)[0]
    beats = torch.arange(n)
    around = (beats[:, None] + torch.arange(-reach, reach + 1)).clamp(0, n - 1)
    sides = torch.stack([beats.clamp(max=reach), (n - 1 - beats).clamp(max=reach)], 1)
    told = net.tell(encoded, rhythm)[0, around]
    torch.testing.assert_close(net.decide_middle(encoded[0], told, sides), expected)


def test_channels_that_do_not_fit_look_alikes_are_refused() -> None:
    with pytest.raises(ModelError, match="4 channels asked for; with alike = true each lead has 3"):
        RelationSequence(4, WIDTH, 7, BEFORE, alike=True)


def test_a_window_without_the_waves_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"windows of 30 \+ 146 samples asked for; relations are read from 36"
    ):
        build_network("relation-sequence", channels=4, width=WIDTH, rhythm=7, before=30)
    with pytest.raises(ModelError, match="to 70 after it"):
        build_network("relation-sequence", channels=4, width=128, rhythm=7, before=80)
