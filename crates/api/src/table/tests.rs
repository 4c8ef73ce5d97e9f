#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn every_row_is_sorted_and_found_by_its_own_path() {
    assert!(ENDPOINTS.is_sorted_by(|a, b| a.path < b.path));
    for (index, endpoint) in ENDPOINTS.iter().enumerate() {
        let found = find(endpoint.path).unwrap();
        assert_eq!((found.index, found.tail), (index, 0), "{}", endpoint.path);
        assert!(endpoint.path.matches('/').count() <= SLASHES, "{}", endpoint.path);
    }
}

#[test]
fn the_longest_row_that_fits_counts() {
    let found = |path| find(path).map(|found| (found.endpoint.path, found.tail));
    assert_eq!(found("/v1/agent/service/register"), Some(("/v1/agent/service/register", 0)));
    assert_eq!(found("/v1/agent/service/register/x"), Some(("/v1/agent/service/", 10)));
    assert_eq!(found("/v1/kv/v1/kv/"), Some(("/v1/kv/", 6)));
    for nothing in ["", "/", "/v1/kv", "/v1/txn/", "/v1/KV/a"] {
        assert_eq!(found(nothing), None, "{nothing}");
    }
}
