//! What the timeline shows of a server at any time.

/// The role of a server, as far as a row shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ShownRole {
    Down,
    Follower,
    Candidate,
    Leader,
}

impl ShownRole {
    /// Its letter in a row.
    pub(super) const fn letter(self) -> char {
        match self {
            ShownRole::Down => 'x',
            ShownRole::Follower => 'f',
            ShownRole::Candidate => 'c',
            ShownRole::Leader => 'L',
        }
    }
}
