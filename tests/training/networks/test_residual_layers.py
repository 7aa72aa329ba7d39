"""A network of a stack in torch's own layers gives what the stack gives."""

import pytest
import torch

from ecgtune.errors import ModelError
from ecgtune.training.networks.residual_layers import ResidualLayers
from ecgtune.training.networks.residual_window import ResidualWindow

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("channels", "outputs"), [(1, 1), (2, 5)])
def test_each_network_of_a_stack(channels: int, outputs: int) -> None:
    torch.manual_seed(0)
    stack = ResidualWindow(channels, 128, outputs, models=3).eval()
    windows = torch.randn(6, channels, 128)
    with torch.inference_mode():
        expected = stack(windows.expand(3, -1, -1, -1))
        for which in range(3):
            network = ResidualLayers(stack, which)
            logits = network(windows)
            assert logits.shape == (6, max(outputs, 2))
            if outputs == 1:
                assert torch.allclose(logits.softmax(1)[:, 1], expected[which, :, 0].sigmoid(), atol=1e-5)
            else:
                assert torch.allclose(logits, expected[which], atol=1e-5)
            numbers = sum(p.numel() for p in network.parameters())
            assert numbers == sum(p[0].numel() for p in stack.parameters())


def test_no_such_network() -> None:
    with pytest.raises(ModelError, match="network 3 of a stack of 3 in 1 dimensions asked for"):
        ResidualLayers(ResidualWindow(models=3), 3)
    with pytest.raises(ModelError, match="in 2 dimensions asked for; give one of a stack of windows"):
        ResidualLayers(ResidualWindow(width=64, dimensions=2))
