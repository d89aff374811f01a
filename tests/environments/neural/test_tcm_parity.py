"""TCM and AuxT give what the public implementations give, with the recipe's weights.

First each stage alone, fed with the public implementation's own input; then all of it at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import parity_recipe
import pytest
import torch

from medroi.inner.neural import images, tables
from medroi.inner.neural.tcm.codec import Tcm, TcmAuxt, layout_of
from medroi.inner.neural.tcm.folding import fold_gray
from medroi.inner.neural.tcm.network.latents import LatentModel
from medroi.inner.neural.tcm.network.loading import loaded
from medroi.inner.neural.tcm.network.transforms import Transforms
from medroi.inner.neural.tcm.sizes import sizes_of
from medroi.inner.neural.weights import check

CODECS = {"tcm": Tcm, "tcm_auxt": TcmAuxt}
# "suggested_tolerance" of the facts.
TENSORS, SCALES, IMAGES, BITS = 2e-4, 3e-5, 1e-4, 1e-6


@dataclass(frozen=True)
class Published:
    """A public network: colour, transforms in single precision, our latent model."""

    tensors: dict[str, np.ndarray]
    transforms: Transforms
    model: LatentModel
    facts: Any
    multiple: int

    def case(self, name: str, what: str) -> np.ndarray:
        return self.facts[f"{name}/{what}"]

    def image(self, name: str) -> tuple[torch.Tensor, images.Frame]:
        pixels = self.case(name, "input_u8").astype(np.float32) / np.float32(255)
        frame = images.centred_frame(pixels.shape[1:], self.multiple, 256)
        return torch.from_numpy(images.pad(pixels, frame))[None], frame

    def assert_near(
        self, name: str, what: str, found: torch.Tensor, atol: float = TENSORS, rtol: float = 0
    ) -> None:
        key = next(k for k in self.facts.files if k.partition("@")[0] == f"{name}/{what}")
        every = int(key.partition("@")[2] or 1)
        flat = found.double().numpy().reshape(-1)[::every]
        np.testing.assert_allclose(flat, self.facts[key].reshape(-1), rtol=rtol, atol=atol)


@pytest.fixture(scope="module", params=["tcm", "tcm_auxt"])
def published(request: pytest.FixtureRequest) -> Published:
    torch.set_num_threads(1)
    model = request.param
    codec = CODECS[model]
    recipe = parity_recipe.recipe_tensors(model)
    tensors = dict(check(recipe, layout_of(model, codec.auxiliary), "recipe").tensors)
    sizes = sizes_of({name: tensor.shape for name, tensor in tensors.items()})
    return Published(
        recipe,
        loaded(Transforms, sizes, tensors, torch.float32),
        loaded(LatentModel, sizes, tensors, torch.float64),
        np.load(parity_recipe.PARITY / f"{model}.npz"),
        codec.multiple,
    )


def test_the_recipe_gives_the_published_weights(published: Published) -> None:
    names = [entry[0] for entry in parity_recipe.facts("tcm_auxt")["tensors"]]
    if "AuxT_enc.0.scaling_factors" not in published.tensors:
        names = [entry[0] for entry in parity_recipe.facts("tcm")["tensors"]]
    expected = dict(zip(names, published.facts["weight_crc32"], strict=True))
    found = {name: parity_recipe.crc32(tensor) for name, tensor in published.tensors.items()}
    assert found == {name: expected[name] for name in found}
    assert len(found) > 1000


def test_the_scale_table_is_the_published_one(published: Published) -> None:
    theirs = published.facts["y_scale_table"]
    np.testing.assert_allclose(tables.scale_edges(), theirs, rtol=1e-6)


def test_hyper_rows_cover_what_the_published_ones_cover(published: Published) -> None:
    made = tables.bottleneck_tables(published.tensors)
    theirs = published.facts["z_cdf"]
    assert np.array_equal(made.offsets, published.facts["z_offset"])
    assert np.array_equal(made.lengths, published.facts["z_cdf_length"])
    for row, length, their in zip(made.cdf, made.lengths, theirs):
        # The published escape's share depends on the widest row; the symbols' do not.
        symbols = row[: length - 1] / row[length - 2]
        np.testing.assert_allclose(symbols, their[: length - 1] / their[length - 2], atol=1e-3)


def test_analysis(published: Published) -> None:
    image, _ = published.image("pad")
    published.assert_near("pad", "y", published.transforms.analysis(image))


def test_hyper_analysis(published: Published) -> None:
    latents = torch.from_numpy(published.case("pad", "y"))
    published.assert_near("pad", "z", published.transforms.hyper_analysis(latents))


def test_latent_model(published: Published) -> None:
    model = published.model
    hyper = model.hyper_synthesis(torch.from_numpy(published.case("pad", "z_hat")).double())
    published.assert_near("pad", "latent_means", hyper[0])
    published.assert_near("pad", "latent_scales", hyper[1])
    latents = torch.from_numpy(published.case("pad", "y_hat")).double()
    symbols = torch.from_numpy(published.case("pad", "y_symbols")).double()
    means, scales, refined = [], [], []
    for group in range(5):
        channels = slice(64 * group, 64 * group + 64)
        earlier = [latents[:, 64 * g : 64 * g + 64] for g in range(group)]
        mean, scale, support = model.describe(group, hyper, earlier)
        refined.append(model.refine(group, support, mean + symbols[:, channels]))
        means.append(mean)
        scales.append(scale)
    published.assert_near("pad", "mu", torch.cat(means, 1))
    published.assert_near("pad", "scale", torch.cat(scales, 1), rtol=SCALES)
    published.assert_near("pad", "y_hat", torch.cat(refined, 1))


def test_synthesis(published: Published) -> None:
    drawn = published.transforms.synthesis(torch.from_numpy(published.case("pad", "y_hat")))
    _, frame = published.image("pad")
    cropped = images.crop(drawn.numpy(), frame)
    published.assert_near("pad", "x_hat", torch.from_numpy(cropped.copy()), atol=IMAGES)


def bits_of(symbols: np.ndarray, scales: np.ndarray) -> float:
    """What the published likelihood charges for rounded latents around their means."""
    scales, distance = np.maximum(scales, np.float64(np.float32(0.11))), np.abs(symbols)
    erfc = np.vectorize(math.erfc, otypes=[float])
    upper = erfc(-(0.5 - distance) / scales / math.sqrt(2))
    lower = erfc(-(-0.5 - distance) / scales / math.sqrt(2))
    return float(-np.log2(np.maximum((upper - lower) / 2, 1e-9)).sum())


def hyper_bits(tensors: dict[str, np.ndarray], symbols: np.ndarray) -> float:
    """What the published factorized prior charges for rounded hyper latents."""
    medians = tensors["entropy_bottleneck.quantiles"].astype(np.float64)[:, 0, 1:2]
    points = symbols.reshape(medians.size, -1) + medians
    reach = [
        tables.bottleneck_logits(tensors, "entropy_bottleneck.", points + side)
        for side in (-0.5, 0.5)
    ]
    # On the side where both are small, so that their difference is.
    sign = -np.sign(reach[0] + reach[1])
    share = np.abs(tables.sigmoid(sign * reach[1]) - tables.sigmoid(sign * reach[0]))
    return float(-np.log2(np.maximum(share, 1e-9)).sum())


def test_all_at_once(published: Published) -> None:
    image, _ = published.image("sq")
    latents = published.transforms.analysis(image)
    published.assert_near("sq", "y", latents)
    medians = torch.from_numpy(published.tensors["entropy_bottleneck.quantiles"][:, 0, 1])
    medians = medians.double()[:, None, None]
    hyper_symbols = torch.round(published.transforms.hyper_analysis(latents).double() - medians)
    hyper = published.model.hyper_synthesis(hyper_symbols + medians)
    refined, symbols, scales = [], [], []
    for group, actual in enumerate(latents.double().split(64, dim=1)):
        mean, scale, support = published.model.describe(group, hyper, refined)
        symbols.append(torch.round(actual - mean))
        refined.append(published.model.refine(group, support, mean + symbols[-1]))
        scales.append(scale)
    found, scale = torch.cat(symbols, 1).numpy(), torch.cat(scales, 1).numpy()
    index = np.searchsorted(tables.scale_edges()[:-1], scale)
    assert np.array_equal(hyper_symbols.numpy(), published.case("sq", "z_symbols"))
    assert np.array_equal(found, published.case("sq", "y_symbols"))
    off = np.abs(index - published.case("sq", "scale_index"))
    assert off.max() <= 1 and np.count_nonzero(off) <= 0.0002 * off.size
    published.assert_near("sq", "y_hat", torch.cat(refined, 1))
    drawn = published.transforms.synthesis(torch.cat(refined, 1).float())
    published.assert_near("sq", "x_hat", drawn, atol=IMAGES)
    assert bits_of(found, scale) == pytest.approx(published.case("sq", "y_bits"), rel=BITS)
    spent = hyper_bits(published.tensors, hyper_symbols.numpy())
    assert spent == pytest.approx(published.case("sq", "z_bits"), rel=BITS)


def test_gray_networks_are_the_colour_ones_on_gray_images(published: Published) -> None:
    folded = fold_gray(published.tensors)
    sizes = sizes_of({name: tensor.shape for name, tensor in folded.items()})
    gray = loaded(Transforms, sizes, folded, torch.float32)
    image = published.image("sq")[0][:, :1, 64:128, 64:192]
    latents = published.transforms.analysis(image.expand(-1, 3, -1, -1))
    assert torch.allclose(gray.analysis(image), latents, rtol=0, atol=TENSORS)
    drawn = published.transforms.synthesis(latents)[:, :1]
    assert torch.allclose(gray.synthesis(latents), drawn, rtol=0, atol=IMAGES)
    assert gray.synthesis(latents).shape[1] == 1
