"""The residual network against plain layers of torch, and stacks of it against single networks."""

import pytest
import torch
from torch import Tensor, nn

from ecgtune.training.networks.residual_window import ResidualWindow

FORMS = {
    "paper": {},
    "five classes": {"outputs": 5},
    "two leads": {"channels": 2, "width": 96},
    "images": {"channels": 3, "width": 64, "dimensions": 2},
    "images, five classes": {"channels": 1, "width": 61, "dimensions": 2, "outputs": 5},
}

every_form = pytest.mark.parametrize("form", FORMS)


class Plain(nn.Module):
    """The same network, of torch's own layers."""

    def __init__(self, channels: int, outputs: int, dimensions: int, flat: int) -> None:
        super().__init__()
        convolution = (nn.Conv1d, nn.Conv2d)[dimensions - 1]
        self.pool = (nn.MaxPool1d, nn.MaxPool2d)[dimensions - 1](5, stride=2)
        self.enter = convolution(channels, 32, 5, padding=2)
        self.blocks = nn.ModuleList(
            nn.ModuleList([convolution(32, 32, 5, padding=2), convolution(32, 32, 5, padding=2)])
            for _ in range(4)
        )
        self.dense = nn.Linear(flat, 160, bias=False)
        self.leave = nn.Linear(160, outputs)

    def forward(self, windows: Tensor) -> Tensor:
        hidden = self.enter(windows)
        for first, second in self.blocks:
            hidden = self.pool((second(first(hidden).relu()) + hidden).relu())
        return self.leave(self.dense(hidden.flatten(1)).relu())

    def take(self, network: ResidualWindow, which: int) -> "Plain":
        """Copy the weights of one network of a stack."""
        own = [self.enter.weight, self.enter.bias]
        for block in self.blocks:
            own += [p for layer in block for p in (layer.weight, layer.bias)]
        own += [self.dense.weight, self.leave.weight, self.leave.bias]
        given = [p[which] for stage in network.stages() for p in stage]
        with torch.no_grad():
            for mine, theirs in zip(own, given, strict=True):
                # A dense layer of torch keeps [outputs, inputs], and its bias without a dimension for rows.
                mine.copy_(theirs.T if mine.ndim == 2 else theirs.view(mine.shape))
        return self


def build(form: str, models: int = 1, seed: int = 0) -> ResidualWindow:
    torch.manual_seed(seed)
    return ResidualWindow(**FORMS[form], models=models)


def plain(form: str, network: ResidualWindow, which: int = 0) -> Plain:
    how = FORMS[form]
    flat = network.dense.shape[1]
    return Plain(how.get("channels", 1), how.get("outputs", 1), how.get("dimensions", 1), flat).take(
        network, which
    )


def windows(form: str, models: int, batch: int = 3) -> Tensor:
    how = FORMS[form]
    size = (how.get("width", 128),) * how.get("dimensions", 1)
    return torch.randn(
        models, batch, how.get("channels", 1), *size, generator=torch.Generator().manual_seed(1)
    )


def numbers(parameters: list[nn.Parameter]) -> int:
    return sum(p.numel() for p in parameters)


def test_the_papers_network_has_its_number_of_parameters():
    network = build("paper")
    assert numbers(list(network.parameters())) == 67_169
    assert [numbers(stage) for stage in network.stages()] == [192, *[10_304] * 4, 25_600, 161]


def test_torchs_own_layers_come_to_the_same_number():
    assert numbers(list(Plain(1, 1, 1, 160).parameters())) == 67_169


@every_form
def test_stages_hold_every_parameter_once(form):
    network = build(form, 2)
    staged = [p for stage in network.stages() for p in stage]
    assert sorted(map(id, staged)) == sorted(map(id, network.parameters()))
    assert len(network.stages()) == 7
    assert all(p.shape[0] == 2 for p in staged)


def convolved(network: ResidualWindow, inputs: Tensor) -> list[Tensor]:
    """What each convolution reads, then the logits."""
    seen: list[Tensor] = []
    convolve = ResidualWindow._convolve

    def watched(self, hidden, weight, bias):
        seen.append(hidden.clone())
        return convolve(self, hidden, weight, bias)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(ResidualWindow, "_convolve", watched)
        logits = network(inputs)
    return [*seen, logits]


@pytest.mark.parametrize("form", ["paper", "images"])
def test_stages_come_from_input_to_output(form):
    inputs = windows(form, 1)
    before = convolved(build(form), inputs)
    # Stage 0 is one convolution, 1 to 4 are two each; the dense layer and the output come after all nine.
    for stage, untouched in enumerate((1, 2, 4, 6, 8, 9, 9)):
        changed = build(form)
        with torch.no_grad():
            for p in changed.stages()[stage]:
                p += 0.1
        same = [torch.equal(a, b) for a, b in zip(before, convolved(changed, inputs), strict=True)]
        assert same == [place < untouched for place in range(10)]


@every_form
def test_forward_and_gradients_are_those_of_plain_layers(form):
    network = build(form)
    other = plain(form, network)
    inputs = windows(form, 1)
    logits, expected = network(inputs), other(inputs[0])
    torch.testing.assert_close(logits[0], expected, rtol=1e-4, atol=1e-5)
    logits.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(network.dense.grad[0], other.dense.weight.grad.T, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(network.enter[0].grad[0], other.enter.weight.grad, rtol=1e-3, atol=1e-4)
    inner = other.blocks[0][1].weight.grad
    torch.testing.assert_close(network.convolutions[2].grad[0], inner, rtol=1e-3, atol=1e-4)


@every_form
def test_a_stack_is_its_networks_one_by_one(form):
    network = build(form, models=3)
    inputs = windows(form, 3)
    logits = network(inputs)
    logits.square().sum().backward()
    for which in range(3):
        alone = plain(form, network, which)
        expected = alone(inputs[which])
        torch.testing.assert_close(logits[which], expected, rtol=1e-4, atol=1e-5)
        expected.square().sum().backward()
        mine = [p.grad[which] for p in network.enter]
        torch.testing.assert_close(mine[0], alone.enter.weight.grad, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(mine[1], alone.enter.bias.grad, rtol=1e-3, atol=1e-4)
        leave = network.leave[0].grad[which].T
        torch.testing.assert_close(leave, alone.leave.weight.grad, rtol=1e-3, atol=1e-4)


@every_form
def test_networks_of_a_stack_differ_from_the_start(form):
    network = build(form, models=2)
    assert not any(torch.equal(*p) for p in network.parameters())


@pytest.mark.parametrize("which", range(3))
def test_a_network_reads_its_own_input_alone(which):
    network = build("paper", models=3)
    inputs = windows("paper", 3)
    changed = inputs.clone()
    changed[which] += 1
    with torch.no_grad():
        one, other = network(inputs), network(changed)
    differs = [not torch.equal(a, b) for a, b in zip(one, other, strict=True)]
    assert differs == [k == which for k in range(3)]


def test_an_input_that_is_no_number_stays_with_its_network():
    network = build("paper", models=3)
    inputs = windows("paper", 3)
    clean = network(inputs)
    inputs[1] = torch.nan
    logits = network(inputs)
    assert torch.isnan(logits[1]).all()
    torch.testing.assert_close(logits[[0, 2]], clean[[0, 2]], rtol=0, atol=0)
    grads = torch.autograd.grad(logits.sum(), list(network.parameters()))
    assert all(torch.isfinite(grad[[0, 2]]).all() for grad in grads)


def test_fresh_weights_are_drawn_as_torchs_layers_draw_them():
    network = build("paper", models=8)
    layers = [
        (network.enter[0], nn.Conv1d(1, 32, 5)),
        (network.convolutions[2], nn.Conv1d(32, 32, 5)),
        (network.dense, nn.Linear(160, 160, bias=False)),
        (network.leave[0], nn.Linear(160, 1)),
    ]
    for drawn, layer in layers:
        mine, theirs = drawn.detach(), layer.weight.detach()
        assert mine.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.05)
        assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.15)
