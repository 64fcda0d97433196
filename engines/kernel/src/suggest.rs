//! "Did you mean …?"

/// The candidate nearest to `found` by edit distance (insert, delete, replace, swap of neighbours), if it is near
/// enough to be worth naming: at most a third of the longer word. Of equally near ones the one that begins alike: what was
/// left out is mostly the end.
pub fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase();
    let alike = |c: &str| lower.chars().zip(c.chars()).take_while(|(a, b)| a == b).count();
    candidates
        .into_iter()
        .map(|c| (c, c.to_lowercase()))
        .map(|(c, small)| (distance(&lower, &small), std::cmp::Reverse(alike(&small)), c))
        .filter(|(d, _, c)| d * 3 <= found.chars().count().max(c.chars().count()))
        .min_by_key(|(d, alike, _)| (*d, *alike))
        .map(|(_, _, c)| c)
}

/// Optimal string alignment distance.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let width = b.len() + 1;
    let mut cost: Vec<usize> = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            cost[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = cost[(i - 1) * width + j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(cost[(i - 1) * width + j] + 1).min(cost[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(cost[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    cost[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_named_and_far_ones_are_not() {
        assert_eq!(nearest("lable", ["label", "table"]), Some("label"));
        assert_eq!(
            nearest("scrape_intervall", ["scrape_timeout", "scrape_interval"]),
            Some("scrape_interval")
        );
        assert_eq!(nearest("xyz", ["label"]), None);
        assert_eq!(nearest("rat", ["rad", "rate"]), Some("rate"));
    }
}
