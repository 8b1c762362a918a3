//! Lanes for cables that are drawn beside the boxes, such that no two cables lie upon each other.

/// Assigns each interval the first lane that is free all along it.
pub(super) fn assign<T: PartialOrd + Copy>(
    intervals: impl IntoIterator<Item = (T, T)>,
) -> Vec<usize> {
    let mut lanes: Vec<Vec<(T, T)>> = Vec::new();
    let lane_of = |(first, last): (T, T)| {
        let is_apart = |other: &(T, T)| last < other.0 || other.1 < first;
        let free = lanes.iter().position(|lane| lane.iter().all(is_apart));
        let lane = free.unwrap_or(lanes.len());
        if lane == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[lane].push((first, last));
        lane
    };
    intervals.into_iter().map(lane_of).collect()
}

#[cfg(test)]
mod tests {
    use super::assign;

    #[test]
    fn intervals_share_a_lane_only_where_they_are_apart() {
        assert_eq!(assign([(0, 1), (2, 3), (0, 3), (1, 2)]), [0, 0, 1, 2]);
        assert!(assign::<usize>([]).is_empty());
    }
}
