//! The best k of many, in a binary heap with the worst of them on top.
//!
//! Which of several equal elements survive depends on the heap's exact moves. They are those of Prometheus (a plain
//! sift, the newcomer replaces the top only if strictly better), so that both pick the same series.

use std::cmp::Ordering;

/// A value and the index of its series.
type Item = (f64, usize);

/// Whether `a` is worse than `b`: NaN is worse than anything, itself included.
fn worse(a: Item, b: Item, highest: bool) -> bool {
    a.0.is_nan() || if highest { a.0 < b.0 } else { a.0 > b.0 }
}

/// Best first, NaN last.
pub(super) fn rank(a: f64, b: f64, highest: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let ascending = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if highest { ascending.reverse() } else { ascending }
        }
    }
}

/// Keeps the newcomer if it is among the best `k`.
pub(super) fn offer(heap: &mut Vec<Item>, item: Item, k: usize, highest: bool) {
    if heap.len() < k {
        heap.push(item);
        let mut at = heap.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if !worse(heap[at], heap[parent], highest) {
                break;
            }
            heap.swap(at, parent);
            at = parent;
        }
        return;
    }
    let top = heap[0].0;
    let better = if highest { item.0 > top } else { item.0 < top };
    let first_number = top.is_nan() && !item.0.is_nan();
    if !better && !first_number {
        return;
    }
    heap[0] = item;
    let mut at = 0;
    loop {
        let mut child = 2 * at + 1;
        if child >= heap.len() {
            return;
        }
        if child + 1 < heap.len() && worse(heap[child + 1], heap[child], highest) {
            child += 1;
        }
        if !worse(heap[child], heap[at], highest) {
            return;
        }
        heap.swap(at, child);
        at = child;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(values: &[f64], k: usize, highest: bool) -> Vec<f64> {
        let mut heap = vec![];
        for (i, v) in values.iter().enumerate() {
            offer(&mut heap, (*v, i), k, highest);
        }
        heap.sort_by(|a, b| rank(a.0, b.0, highest));
        heap.into_iter().map(|i| i.0).collect()
    }

    #[test]
    fn the_best_survive_and_nan_goes_first() {
        assert_eq!(best(&[3.0, 1.0, 2.0, 5.0, 4.0], 2, true), [5.0, 4.0]);
        assert_eq!(best(&[3.0, 1.0, 2.0, 5.0, 4.0], 3, false), [1.0, 2.0, 3.0]);
        assert_eq!(best(&[f64::NAN, 1.0, f64::NAN, 0.0], 2, true), [1.0, 0.0]);
        assert_eq!(best(&[1.0, 2.0], 5, false), [1.0, 2.0]);
    }
}
