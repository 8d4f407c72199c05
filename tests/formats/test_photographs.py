import numpy as np
import pytest
from PIL import Image

from dvpt_monai.errors import DataError
from dvpt_monai.formats import read
from dvpt_monai.formats.photographs import write_png

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6)
RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def save(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_rows_columns_and_colours_are_as_stored(tmp_path, suffix):
    image = read(save(tmp_path / f"a{suffix}", Image.fromarray(RGB)))
    assert np.array_equal(image.array, RGB) and image.channels and image.shape == (4, 6)
    grey = read(save(tmp_path / f"b{suffix}", Image.fromarray(GREY)))
    assert np.array_equal(grey.array, GREY) and not grey.channels and grey.affine is None


@pytest.mark.parametrize(
    ("mode", "stored"),
    [("1", bool), ("L", np.uint8), ("LA", np.uint8), ("P", np.uint8), ("RGBA", np.uint8), ("I;16", np.uint16)],
)
def test_every_mode_of_a_png_keeps_its_values(tmp_path, mode, stored):
    given = Image.fromarray(GREY.astype(np.uint16) * 2000) if mode == "I;16" else Image.fromarray(RGB).convert(mode)
    image = read(save(tmp_path / "a.png", given))
    assert np.array_equal(image.array, np.asarray(given)) and image.header["mode"] == mode
    assert image.array.dtype == stored and image.channels == (mode in ("LA", "RGBA"))
    assert ("palette" in image.header) == (mode == "P")


def test_a_float_tiff_keeps_its_numbers(tmp_path):
    numbers = np.linspace(0, 0.05, 24, dtype=np.float32).reshape(4, 6)
    image = read(save(tmp_path / "a.tif", Image.fromarray(numbers)))
    assert np.array_equal(image.array, numbers) and image.header["mode"] == "F"


def test_colours_of_printing_become_rgb(tmp_path):
    given = Image.fromarray(np.tile(np.uint8([255, 0, 0, 0]), (8, 8, 1)), mode="CMYK")
    image = read(save(tmp_path / "a.tif", given))
    assert image.array[0, 0].tolist() == [0, 255, 255]
    assert (image.header["stored_mode"], image.header["mode"]) == ("CMYK", "RGB")
    with pytest.raises(DataError, match="its colours are LAB; save it as RGB"):
        read(save(tmp_path / "b.tif", Image.fromarray(RGB, mode="LAB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_a_photograph_is_upright(tmp_path, orientation, suffix):
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).T,
        8: np.rot90,
    }[orientation]
    halves = np.zeros((16, 24), np.uint8)
    halves[:8, :8] = 250
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read(save(tmp_path / f"a{suffix}", Image.fromarray(halves), exif=exif))
    assert np.array_equal(image.array > 125, turn(halves) > 125)
    assert image.header["exif_orientation"] == orientation
    assert image.shape == (image.header["height"], image.header["width"])


def test_of_several_pages_one_is_chosen_or_none(tmp_path):
    pages = [Image.fromarray(GREY + 10 * number) for number in range(3)]
    path = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"a\.tif: 3 pages, of which one is wanted; save it alone, or set page"):
        read(path)
    assert np.array_equal(read(path, page=1).array, GREY + 10)
    with pytest.raises(DataError, match="no page 3 among 3"):
        read(path, page=3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
def test_a_file_that_is_cut_is_an_error(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"a{suffix}", Image.fromarray(noise))
    data = path.read_bytes()
    for part in (0.1, 0.5, 0.9):
        path.write_bytes(data[: int(part * len(data))])
        with pytest.raises(DataError, match=f"a{suffix}"):
            read(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=f"a{suffix}"):
        read(path)


def test_a_flipped_bit_of_a_png_is_an_error_or_changes_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(noise))
    data, refused = path.read_bytes(), 0
    for place in np.random.default_rng(0).integers(0, 8 * len(data), 300):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        try:
            assert np.array_equal(read(path).array, noise)
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 270
    path.write_bytes(data)
    assert np.array_equal(read(path).array, noise)


def test_labels_are_written_with_8_or_16_bits(tmp_path):
    for labels in (GREY, GREY.astype(np.uint16) * 1000):
        write_png(tmp_path / "a.png", labels)
        assert np.array_equal(read(tmp_path / "a.png").array, labels)
    with pytest.raises(DataError, match="a PNG holds rows and columns"):
        write_png(tmp_path / "a.png", GREY.astype(np.int32))
