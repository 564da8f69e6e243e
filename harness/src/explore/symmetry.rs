//! Symmetry: clusters that differ by the numbers of their servers behave alike.

/// Other numbers for the servers of a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Renaming(Vec<usize>);

impl Renaming {
    /// The same numbers.
    #[must_use]
    pub fn identity(servers: usize) -> Renaming {
        Renaming((0..servers).collect())
    }

    /// All renamings in which servers of a group change places among themselves; the identity first. `group` gives the
    /// group of a server.
    #[must_use]
    pub fn all_within(servers: usize, group: impl Fn(usize) -> usize) -> Vec<Renaming> {
        let mut all = vec![Vec::new()];
        for server in 0..servers {
            all = all
                .iter()
                .flat_map(|start: &Vec<usize>| {
                    let free = (0..servers).filter(|other| group(*other) == group(server));
                    let free = free.filter(|other| !start.contains(other));
                    free.map(|other| [start.as_slice(), &[other]].concat()).collect::<Vec<_>>()
                })
                .collect();
        }
        all.into_iter().map(Renaming).collect()
    }

    /// The number that a server gets.
    #[must_use]
    pub fn of(&self, server: usize) -> usize {
        self.0.get(server).copied().unwrap_or(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamings_are_all_permutations_within_groups() {
        assert_eq!(Renaming::all_within(3, |_| 0).len(), 6);
        assert_eq!(Renaming::all_within(3, |_| 0)[0], Renaming::identity(3));
        let within = Renaming::all_within(4, |server| server / 3);
        assert_eq!(within.len(), 6);
        assert!(within.iter().all(|renaming| renaming.of(3) == 3));
    }
}
