//! The role of a server, as the timeline shows it.

/// A role in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ShownRole {
    Down,
    Follower,
    Candidate,
    Leader,
}

impl ShownRole {
    /// Its letter.
    pub(super) const fn letter(self) -> char {
        match self {
            ShownRole::Down => 'x',
            ShownRole::Follower => 'f',
            ShownRole::Candidate => 'c',
            ShownRole::Leader => 'L',
        }
    }
}
