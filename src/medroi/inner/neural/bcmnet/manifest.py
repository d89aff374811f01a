"""Names and shapes of the tensors of BCM-Net's public checkpoints."""

from __future__ import annotations

from collections.abc import Iterator

from medroi.inner.neural.bcmnet.model import COMPONENTS

_FEATURES, _CONTEXT = 64, 120
_BLOCKS = 8
Shape = tuple[int, ...]
Named = Iterator[tuple[str, Shape]]


def shapes() -> dict[str, Shape]:
    """All tensors by name."""
    return dict(_all())


def _all() -> Named:
    for image in ("forward_ref", "backward_ref", "lossy_rec"):
        yield from _extractor(f"feats_extract_{image}.net")
    for name in ("lossy", "forward", "backward"):
        yield from _chain(f"i2cg.{name}_res_blocks", _BLOCKS, _FEATURES)
    yield from _intra("i2cg.symmetry_based_intra_slice_ctx_generation")
    yield from _inter("i2cg.bidirectional_inter_slice_ctx_generation")
    yield from _conv("i2cg.ctx_fusion_head_wo_ref.0", _CONTEXT, _FEATURES)
    yield from _conv("i2cg.ctx_fusion_head_with_ref.0", _CONTEXT, 2 * _FEATURES)
    yield from _chain("i2cg.ctx_fusion_body", _BLOCKS, _CONTEXT)
    for number in range(4):
        width = _CONTEXT if number == 0 else 2 * _CONTEXT
        yield from _three(
            f"entropy_models.params_estimator.{number}", (width, width, width, 3 * COMPONENTS)
        )
    for number in range(3):
        few = number + 1
        yield from _three(
            f"entropy_models.auto_ctx_extraction.{number}", (few, few, _CONTEXT, _CONTEXT)
        )


def _conv(name: str, out: int, into: int, side: int = 3, *, bias: bool = True) -> Named:
    yield f"{name}.weight", (out, into, side, side)
    if bias:
        yield f"{name}.bias", (out,)


def _three(name: str, widths: tuple[int, int, int, int]) -> Named:
    for place in range(3):
        yield from _conv(f"{name}.body.{2 * place}", widths[place + 1], widths[place])


def _chain(name: str, count: int, width: int) -> Named:
    for number in range(count):
        yield from _conv(f"{name}.{number}.body.0", width, width)
        yield from _conv(f"{name}.{number}.body.2", width, width)


def _norm(name: str) -> Named:
    yield f"{name}.norm.weight", (_FEATURES,)
    yield f"{name}.norm.bias", (_FEATURES,)


def _maps(name: str, maps: tuple[str, ...]) -> Named:
    for each in maps:
        yield from _conv(f"{name}.{each}", _FEATURES, _FEATURES, 1, bias=False)
    yield from _conv(f"{name}.out_map", _FEATURES, 2 * _FEATURES, 1, bias=False)


def _feed_forward(name: str) -> Named:
    yield from _conv(f"{name}.body.0", 4 * _FEATURES, 2 * _FEATURES, 1, bias=False)
    yield from _conv(f"{name}.body.2", _FEATURES, 4 * _FEATURES, 1, bias=False)


def _extractor(name: str) -> Named:
    yield from _conv(f"{name}.0", _FEATURES, 1)
    for number in (2, 3):
        yield from _conv(f"{name}.{number}.head", _FEATURES, _FEATURES)
        yield from _chain(f"{name}.{number}.res_blocks", _BLOCKS, _FEATURES)
        yield from _conv(f"{name}.{number}.tail", _FEATURES, _FEATURES)
    yield from _conv(f"{name}.4", _FEATURES, _FEATURES)


def _intra(name: str) -> Named:
    for number in range(3):
        yield from _conv(f"{name}.local_fusion.atrous_convs.{number}", _FEATURES, _FEATURES)
    yield from _conv(f"{name}.local_fusion.output_conv", _FEATURES, 3 * _FEATURES, 1)
    widths = (_FEATURES, 32, 16, 8, 4, 3)
    for number in range(5):
        layer = f"{name}.affine_transform.downsample_layers.{2 * number}"
        yield from _conv(layer, widths[number + 1], widths[number])
    yield f"{name}.affine_transform.theta_estimator.weight", (6, 12)
    yield f"{name}.affine_transform.theta_estimator.bias", (6,)
    yield from _maps(f"{name}.criss_cross_self_attn", ("query_map", "key_map", "value_map"))
    yield from _feed_forward(f"{name}.feed_forward")
    yield from _norm(f"{name}.norm_before_attn")
    yield from _norm(f"{name}.norm_after_attn")
    yield from _chain(f"{name}.bottom", 2, _FEATURES)


def _inter(name: str) -> Named:
    maps = ("query_map", "key_map_1", "key_map_2", "value_map_1", "value_map_2")
    yield from _maps(f"{name}.bidirectional_cross_attn", maps)
    yield from _feed_forward(f"{name}.feed_forward")
    for norm in ("attn_x", "attn_ref_1", "attn_ref_2"):
        yield from _norm(f"{name}.norm_before_{norm}")
    yield from _norm(f"{name}.norm_after_attn")
