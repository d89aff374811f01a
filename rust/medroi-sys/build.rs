//! Find libmedroi: in MEDROI_LIB_DIR, or by pkg-config.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=MEDROI_LIB_DIR");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    if let Ok(folder) = env::var("MEDROI_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-lib=medroi");
        return;
    }
    let asked = Command::new("pkg-config")
        .args(["--libs", "medroi >= 0.1.0"])
        .output()
        .expect("pkg-config is needed, or MEDROI_LIB_DIR with the folder of libmedroi");
    if !asked.status.success() {
        panic!(
            "libmedroi was not found: {}; install it with CMake (src/kernel), or set MEDROI_LIB_DIR",
            String::from_utf8_lossy(&asked.stderr)
        );
    }
    for flag in String::from_utf8_lossy(&asked.stdout).split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={library}");
        }
    }
}
