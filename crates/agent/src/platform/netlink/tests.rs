#![allow(clippy::unwrap_used)]

use super::*;

/// Of a machine that puts the low byte first.
#[test]
#[cfg(target_endian = "little")]
fn a_request_is_laid_out_as_the_kernel_reads_it() {
    let request = Request::add_or_replace_address()
        .address(2, 24, 7)
        .attribute(libc::IFA_LOCAL, &[192, 0, 2, 9])
        .attribute(libc::IFA_LABEL, b"eth0\0")
        .finish();
    #[rustfmt::skip]
    let expected = [
        44, 0, 0, 0, 20, 0, 5, 5, 1, 0, 0, 0, 0, 0, 0, 0,
        2, 24, 0, 0, 7, 0, 0, 0,
        8, 0, 2, 0, 192, 0, 2, 9,
        9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0,
    ];
    assert_eq!(request, expected);
}

#[test]
fn an_answer_is_a_code() {
    let answer = |kind: u16, code: i32| {
        let mut bytes = vec![0; 36];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[16..20].copy_from_slice(&code.to_ne_bytes());
        acknowledged(&bytes)
    };
    answer(2, 0).unwrap();
    assert_eq!(answer(2, -99).unwrap_err().raw_os_error(), Some(99));
    assert!(answer(3, 0).is_err());
    for length in 0..20 {
        let mut cut = vec![0; length];
        if let Some(kind) = cut.get_mut(4..6) {
            kind.copy_from_slice(&2_u16.to_ne_bytes());
        }
        assert!(acknowledged(&cut).is_err());
    }
}

/// Asking needs no rights; what is asked for does, or an interface that there is not.
#[test]
fn the_kernel_says_what_is_wrong() {
    let nowhere = Request::delete_address().address(2, 32, i32::MAX as u32);
    let error = ask(&nowhere.attribute(libc::IFA_LOCAL, &[127, 0, 0, 99]).finish()).unwrap_err();
    let code = error.raw_os_error();
    assert!([libc::ENODEV, libc::EPERM].map(Some).contains(&code), "{error}");
}
