//! A map from client requests to values.

use crate::fact::RequestId;

/// A sorted list of sessions, each with a list sorted by sequence number. Sessions are few and requests arrive nearly
/// in order, so lookups are short and most insertions append.
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
    /// The value for this request.
    pub(crate) fn get(&self, request: RequestId) -> Option<&T> {
        let session = self.sessions.binary_search_by_key(&request.session, |session| session.0).ok()?;
        let requests = &self.sessions[session].1;
        search(requests, request.sequence).ok().map(|position| &requests[position].1)
    }

    /// The value for this request, to change.
    pub(crate) fn get_mut(&mut self, request: RequestId) -> Option<&mut T> {
        let session = self.sessions.binary_search_by_key(&request.session, |session| session.0).ok()?;
        let requests = &mut self.sessions[session].1;
        search(requests, request.sequence).ok().map(|position| &mut requests[position].1)
    }

    /// Inserts a value unless the request has one.
    pub(crate) fn insert(&mut self, request: RequestId, value: T) {
        let session = match self.sessions.binary_search_by_key(&request.session, |session| session.0) {
            Ok(session) => session,
            Err(session) => {
                self.sessions.insert(session, (request.session, Vec::new()));
                session
            }
        };
        let requests = &mut self.sessions[session].1;
        if let Err(position) = search(requests, request.sequence) {
            requests.insert(position, (request.sequence, value));
        }
    }
}

/// A binary search that tries the newest few requests first, where nearly all lookups are.
fn search<T>(requests: &[(u64, T)], sequence: u64) -> Result<usize, usize> {
    let recent = requests.len().saturating_sub(16);
    if requests.get(recent).is_some_and(|first| first.0 <= sequence) {
        return match requests[recent..].binary_search_by_key(&sequence, |pair| pair.0) {
            Ok(position) => Ok(recent + position),
            Err(position) => Err(recent + position),
        };
    }
    requests.binary_search_by_key(&sequence, |pair| pair.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_request_map_behaves_like_a_btree_map(names in prop::collection::vec((0..4u64, 0..60u64), 0..200)) {
            let (mut requests, mut reference) = (RequestMap::default(), BTreeMap::new());
            for (position, (session, sequence)) in names.into_iter().enumerate() {
                let request = RequestId { session, sequence };
                prop_assert_eq!(requests.get(request), reference.get(&request));
                requests.insert(request, position);
                reference.entry(request).or_insert(position);
            }
            for (&request, position) in &reference {
                prop_assert_eq!(requests.get(request), Some(position));
                *requests.get_mut(request).expect("it was inserted") += 1;
                prop_assert_eq!(requests.get(request), Some(&(position + 1)));
            }
        }
    }
}
