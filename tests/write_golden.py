"""Write golden streams that do not exist yet; one that exists is never written again.

python tests/write_golden.py
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from arrays import make_array, phantom

from medroi import MedROI

FOLDER = Path(__file__).parent / "golden"


def reseal(stream: bytes, *changes: tuple[int, str, object]) -> bytes:
    """Change header fields and put the right header CRC under them."""
    changed = bytearray(stream)
    for offset, form, value in changes:
        struct.pack_into(form, changed, offset, value)
    side_nbytes = struct.unpack_from("<I", changed, 96)[0]
    end = 112 + (changed[5] >> 2 & 1) * (24 * changed[7] + 36) + side_nbytes
    struct.pack_into("<I", changed, end, zlib.crc32(changed[:end]))
    return bytes(changed)


def flip(stream: bytes, offset: int) -> bytes:
    """One bit of one byte the other way round."""
    changed = bytearray(stream)
    changed[offset] ^= 1
    return bytes(changed)


def with_section(stream: bytes, section: bytes) -> bytes:
    """A plain stream with a section of side data put in."""
    longer = stream[:112] + section + stream[112:]
    return reseal(longer, (96, "<I", len(section)))


def two_bodies() -> np.ndarray:
    """A phantom and a label beside it."""
    scene = np.random.default_rng(5).integers(0, 6, (26, 30, 60)).astype("<i2")
    scene[:, :, :28] = phantom((26, 30, 28))
    scene[4:12, 20:28, 48:56] = 150
    return scene


def body_and_specks() -> np.ndarray:
    """A body in noise, and four bright voxels away from it."""
    scene = np.random.default_rng(5).integers(0, 6, (20, 22, 24)).astype("<i2")
    scene[4:16, 5:17, 6:18] += 100
    scene[1, 1, 1:4] = 50
    scene[18, 20, 22] = 60
    return scene


def dropped_section(numbers: bytes) -> bytes:
    """A section of dropped signal with a level of 40."""
    section = b"\x01" + struct.pack("<d", 40) + numbers
    return b"\x84" + struct.pack("<I", len(section)) + section


def ball() -> np.ndarray:
    """A ball of texture in background, its edge anywhere."""
    grid = np.meshgrid(*(np.linspace(-1.3, 1.2, n) for n in (13, 18, 21)), indexing="ij")
    radius = sum(axis**2 for axis in grid)
    texture = np.random.default_rng(8).integers(90, 110, radius.shape)
    return np.where(radius < 1, texture, 0).astype("<i2")


def for_crops_of(mask: np.ndarray, codec: MedROI) -> MedROI:
    """The codec for chunks of a scan that were cleared outside a mask."""
    region = MedROI.fit(mask.astype("<i2"), mask=mask).region
    return codec.for_crops(region, mask.shape, np.dtype("<i2"))


def with_mask_section(stream: bytes, **fields: object) -> bytes:
    """A stream whose mask section was tampered with: its head, its length, its last bytes."""
    (nbytes,) = struct.unpack_from("<I", stream, 113)
    section = bytearray(stream[117 : 117 + nbytes])
    for name, value in fields.items():
        if name == "cut":
            section = section[:value]
        elif name == "more":
            section += value
        else:
            struct.pack_into("<B" if name != "rate" else "<d", section, MASK_FIELDS[name], value)
    longer = stream[:112] + struct.pack("<BI", 2, len(section)) + section + stream[117 + nbytes :]
    return reseal(longer, (96, "<I", 5 + len(section)))


def with_part(dtype: str, inner_id: int, part: bytes) -> bytes:
    """A stream of 24 elements that an inner codec is said to have coded so, all checksums right."""
    stream = MedROI("raw", threshold=None).encode(np.ones((2, 3, 4), "u1").astype(dtype))
    (payload_nbytes,) = struct.unpack_from("<Q", stream, 88)
    longer = stream[:-payload_nbytes] + part
    lengths = (88, "<Q", len(part)), (100, "<I", 2), (104, "<I", zlib.crc32(part))
    return reseal(longer, *lengths, (108, "<H", inner_id))


def forbidden_parts() -> dict[str, bytes]:
    """Parts that would be right, were they not of element types that their codec has not."""
    level = struct.pack("<B3d3b", 0, 2.0**62, 2.0**62, 1.0, 0, 0, 0)
    found = {}
    for dtype in ("<i8", "<u8", "|b1", "<c8", "<M8[s]", "|S3"):
        nbytes, name = 24 * np.dtype(dtype).itemsize, np.dtype(dtype).name.split("[")[0]
        found[f"wavelet3d-stored-{name}"] = with_part(dtype, 4, b"\xff" + bytes(nbytes))
        found[f"wavelet3d-level-{name}"] = with_part(dtype, 4, level)
    for dtype in ("<c8", "<c16", "<M8[s]", "|S3", "<U2"):
        nbytes, name = 24 * np.dtype(dtype).itemsize, np.dtype(dtype).name.split("[")[0]
        found[f"predict3d-stored-{name}"] = with_part(dtype, 5, b"\x02" + bytes(nbytes))
    # The stacked method has no slices of less than 16 x 16 voxels.
    stacked = (FOLDER / "part-predict3d-stacked-image.bin").read_bytes()
    found["predict3d-stacked-small-slices"] = with_part("<u2", 5, stacked)
    return found


MASK_FIELDS = {"version": 0, "edge": 1, "rate": 2}


def good() -> dict[str, tuple[MedROI, np.ndarray]]:
    """Streams that every later version decodes."""
    affine = [[0, 1.5, 0], [1, 0, 0], [0, 0, -2]]
    ramp = np.zeros((90, 101, 97), "<i4")
    ramp[3:80] = np.arange(77)[:, None, None]
    series = np.stack([phantom((8, 12, 10)) + t for t in range(3)])
    air = (phantom((12, 14, 10)) - 1024).astype(">i2")
    return {
        "raw-box": (MedROI("raw", affine=affine), phantom((10, 12, 11))),
        "zstd-fortran-float32": (MedROI("zstd"), np.asfortranarray(phantom(dtype="<f4"))),
        "deflate-big-endian-ct": (MedROI("deflate", background=-1024), air),
        "zstd-4d-extended": (MedROI("zstd", padding=1), series),
        "raw-slice-axis-2": (MedROI("raw", slice_axis=2, threshold=30), phantom((9, 8, 7), "|u1")),
        "zstd-many-parts": (MedROI.lossless("zstd"), ramp),
        "raw-image": (MedROI("raw", threshold="otsu"), phantom((25, 31), "<u2")),
        "raw-empty-region": (MedROI("raw", background=7), np.full((4, 5, 6), 7, "<i2")),
        "raw-one-axis": (MedROI("raw"), np.arange(-3, 9, dtype="<i8")),
        "zstd-float16-lossless": (MedROI.lossless("zstd"), make_array("<f2", (5, 6, 7), "C", 1)),
        "deflate-datetime": (MedROI("deflate"), make_array("<M8[ns]", (6, 4), "F", 2)),
        "raw-hull": (MedROI("raw", roi="mask"), phantom((26, 30, 28))),
        "zstd-hull-fortran-4d": (
            MedROI("zstd", roi="mask", axes=(0, 1, 2), slice_axis=0, threshold=40),
            np.asfortranarray(np.stack([phantom((21, 23, 22)) + t for t in range(2)], 3)),
        ),
        "deflate-hull-image": (
            MedROI("deflate", roi="mask", threshold=30.5),
            phantom((60, 71), "<f4"),
        ),
        "raw-hull-left-out": (MedROI("raw", roi="mask", components="largest"), two_bodies()),
        "raw-box-left-out": (
            MedROI("raw", components="largest", threshold="noise"),
            two_bodies().astype(">i2"),
        ),
        "raw-box-dropped-signal": (
            MedROI("raw", threshold=40, max_miss_rate=0.01, padding=0),
            body_and_specks(),
        ),
        "zstd-mask-dropped-signal": (
            MedROI("zstd", roi="mask", threshold=-40, max_miss_rate=0.01, polarity="dark"),
            np.asfortranarray(-body_and_specks()),
        ),
        "wavelet3d-mask-of-tiles": (
            MedROI({"id": "wavelet3d", "step": 4.0}, roi="mask", threshold=None),
            ball(),
        ),
        "wavelet3d-mask-of-voxels": (
            for_crops_of(ball() > 0, MedROI({"id": "wavelet3d", "step": 4.0})),
            ball(),
        ),
        "predict3d-stacked": (
            MedROI(
                {"id": "predict3d", "level": "max"}, threshold=None, background=-1, slice_axis=0
            ),
            phantom((5, 18, 17)),
        ),
        "zstd-text": (MedROI("zstd"), make_array(">U2", (3, 4), "C", 3)),
    }


def bad() -> dict[str, bytes]:
    """Streams that every version refuses."""
    stream = MedROI("raw").encode(phantom((10, 12, 11)))
    series = MedROI("raw").encode(np.stack([phantom((8, 12, 10))] * 2))
    masked = MedROI("raw", roi="mask").encode(phantom((26, 30, 28)))
    parts = MedROI.lossless("zstd").encode(np.ones((90, 101, 97), "<i4"))
    return {
        "no-bytes": b"",
        "magic": flip(stream, 1),
        "cut-in-header": stream[:100],
        "cut-in-payload": stream[:-1],
        "one-byte-more": stream + b"\0",
        "flipped-header": flip(stream, 20),
        "flipped-payload": flip(stream, len(stream) - 5),
        "future-version": reseal(stream, (4, "<B", 2)),
        "unknown-flag": reseal(stream, (5, "<B", 8)),
        "unknown-kind": reseal(stream, (6, "<B", ord("x"))),
        "no-axes": reseal(stream, (7, "<B", 0)),
        "itemsize-3": reseal(stream, (8, "<H", 3)),
        "box-outside": reseal(stream, (12, "<h", 10)),
        "negative-shape": reseal(stream, (22, "<h", -10)),
        "wide-background": reseal(stream, (64, "<Q", 1 << 16)),
        "miss-rate-nan": reseal(stream, (80, "<d", float("nan"))),
        "miss-rate-2": reseal(stream, (80, "<d", 2.0)),
        "part-extent-0": reseal(stream, (100, "<I", 0)),
        "part-extent-beyond": reseal(stream, (100, "<I", 1000)),
        "unknown-inner": reseal(stream, (108, "<H", 999)),
        "no-volume-axes": reseal(stream, (110, "<B", 0)),
        "slice-axis-3": reseal(stream, (111, "<B", 3)),
        "fortran-vector": reseal(MedROI("raw").encode(np.arange(9)), (5, "<B", 6)),
        "huge-extended-shape": reseal(series, (112, "<Q", 1 << 62)),
        "record-beside-extended": reseal(series, (10, "<h", 1)),
        "unknown-section": with_section(stream, b"\x7f\x01\0\0\0a"),
        "cut-section": with_section(stream, b"\x81\x09\0\0\0a"),
        "section-twice": with_section(stream, b"\x81\0\0\0\0\x81\0\0\0\0"),
        "dtype-text-of-numbers": with_section(stream, b"\x01\x03\0\0\0<i2"),
        "hull-version": with_mask_section(masked, version=2),
        "hull-edge-0": with_mask_section(masked, edge=0),
        "hull-edge-1": with_mask_section(masked, edge=1),
        "hull-edge-2-version-2": with_mask_section(masked, version=2, edge=2),
        "hull-version-3": with_mask_section(masked, version=3),
        "hull-edge-17": with_mask_section(masked, edge=17),
        "hull-rate": with_mask_section(masked, rate=1.5),
        "hull-without-map": with_mask_section(masked, cut=10),
        "hull-cut-in-head": with_mask_section(masked, cut=9),
        "hull-cut-in-map": with_mask_section(masked, cut=-8),
        "hull-longer": with_mask_section(masked, more=b"1234"),
        "hull-of-text": with_section(
            MedROI("raw").encode(make_array("|S3", (3, 4), "C", 3)),
            b"\x02" + struct.pack("<I", 14) + b"\1\2" + bytes(12),
        ),
        "left-out-cut": with_section(stream, b"\x83\x03\0\0\0\x01\x05\x05"),
        "left-out-too-many": with_section(stream, b"\x83\x04\0\0\0\x01\x20\x20\x20"),
        "left-out-outside": with_section(
            stream, b"\x83\x0b\0\0\0\x01\x01\x05\x01\x05\x00\x63\x00\x02\x00\x02"
        ),
        "dropped-cut": with_section(stream, dropped_section(b"\x05")),
        "dropped-more-than-signal": with_section(
            stream, dropped_section(b"\x05\x06\x01" + bytes(8) + b"\0\1\0\1\0\1")
        ),
        "dropped-group-outside": with_section(
            stream, dropped_section(b"\x05\x02\x01" + bytes(8) + b"\0\x63\0\1\0\1")
        ),
        "dropped-longer": with_section(
            stream, dropped_section(b"\x05\x02\x01" + bytes(8) + b"\0\1\0\1\0\1\0")
        ),
        **forbidden_parts(),
        "flipped-table": flip(parts, 116),
        "flipped-part": flip(parts, len(parts) - 3),
    }


def write_new(path: Path, content: bytes) -> None:
    """Write a file unless it is there."""
    if not path.exists():
        path.write_bytes(content)
        print(path.name)


def main() -> None:
    """Write what is missing."""
    for name, (codec, array) in good().items():
        path = FOLDER / f"v1-{name}.medroi"
        if not path.exists():
            stream = codec.encode(array)
            write_new(path, stream)
            np.savez_compressed(FOLDER / f"v1-{name}.npz", array=codec.decode(stream))
    for name, stream in bad().items():
        write_new(FOLDER / f"bad-{name}.medroi", stream)


if __name__ == "__main__":
    main()
