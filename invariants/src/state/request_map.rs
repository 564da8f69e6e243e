//! A map from client requests to values.

use crate::dense_map::DenseMap;
use crate::fact::RequestId;

/// Sessions are few and requests arrive nearly in order, so both levels are a [`DenseMap`].
#[derive(Debug)]
pub(crate) struct RequestMap<T> {
    sessions: DenseMap<DenseMap<T>>,
}

impl<T> Default for RequestMap<T> {
    fn default() -> Self {
        RequestMap { sessions: DenseMap::new() }
    }
}

impl<T> RequestMap<T> {
    /// The value for this request.
    pub(crate) fn get(&self, request: RequestId) -> Option<&T> {
        self.sessions.get(request.session)?.get(request.sequence)
    }

    /// The value for this request, to change.
    pub(crate) fn get_mut(&mut self, request: RequestId) -> Option<&mut T> {
        self.sessions.get_mut(request.session)?.get_mut(request.sequence)
    }

    /// Inserts a value unless the request has one.
    pub(crate) fn insert(&mut self, request: RequestId, value: T) {
        let requests = self.sessions.get_or_insert_with(request.session, DenseMap::new);
        requests.get_or_insert_with(request.sequence, || value);
    }
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
