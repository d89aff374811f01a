//! The goldens, and a volume to a stream and back.

use medroi_sys::{decode, encode, inspect, medroi_layout, version};
use std::path::PathBuf;

fn goldens(start: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(start) && name.ends_with(".medroi")
        })
        .collect();
    found.sort();
    found
}

fn volume() -> (medroi_layout, Vec<u8>) {
    let mut layout = medroi_layout {
        ndim: 3,
        kind: b'i' as _,
        itemsize: 2,
        ..Default::default()
    };
    layout.shape[..3].copy_from_slice(&[20, 24, 28]);
    let mut voxels = Vec::new();
    for z in 0..20i16 {
        for y in 0..24i16 {
            for x in 0..28i16 {
                let inside = (5..15).contains(&z) && (6..18).contains(&y) && (7..21).contains(&x);
                voxels.push(if inside { 1000 + z + 3 * y - 2 * x } else { 0 });
            }
        }
    }
    let bytes = voxels
        .iter()
        .flat_map(|value: &i16| value.to_le_bytes())
        .collect();
    (layout, bytes)
}

#[test]
fn a_volume_comes_back() {
    for inner in ["raw", "predict3d"] {
        let (layout, voxels) = volume();
        let stream = encode(&format!("{{\"inner\": \"{inner}\"}}"), &layout, &voxels).unwrap();
        assert!(stream.len() < voxels.len());
        assert_eq!(decode(&stream, 1 << 20).unwrap(), voxels);
        let info = inspect(&stream).unwrap();
        assert_eq!(info.layout.shape, layout.shape);
        assert_eq!((info.region.start[0], info.region.stop[2]), (5, 21));
        // The last fields: what Rust thinks of the struct is what C thinks.
        assert_eq!(
            (info.header_nbytes + info.payload_nbytes) as usize,
            stream.len()
        );
    }
}

#[test]
fn goldens_are_decoded_and_bad_ones_refused() {
    let good = goldens("v1-");
    assert!(good.len() >= 25);
    for path in good {
        let stream = std::fs::read(&path).unwrap();
        let info = inspect(&stream).unwrap();
        assert_eq!(
            (info.header_nbytes + info.payload_nbytes) as usize,
            stream.len()
        );
        if [0, 4, 5].contains(&info.inner_id) {
            decode(&stream, 1 << 24).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        }
    }
    let bad = goldens("bad-");
    assert!(bad.len() >= 67);
    for path in bad {
        let error = decode(&std::fs::read(&path).unwrap(), 1 << 24).unwrap_err();
        assert!([2, 3, 4].contains(&error.status), "{path:?}: {error}");
    }
}

#[test]
fn what_cannot_be_served_is_refused() {
    let (layout, voxels) = volume();
    let stream = encode("{}", &layout, &voxels).unwrap();
    assert_eq!(decode(&stream, 100).unwrap_err().status, 1);
    assert_eq!(encode("{}", &layout, &voxels[1..]).unwrap_err().status, 1);
    assert_eq!(
        encode("{\"inner\": \"nothing\"}", &layout, &voxels)
            .unwrap_err()
            .status,
        4
    );
    assert_eq!(encode("\0", &layout, &voxels).unwrap_err().status, 1);
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
}
