//! Bindings of libmedroi's `medroi.h`, which documents them, and what makes one call of each safe.

#![allow(non_camel_case_types)]

use std::ffi::{CStr, CString};
use std::fmt;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr;

pub const MEDROI_MAX_AXES: usize = 8;
pub const MEDROI_RECORD_NBYTES: usize = 54;
pub const MEDROI_MAX_LEFT_OUT: usize = 16;

/// A status; 0 is success.
pub type medroi_status = c_int;

#[repr(C)]
pub struct medroi_error {
    pub status: medroi_status,
    pub text: [c_char; 320],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct medroi_layout {
    pub ndim: i32,
    pub shape: [i64; MEDROI_MAX_AXES],
    pub kind: c_char,
    pub big_endian: u8,
    pub f_order: u8,
    pub axes: u8,
    pub itemsize: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct medroi_box {
    pub start: [i64; MEDROI_MAX_AXES],
    pub stop: [i64; MEDROI_MAX_AXES],
}

#[repr(C)]
pub struct medroi_config {
    _private: [u8; 0],
}

#[repr(C)]
pub struct medroi_context {
    _private: [u8; 0],
}

#[repr(C)]
pub struct medroi_output {
    pub data: *mut u8,
    pub nbytes: usize,
    pub capacity: usize,
    pub reserve: Option<unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void>,
    pub user: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct medroi_info {
    pub layout: medroi_layout,
    pub region: medroi_box,
    pub record: [u8; MEDROI_RECORD_NBYTES],
    pub background: u64,
    pub threshold: f64,
    pub miss_rate: f64,
    pub affine: [f32; 9],
    pub is_mask: u8,
    pub unopened_miss_rate: f64,
    pub mask_nbytes: u32,
    pub n_left_out: u64,
    pub n_left_out_voxels: u64,
    pub n_listed: u32,
    pub left_out_voxels: [u64; MEDROI_MAX_LEFT_OUT],
    pub left_out: [medroi_box; MEDROI_MAX_LEFT_OUT],
    pub signal_level: f64,
    pub n_signal: u64,
    pub n_dropped_signal: u64,
    pub n_largest_dropped: u64,
    pub largest_dropped_peak: f64,
    pub largest_dropped: medroi_box,
    pub inner_id: u16,
    pub inner_name: *const c_char,
    pub slice_axis: u8,
    pub n_slabs: u64,
    pub payload_nbytes: u64,
    pub header_nbytes: u64,
}

extern "C" {
    pub fn medroi_version() -> *const c_char;
    pub fn medroi_status_text(status: medroi_status) -> *const c_char;
    pub fn medroi_array_nbytes(layout: *const medroi_layout) -> usize;
    pub fn medroi_config_from_json(
        text: *const c_char,
        config: *mut *mut medroi_config,
        error: *mut medroi_error,
    ) -> medroi_status;
    pub fn medroi_config_free(config: *mut medroi_config);
    pub fn medroi_context_new(
        n_threads: u32,
        context: *mut *mut medroi_context,
        error: *mut medroi_error,
    ) -> medroi_status;
    pub fn medroi_context_free(context: *mut medroi_context);
    pub fn medroi_free(memory: *mut c_void);
    pub fn medroi_encode(
        context: *mut medroi_context,
        config: *const medroi_config,
        layout: *const medroi_layout,
        data: *const c_void,
        stream: *mut medroi_output,
        error: *mut medroi_error,
    ) -> medroi_status;
    pub fn medroi_inspect(
        stream: *const c_void,
        nbytes: usize,
        info: *mut medroi_info,
        error: *mut medroi_error,
    ) -> medroi_status;
    pub fn medroi_decode(
        context: *mut medroi_context,
        stream: *const c_void,
        nbytes: usize,
        data: *mut c_void,
        data_nbytes: usize,
        error: *mut medroi_error,
    ) -> medroi_status;
    pub fn medroi_decode_box(
        context: *mut medroi_context,
        stream: *const c_void,
        nbytes: usize,
        region: *const medroi_box,
        data: *mut c_void,
        data_nbytes: usize,
        error: *mut medroi_error,
    ) -> medroi_status;
}

/// What libmedroi refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: medroi_status,
    pub text: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

fn checked(call: impl FnOnce(*mut medroi_error) -> medroi_status) -> Result<(), Error> {
    let mut error = medroi_error {
        status: 0,
        text: [0; 320],
    };
    match call(&mut error) {
        0 => Ok(()),
        status => Err(Error {
            status,
            // The library ends every text with a zero.
            text: unsafe { CStr::from_ptr(error.text.as_ptr()) }
                .to_string_lossy()
                .into_owned(),
        }),
    }
}

/// The version of the library that is linked.
pub fn version() -> String {
    unsafe { CStr::from_ptr(medroi_version()) }
        .to_string_lossy()
        .into_owned()
}

/// Read and check everything of a stream but its voxels.
pub fn inspect(stream: &[u8]) -> Result<medroi_info, Error> {
    let mut info = std::mem::MaybeUninit::<medroi_info>::zeroed();
    checked(|error| unsafe {
        medroi_inspect(
            stream.as_ptr().cast(),
            stream.len(),
            info.as_mut_ptr(),
            error,
        )
    })?;
    Ok(unsafe { info.assume_init() })
}

/// Bytes of the whole array, in the stream's memory order; refused where they are more than `max_nbytes`.
pub fn decode(stream: &[u8], max_nbytes: usize) -> Result<Vec<u8>, Error> {
    let info = inspect(stream)?;
    let nbytes = unsafe { medroi_array_nbytes(&info.layout) };
    if nbytes > max_nbytes {
        return Err(Error {
            status: 1,
            text: format!(
                "the array has {nbytes} bytes, more than max_nbytes ({max_nbytes}) allows"
            ),
        });
    }
    let mut data = vec![0; nbytes];
    checked(|error| unsafe {
        medroi_decode(
            ptr::null_mut(),
            stream.as_ptr().cast(),
            stream.len(),
            data.as_mut_ptr().cast(),
            data.len(),
            error,
        )
    })?;
    Ok(data)
}

/// Encode an array: `config` is the JSON object of numcodecs, `data` as long as `layout` says.
pub fn encode(config: &str, layout: &medroi_layout, data: &[u8]) -> Result<Vec<u8>, Error> {
    let refuse = |text: String| Err(Error { status: 1, text });
    let Ok(text) = CString::new(config) else {
        return refuse("the configuration has a zero byte".into());
    };
    if unsafe { medroi_array_nbytes(layout) } != data.len() {
        return refuse(format!("{} bytes are not those of the array", data.len()));
    }
    let mut config = ptr::null_mut();
    checked(|error| unsafe { medroi_config_from_json(text.as_ptr(), &mut config, error) })?;
    let mut output = medroi_output {
        data: ptr::null_mut(),
        nbytes: 0,
        capacity: 0,
        reserve: None,
        user: ptr::null_mut(),
    };
    let done = checked(|error| unsafe {
        medroi_encode(
            ptr::null_mut(),
            config,
            layout,
            data.as_ptr().cast(),
            &mut output,
            error,
        )
    });
    unsafe { medroi_config_free(config) };
    done?;
    let stream = unsafe { std::slice::from_raw_parts(output.data, output.nbytes) }.to_vec();
    unsafe { medroi_free(output.data.cast()) };
    Ok(stream)
}
