//! Something for each client request, found by session and sequence.

use crate::fact::RequestId;

/// A sorted list of sessions, each a sorted list by sequence. Sessions are few and requests come nearly in order, so a
/// look-up is short and an insertion is mostly a push.
#[derive(Debug)]
pub(crate) struct RequestMap<T> {
    sessions: Vec<(u64, Vec<(u64, T)>)>,
}

impl<T> Default for RequestMap<T> {
    fn default() -> Self {
        RequestMap { sessions: Vec::new() }
    }
}

impl<T> RequestMap<T> {
    /// What is kept for this request.
    pub fn get(&self, request: RequestId) -> Option<&T> {
        let session = self.sessions.binary_search_by_key(&request.session, |session| session.0).ok()?;
        let kept = &self.sessions[session].1;
        search(kept, request.sequence).ok().map(|position| &kept[position].1)
    }

    /// Keeps `value` for this request unless something is kept already.
    pub fn insert(&mut self, request: RequestId, value: T) {
        let session = match self.sessions.binary_search_by_key(&request.session, |session| session.0) {
            Ok(session) => session,
            Err(session) => {
                self.sessions.insert(session, (request.session, Vec::new()));
                session
            }
        };
        let kept = &mut self.sessions[session].1;
        if let Err(position) = search(kept, request.sequence) {
            kept.insert(position, (request.sequence, value));
        }
    }
}

/// A binary search that looks among the newest few first: that is where nearly all requests are.
fn search<T>(kept: &[(u64, T)], sequence: u64) -> Result<usize, usize> {
    let recent = kept.len().saturating_sub(16);
    if kept.get(recent).is_some_and(|first| first.0 <= sequence) {
        return match kept[recent..].binary_search_by_key(&sequence, |pair| pair.0) {
            Ok(position) => Ok(recent + position),
            Err(position) => Err(recent + position),
        };
    }
    kept.binary_search_by_key(&sequence, |pair| pair.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn requests_are_a_map(names in prop::collection::vec((0..4u64, 0..60u64), 0..200)) {
            let (mut requests, mut plain) = (RequestMap::default(), BTreeMap::new());
            for (position, (session, sequence)) in names.into_iter().enumerate() {
                let request = RequestId { session, sequence };
                prop_assert_eq!(requests.get(request), plain.get(&request));
                requests.insert(request, position);
                plain.entry(request).or_insert(position);
            }
            for (&request, position) in &plain {
                prop_assert_eq!(requests.get(request), Some(position));
            }
        }
    }
}
