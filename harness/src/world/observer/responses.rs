//! What responses say: their part of the digest, and which write they show.

use invariants::{Action, Content, Digest, Response};

/// Whether a response shows what this action would have written.
pub(super) fn response_shows_write(response: &Response, action: Action) -> bool {
    let written = match action {
        Action::Put(value) | Action::CompareAndSet { value, .. } => Content::Present(value),
        Action::Append(value) | Action::Replace(value) => Content::Present(value),
        Action::Delete(deletion) => Content::Absent(deletion),
        // Runs use only registers and lists.
        _ => return false,
    };
    match response {
        Response::Holds(content) | Response::Mismatch(Some(content)) => *content == written,
        Response::List(elements) => elements.iter().any(|element| Content::Present(*element) == written),
        _ => false,
    }
}

/// A digest followed by a response.
pub(super) fn fold_response(digest: Digest, response: &Response) -> Digest {
    let content = |digest: Digest, content: &Content| match *content {
        Content::Absent(number) => digest.then(0).then(number),
        Content::Present(value) => digest.then(1).then(value),
    };
    match response {
        Response::Done => digest.then(2),
        Response::Holds(holds) => content(digest.then(3), holds),
        Response::Mismatch(None) => digest.then(4),
        Response::Mismatch(Some(holds)) => content(digest.then(5), holds),
        Response::List(list) => list.iter().fold(digest.then(6), |digest, element| digest.then(*element)),
        Response::Set(set) => set.iter().fold(digest.then(7), |digest, element| digest.then(*element)),
        Response::Count(count) => digest.then(8).then(count.cast_unsigned()),
        Response::Dequeued(None) => digest.then(9),
        Response::Dequeued(Some(value)) => digest.then(10).then(*value),
    }
}
