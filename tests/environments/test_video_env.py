"""The video coders of the benchmarks are driven as a peer deserves: what they lose is their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory):
    """The module, with the ffmpeg of this environment in front of any other."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.syspath_prepend(str(BENCHMARKS))
        import video_coders

        assert Path(video_coders.FFMPEG).parent == folder
        yield video_coders
    sys.modules.pop("video_coders")


def frames(most: int, shape: tuple[int, int, int] = (5, 67, 71)) -> np.ndarray:
    """A ball that moves through noise; odd sides."""
    rng = np.random.default_rng(5)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    ball = (y - 30 - z) ** 2 + (x - 35) ** 2 < 20**2
    values = 0.1 + 0.7 * ball + rng.normal(0, 0.02, shape)
    found = np.clip(np.rint(values * most), 0, most).astype(np.uint16)
    found[0, 0, 0] = most
    return found


def coder(video, name: str):
    return next(c for c in (*video.LOSSY, *video.LOSSLESS) if c.name == name)


@pytest.mark.parametrize("most", [200, 1000, 4000])
@pytest.mark.parametrize("name", ["ffv1", "x265-lossless", "aom-lossless"])
@pytest.mark.parametrize("shape", [(5, 67, 71), (40, 46, 46)], ids=["odd", "long"])
def test_a_lossless_peer_gives_every_value_back(
    video, name: str, most: int, shape: tuple[int, int, int]
) -> None:
    values = frames(most, shape)
    nbytes, coded = video.encode(coder(video, name), values)
    assert np.array_equal(video.decode(coder(video, name), coded, values), values)
    assert 0 < nbytes <= len(coded)


@pytest.mark.parametrize("name", ["x265-lossless", "aom-lossless"])
def test_values_beyond_a_peers_bits_are_refused_by_name(video, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: values up to 4096, expected 12 bits"):
        video.encode(coder(video, name), frames(4096))


@pytest.mark.parametrize("name", ["x265", "svt-av1"])
def test_a_lossy_peer_is_nearer_with_more_bytes_and_at_the_voxel_it_was_given(
    video, name: str
) -> None:
    volume = frames(3000).astype(np.float32) - 1000
    errors, sizes = [], []
    for quality in (coder(video, name).qualities[i] for i in (0, 2, 5)):
        nbytes, decoded = video.lossy(coder(video, name), quality)(volume)
        assert decoded.shape == volume.shape
        errors.append(float(np.sqrt(np.mean((decoded - volume) ** 2))))
        sizes.append(nbytes)
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)
    # A shift by one frame, row or column costs 90 and more.
    assert errors[0] < 25 < errors[2]
    assert errors[1] < 60


def test_settings_name_the_version_of_every_peer(video) -> None:
    texts = [c.settings for c in (*video.LOSSY, *video.LOSSLESS)]
    assert not any("?" in text for text in texts)
    assert all("ffmpeg" in text for text in texts)
    assert any("-preset veryslow -tune psnr -crf 2/7/12/17/22/28" in text for text in texts)
