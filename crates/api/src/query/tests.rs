use catalog::Uuid;

use super::{decimal, shuffle};

#[test]
fn every_order_comes_up_and_about_equally_often() {
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..6000_u64 {
        // Seeds of the kind that a system draws: all bits differ.
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        bytes[8..].copy_from_slice(&seed.wrapping_mul(0xd134_2543_de82_ef95).to_be_bytes());
        let mut rows = [1, 2, 3];
        shuffle(&mut rows, &Uuid::from_bytes(bytes));
        *counts.entry(rows).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    shuffle(&mut [0; 0], &Uuid::default());
}

#[test]
fn limits_are_read_as_go_reads_numbers() {
    assert_eq!(decimal("-1"), Ok(-1));
    assert_eq!(decimal("+7"), Ok(7));
    for bad in ["", "x", "1x", "0x1", "--1", "1_0"] {
        assert_eq!(decimal(bad), Err("invalid syntax"), "{bad}");
    }
    assert_eq!(decimal("99999999999999999999"), Err("value out of range"));
}
