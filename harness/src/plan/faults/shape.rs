//! Which links work while a topology is in force.

use serde::{Deserialize, Serialize};

/// A shape of the network. Servers stand in a row: first the center, then those of higher numbers, then from number 1 on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Two halves; only the center reaches both.
    #[default]
    Bridge,
    /// Each server reaches the next and the one before; the last reaches the first.
    Ring,
    /// The same without the link between the last and the first.
    Chain,
    /// Only links with the center work.
    Star,
    /// The center reaches only the next one. The others reach each other.
    LoneLink,
}

impl Shape {
    /// All of them.
    pub(in crate::plan) const ALL: [Shape; 5] =
        [Shape::Bridge, Shape::Ring, Shape::Chain, Shape::Star, Shape::LoneLink];

    /// Whether the servers at these places, counted from the center, reach each other; of so many.
    pub(crate) const fn connects(self, from: u64, to: u64, nodes: u64) -> bool {
        let (near, far) = if from < to { (from, to) } else { (to, from) };
        match self {
            _ if near == far => true,
            Shape::Bridge => near == 0 || (near <= nodes / 2) == (far <= nodes / 2),
            Shape::Ring => far - near == 1 || far - near == nodes - 1,
            Shape::Chain => far - near == 1,
            Shape::Star => near == 0,
            Shape::LoneLink => near > 0 || far == 1,
        }
    }

    /// The name in a plan.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Shape::Bridge => "bridge",
            Shape::Ring => "ring",
            Shape::Chain => "chain",
            Shape::Star => "star",
            Shape::LoneLink => "lone link",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    /// The working links of five servers, one direction of each.
    fn links(shape: Shape) -> Vec<(u64, u64)> {
        let pairs = (0..5).flat_map(|from| (0..5).map(move |to| (from, to)));
        let all: Vec<_> = pairs.filter(|(from, to)| from != to && shape.connects(*from, *to, 5)).collect();
        assert!(all.iter().all(|(from, to)| all.contains(&(*to, *from))), "both directions work: {all:?}");
        all.into_iter().filter(|(from, to)| from < to).collect()
    }

    #[test]
    fn each_shape_has_its_links() {
        assert_eq!(links(Shape::Bridge), [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (3, 4)]);
        assert_eq!(links(Shape::Ring), [(0, 1), (0, 4), (1, 2), (2, 3), (3, 4)]);
        assert_eq!(links(Shape::Chain), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        assert_eq!(links(Shape::Star), [(0, 1), (0, 2), (0, 3), (0, 4)]);
        assert_eq!(links(Shape::LoneLink), [(0, 1), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]);
    }
}
