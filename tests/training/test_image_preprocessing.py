"""Images brought to a network's input: as torchvision does it, and images that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ecgtune.errors import DataError
from ecgtune.training.image_networks import (
    ImageInput,
    as_input,
    fit_images,
    image_weights,
    import_torchvision,
    read_images,
)

pytestmark = pytest.mark.usefixtures("one_thread")

PHOTOGRAPHS = ("hot_dog-256.jpg", "parrot-256.jpg")


@pytest.fixture
def photographs(data: Path) -> list[Path]:
    return [data / "imagenet" / name for name in PHOTOGRAPHS]


def picture(height: int, width: int) -> np.ndarray:
    """Smooth colours, so that ways of resizing agree."""
    y, x = np.mgrid[:height, :width]
    channels = np.sin(x / 17), np.cos(y / 13), np.sin((x + y) / 23)
    return np.rint(127 + 120 * np.stack(channels, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("network", ["squeezenet1_1", "efficientnet_b0", "efficientnet_v2_l", "inception_v3"])
def test_photographs_are_prepared_as_by_torchvision(photographs: list[Path], network: str) -> None:
    weights = image_weights(network)
    theirs = import_torchvision().models.get_model_weights(network)[weights.name].transforms()
    expected = torch.stack([theirs(Image.open(path).convert("RGB")) for path in photographs])
    prepared = as_input(read_images(photographs, weights.input), weights.input)
    assert prepared.dtype == torch.float32
    torch.testing.assert_close(prepared, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(300, 401), (500, 256), (90, 90)])
def test_arrays_are_prepared_as_files_are(
    tmp_path: Path, shape: tuple[int, int], fit: str, interpolation: str
) -> None:
    how = ImageInput(64, 73, fit, interpolation)
    image = picture(*shape)
    Image.fromarray(image).save(tmp_path / "it.png")
    from_file = read_images([tmp_path / "it.png"], how)
    assert from_file.shape == (1, 64, 64, 3)
    difference = np.abs(from_file.astype(int) - fit_images(image[np.newaxis], how))
    assert difference.max() <= 2
    assert difference.mean() < 0.5


def test_fits_of_a_wide_image() -> None:
    # Left third red, the rest green; twice as wide as high.
    image = np.zeros((1, 60, 120, 3), dtype=np.uint8)
    image[:, :, :40, 0] = image[:, :, 40:, 1] = 255
    crop, stretch, pad = (fit_images(image, ImageInput(30, 30, fit)) for fit in ("crop", "stretch", "pad"))
    # Resized to 30 x 60 and its middle cut out, the red ends at 20 - 15; stretched at 10.
    assert np.flatnonzero(crop[0, 15, :, 0] > 128).tolist() == list(range(5))
    assert np.flatnonzero(stretch[0, 15, :, 0] > 128).tolist() == list(range(10))
    # Whole, 15 high, with white above and below.
    assert (pad[0, [0, 6, 22, 29]] == 255).all()
    assert (pad[0, [7, 21], :, 2] == 0).all()
    tall = fit_images(image.transpose(0, 2, 1, 3), ImageInput(30, 30, "pad"))
    np.testing.assert_array_equal(tall.transpose(0, 2, 1, 3), pad)


def test_images_of_the_right_side_are_not_touched() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    assert fit_images(images, ImageInput(48, 55)) is images


def test_numbers_are_scaled_by_mean_and_deviation_of_each_channel() -> None:
    images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    images[1] = (255, 51, 0)
    how = ImageInput(32, 32, mean=(0.5, 0.2, 0.1), std=(0.25, 0.5, 1.0))
    prepared = as_input(images, how)
    assert prepared.shape == (2, 3, 32, 32)
    assert prepared.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(prepared[0, :, 0, 0], torch.tensor([-2.0, -0.4, -0.1]))
    torch.testing.assert_close(prepared[1, :, 31, 5], torch.tensor([2.0, 0.0, -0.1]))


def test_more_images_than_are_resized_at_a_time() -> None:
    images = np.stack([picture(40, 50) + np.uint8(k) for k in range(130)])
    fitted = fit_images(images, ImageInput(32, 36))
    np.testing.assert_array_equal(fitted[[0, 64, 129]], fit_images(images[[0, 64, 129]], ImageInput(32, 36)))


def test_another_side_keeps_the_share_that_is_cropped() -> None:
    how = image_weights("resnet18").input
    assert (how.of_size(112).size, how.of_size(112).resize) == (112, 128)
    assert how.of_size(112).mean == how.mean


def test_drawings_on_transparent_ground_stay_visible(tmp_path: Path) -> None:
    drawing = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(drawing).line((0, 32, 63, 32), fill=(0, 0, 0, 255), width=4)
    drawing.save(tmp_path / "trace.png")
    drawing.convert("P").save(tmp_path / "palette.png", transparency=drawing.convert("P").getpixel((0, 0)))
    for name in ("trace.png", "palette.png"):
        image = read_images([tmp_path / name], ImageInput(64, 64))[0]
        assert (image[:28] == 255).all()
        assert (image[31:34] == 0).all()


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "CMYK", "P", "LA"])
def test_every_kind_of_image_becomes_rgb(tmp_path: Path, mode: str) -> None:
    levels = picture(64, 64)[..., 0]
    grey = Image.fromarray(levels)
    image = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / f"it.{'tif' if mode in ('CMYK', 'I;16') else 'png'}"
    image.save(path)
    found = read_images([path], ImageInput(64, 64))[0]
    assert np.corrcoef(found[..., 0].ravel(), np.asarray(grey).ravel())[0, 1] > 0.4


def test_what_a_camera_turned_is_turned_back(tmp_path: Path) -> None:
    upright = picture(48, 64)
    turned = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(upright).save(tmp_path / "upright.png")
    both = read_images([tmp_path / "turned.png", tmp_path / "upright.png"], ImageInput(48, 48))
    np.testing.assert_array_equal(both[0], both[1])


def test_files_that_are_no_images(tmp_path: Path) -> None:
    text, empty, folder = tmp_path / "notes.png", tmp_path / "empty.jpg", tmp_path / "folder.png"
    text.write_text("not an image")
    empty.touch()
    folder.mkdir()
    whole = tmp_path / "whole.jpg"
    Image.fromarray(picture(200, 200)).save(whole)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:2000])
    for path in (text, empty, folder, cut, tmp_path / "missing.png"):
        with pytest.raises(DataError) as caught:
            read_images([whole, path], ImageInput())
        said = str(caught.value)
        assert said.startswith(f"{path}: cannot be read as an image (")
        assert "give a JPEG or PNG file" in said
        assert "\n" not in said


def test_tiny_and_enormous_images(tmp_path: Path) -> None:
    Image.fromarray(picture(31, 200)).save(tmp_path / "tiny.png")
    with pytest.raises(DataError, match=r"tiny.png: 200 x 31 pixels; an image needs 32 or more on each side"):
        read_images([tmp_path / "tiny.png"], ImageInput())
    # One bit a pixel, so that it takes neither time nor room to make.
    Image.new("1", (20_000, 10_000)).save(tmp_path / "enormous.png")
    with pytest.raises(DataError, match=r"enormous.png: cannot be read as an image \(Image size"):
        read_images([tmp_path / "enormous.png"], ImageInput())


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 32, 32), dtype=np.uint8),
        np.zeros((2, 3, 32, 32), dtype=np.uint8),
        np.zeros((2, 32, 32, 3), dtype=np.float32),
        np.zeros((2, 0, 32, 3), dtype=np.uint8),
    ],
)
def test_arrays_of_another_kind(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"give uint8 \[n, height, width, 3\]"):
        as_input(images, ImageInput())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fit": "squash"}, "unknown fit 'squash'; known: crop, stretch, pad"),
        ({"interpolation": "lanczos"}, "unknown interpolation"),
        ({"size": 300}, "side 300 cropped from a shorter side of 256"),
        ({"size": 0}, "side 0"),
    ],
)
def test_inputs_that_cannot_be(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ImageInput(**wrong)
